import { useCallback } from "react";
import { useEdits, type Edit } from "@/api/people";
import { text } from "@/text/en";
import { toastDone, toastFailed } from "@/ui/toast";

/**
 * Decisions about an album's people, each with a message that offers to take it back.
 *
 * `apply` calls `onUndone` when a decision was taken back, and when it could not be made.
 */
export function useEditor(albumId: string) {
  const { mutateAsync, isPending } = useEdits(albumId);
  const apply = useCallback(
    async (edits: readonly Edit[], message: string, onUndone?: () => void) => {
      // Promises, not the mutation's callbacks: what asked may be gone when the answer comes.
      try {
        const done = await mutateAsync(edits);
        const undo = done
          .map((edited): Edit => ({ kind: "undo", decision: edited.decision }))
          .reverse();
        toastDone(message, () => {
          mutateAsync(undo).then(() => {
            onUndone?.();
            toastDone(text.common.undone);
          }, toastFailed);
        });
      } catch (error) {
        onUndone?.();
        toastFailed(error);
      }
    },
    [mutateAsync],
  );
  return { apply, isPending };
}
