import { useCallback } from "react";
import { useEdits, type Edit } from "@/api/people";
import { text } from "@/text/en";
import { toastDone, toastFailed } from "@/ui/toast";

/** Decisions about an album's people, each with a message that offers to take it back. */
export function useEditor(albumId: string) {
  const { mutate, isPending } = useEdits(albumId);
  const apply = useCallback(
    (edits: readonly Edit[], message: string, after?: (created: readonly string[]) => void) =>
      mutate(edits, {
        onSuccess: (done) => {
          after?.(done.flatMap((edited) => edited.clusters.map((cluster) => cluster.id)));
          const undo = done
            .map((edited): Edit => ({ kind: "undo", decision: edited.decision }))
            .reverse();
          toastDone(message, () =>
            mutate(undo, { onSuccess: () => toastDone(text.common.undone), onError: toastFailed }),
          );
        },
        onError: toastFailed,
      }),
    [mutate],
  );
  return { apply, isPending };
}
