"use client";

import { useMemo, useState } from "react";
import { usePeople, type Edit } from "@/api/people";
import type { Cluster } from "@/api/types";
import { AlbumLink } from "@/lib/AlbumLink";
import { PersonCard } from "@/people/PersonCard";
import { useEditor } from "@/people/useEditor";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { Choice, Toggle } from "@/ui/Field";
import { SelectionBar } from "@/ui/SelectionBar";
import { ShareDialog } from "../shares/ShareDialog";
import { HistoryDialog } from "./HistoryDialog";
import styles from "./PeopleTab.module.css";

type Order = keyof typeof text.people.orders;

export function sorted(people: readonly Cluster[], order: Order): Cluster[] {
  const bySize = (a: Cluster, b: Cluster) => b.size - a.size || a.id.localeCompare(b.id);
  const compare: Record<Order, (a: Cluster, b: Cluster) => number> = {
    size: bySize,
    unnamed: (a, b) => Number(a.label !== null) - Number(b.label !== null) || bySize(a, b),
    name: (a, b) => (a.label ?? "\uffff").localeCompare(b.label ?? "\uffff") || bySize(a, b),
  };
  return [...people].sort(compare[order]);
}

interface PeopleTabProps {
  albumId: string;
  /** Faces of nobody. */
  unassigned: number;
}

export function PeopleTab({ albumId, unassigned }: PeopleTabProps) {
  const [order, setOrder] = useState<Order>("size");
  const [showsHidden, setHidden] = useState(false);
  const people = usePeople(albumId, showsHidden);
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [dragged, setDragged] = useState<string | null>(null);
  const [showsHistory, setHistory] = useState(false);
  const [isSharing, setSharing] = useState(false);
  const { apply } = useEditor(albumId);
  const shown = useMemo(() => sorted(people.data ?? [], order), [people.data, order]);
  // Who was merged or hidden meanwhile is no longer selected.
  const chosen = selected.filter((id) => shown.some((person) => person.id === id));

  if (people.isPending) return <Skeleton shape="people" />;
  if (people.isLoadingError) return <Failure error={people.error} onRetry={() => void people.refetch()} />;

  function merge(ids: readonly string[]) {
    // The first keeps id and name: somebody with a name, if there is one.
    const named = ids.find((id) => shown.some((person) => person.id === id && person.label));
    const first = named ?? ids[0];
    if (!first) return;
    const clusters = [first, ...ids.filter((id) => id !== first)];
    void apply([{ kind: "merge", clusters }], text.people.merged(clusters.length));
    setSelected([]);
  }

  function hide(hidden: boolean) {
    const edits = chosen.map((cluster): Edit => ({ kind: "hide", cluster, hidden }));
    void apply(edits, hidden ? text.people.hidden(edits.length) : text.people.shown(edits.length));
    setSelected([]);
  }

  return (
    <>
      <div className={styles.bar}>
        <p className={styles.hint}>{shown.length > 1 && text.people.mergeHint}</p>
        <Toggle isSelected={showsHidden} label={text.people.showHidden} onChange={setHidden} />
        <Button icon="undo" onPress={() => setHistory(true)} size="s" variant="quiet">
          {text.history.open}
        </Button>
        <div className={styles.order}>
          <Choice
            hideLabel
            label={text.people.order}
            onChange={setOrder}
            options={text.people.orders}
            value={order}
          />
        </div>
      </div>
      {shown.length === 0 ? (
        <Empty hint={text.people.emptyHint} icon="person" title={text.people.emptyTitle} />
      ) : (
        <ul aria-label={text.people.grid} className={styles.grid}>
          {shown.map((person) => (
            <PersonCard
              albumId={albumId}
              dragged={dragged}
              isSelected={chosen.includes(person.id)}
              key={person.id}
              onDrag={setDragged}
              onMerge={(from) => merge([person.id, from])}
              onSelect={(on) =>
                setSelected(on ? [...chosen, person.id] : chosen.filter((id) => id !== person.id))
              }
              person={person}
            />
          ))}
        </ul>
      )}
      {unassigned > 0 && (
        <p className={styles.nobody}>
          <AlbumLink albumId={albumId} place={{ tab: "people", person: "none" }}>
            {text.person.unassignedCount(unassigned)}
          </AlbumLink>
        </p>
      )}
      {chosen.length > 0 && (
        <SelectionBar label={text.people.selected(chosen.length)} onClear={() => setSelected([])}>
          <Button
            icon="merge"
            isDisabled={chosen.length < 2}
            onPress={() => merge(chosen)}
            size="s"
            variant="primary"
          >
            {text.people.merge}
          </Button>
          <Button icon="share" onPress={() => setSharing(true)} size="s">
            {text.people.share}
          </Button>
          <Button icon="hide" onPress={() => hide(!showsHidden)} size="s">
            {showsHidden ? text.people.unhide : text.people.hide}
          </Button>
        </SelectionBar>
      )}
      {showsHistory && <HistoryDialog albumId={albumId} onClose={() => setHistory(false)} />}
      {isSharing && (
        <ShareDialog albumId={albumId} initial={chosen} onClose={() => setSharing(false)} />
      )}
    </>
  );
}
