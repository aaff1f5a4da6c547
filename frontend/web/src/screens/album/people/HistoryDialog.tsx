"use client";

import { useMemo } from "react";
import { useDecisions, useEdits, usePeople } from "@/api/people";
import type { Decision } from "@/api/types";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { MoreButton } from "@/ui/NextPage";
import { toastDone, toastFailed } from "@/ui/toast";
import styles from "./PeopleTab.module.css";

/** The people that a decision names, the one that it is about first; by id. */
function clustersOf({ data }: Decision): string[] {
  const listed: unknown[] = Array.isArray(data.clusters) ? data.clusters : [];
  return [data.cluster, data.first, ...listed, data.second].filter((id) => typeof id === "string");
}

/**
 * What a decision was, in words. Its data is of many shapes: whatever is not there is left out.
 *
 * `nameOf` gives the names that people have now: who was named after a merge is known by that.
 */
export function describe(decision: Decision, nameOf: (cluster: string) => string | null): string {
  const { kind, data } = decision;
  const count = (name: string) => (Array.isArray(data[name]) ? data[name].length : 1);
  const [name = null, other = null] = clustersOf(decision).map(nameOf);
  switch (kind) {
    case "label":
      return text.history.label(typeof data.name === "string" ? data.name : null);
    case "merge":
      return text.history.merge(count("clusters"), name);
    case "split":
      return text.history.split(count("faces"), name);
    case "reject":
      return text.history.reject(name);
    case "move":
      return text.history.move(count("faces"), name);
    case "confirm":
      return text.history.confirm(count("faces"), name);
    case "hide":
      return text.history.hide(data.hidden !== false, name);
    case "dismiss":
      return text.history.dismiss(name, other);
    default:
      return text.history.other;
  }
}

/** Every decision about the album's people, each of which can be taken back, and done again. */
export function HistoryDialog({ albumId, onClose }: { albumId: string; onClose: () => void }) {
  const query = useDecisions(albumId);
  const { mutate, isPending } = useEdits(albumId);
  const shown = usePeople(albumId).data;
  const hidden = usePeople(albumId, true).data;
  const people = useMemo(
    () => new Map([...(shown ?? []), ...(hidden ?? [])].map((person) => [person.id, person])),
    [shown, hidden],
  );
  // Undoing is shown at what was undone, not as a decision of its own.
  const decisions =
    query.data?.pages.flatMap((page) => page.decisions).filter((one) => one.kind !== "undo") ?? [];

  function toggle(decision: Decision) {
    // Not by disabling buttons: the one that was pressed would lose the focus.
    if (isPending) return;
    mutate([{ kind: "undo", decision: decision.undoneBy ?? decision.id }], {
      onSuccess: () => toastDone(decision.undoneBy ? text.history.redone : text.common.undone),
      onError: toastFailed,
    });
  }

  return (
    <Dialog isOpen onClose={onClose} title={text.history.title}>
      {query.isPending && <Skeleton count={3} shape="rows" />}
      {query.isLoadingError && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && decisions.length === 0 && (
        <Empty hint={text.history.emptyHint} title={text.history.emptyTitle} />
      )}
      <ul className={styles.decisions}>
        {decisions.map((decision) => {
          const what = describe(decision, (id) => people.get(id)?.label ?? null);
          const cover = clustersOf(decision).map((id) => people.get(id)?.coverUrl)[0];
          const isUndone = decision.undoneBy !== null;
          return (
            <li className={styles.decision} data-undone={isUndone} key={decision.id}>
              {cover ? <img alt="" className={styles.who} src={cover} /> : <span className={styles.who} />}
              <div className={styles.words}>
                <p className={styles.what}>{what}</p>
                <p className={styles.when}>
                  {new Date(decision.createdAt).toLocaleString("en")}
                  {isUndone && ` · ${text.history.undone}`}
                </p>
              </div>
              <Button
                aria-label={isUndone ? text.history.redoOf(what) : text.history.undoOf(what)}
                onPress={() => toggle(decision)}
                size="s"
              >
                {isUndone ? text.history.redo : text.common.undo}
              </Button>
            </li>
          );
        })}
      </ul>
      <MoreButton query={query} />
    </Dialog>
  );
}
