"use client";

import { useEffect, useState } from "react";
import { useSuggestions } from "@/api/suggestions";
import type { Cluster, Suggestion } from "@/api/types";
import { personStyle } from "@/people/hue";
import { useEditor } from "@/people/useEditor";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { undoLatest } from "@/ui/toast";
import styles from "./SuggestionsTab.module.css";

function without(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const rest = new Set(ids);
  rest.delete(id);
  return rest;
}

/** One question at a time, one key for each answer. */
export function SuggestionsTab({ albumId }: { albumId: string }) {
  const query = useSuggestions(albumId);
  const { apply } = useEditor(albumId);
  // Answered ones are gone at once, not when the list has been read again; an undo brings them back.
  const [answered, setAnswered] = useState<ReadonlySet<string>>(new Set());
  const [skipped, setSkipped] = useState<ReadonlySet<string>>(new Set());
  const open = (query.data?.suggestions ?? []).filter(
    (one) => !answered.has(one.id) && !skipped.has(one.id),
  );
  const current = open[0];
  const total = query.data?.total ?? 0;

  function answer(suggestion: Suggestion, accept: boolean) {
    setAnswered(new Set(answered).add(suggestion.id));
    void apply(
      [{ kind: "answer", suggestion: suggestion.id, accept }],
      accept ? text.suggestions.accepted : text.suggestions.declined,
      () => setAnswered((before) => without(before, suggestion.id)),
    );
  }

  const skip = (suggestion: Suggestion) => setSkipped(new Set(skipped).add(suggestion.id));

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.metaKey || event.ctrlKey || event.altKey || event.repeat) return;
      if (target.closest("input, textarea, select, [role=dialog], [role=menu]")) return;
      // With Caps Lock on, too.
      const key = event.key.toLowerCase();
      if (key === "z") undoLatest();
      if (!current) return;
      if (key === "y") answer(current, true);
      else if (key === "n") answer(current, false);
      else if (key === "s") skip(current);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });

  if (query.isPending) return <Skeleton count={4} shape="people" />;
  if (query.isLoadingError) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  if (!current) {
    return (
      <Empty hint={text.suggestions.emptyHint} icon="check" title={text.suggestions.emptyTitle}>
        {skipped.size > 0 && (
          <Button onPress={() => setSkipped(new Set())}>{text.suggestions.again}</Button>
        )}
      </Empty>
    );
  }
  return (
    <section aria-labelledby="question" className={styles.card}>
      <h2 aria-live="polite" className={styles.title} id="question">
        {current.name ? text.suggestions.takesName(current.name) : text.suggestions.title}
      </h2>
      <p className={styles.soft}>
        {[
          text.suggestions.likely(current.probability),
          current.saved >= 1 && text.suggestions.saves(Math.round(current.saved)),
          text.suggestions.remaining(Math.max(open.length, total - answered.size - skipped.size)),
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      <div className={styles.sides}>
        <Side person={current.first} />
        <Side person={current.second} />
      </div>
      <div className={styles.answers}>
        <Button icon="close" onPress={() => answer(current, false)}>
          {text.suggestions.no}
        </Button>
        <Button onPress={() => skip(current)} variant="quiet">
          {text.suggestions.skip}
        </Button>
        <Button icon="check" onPress={() => answer(current, true)} variant="primary">
          {text.suggestions.yes}
        </Button>
      </div>
      <p className={styles.keys}>{text.suggestions.keys}</p>
    </section>
  );
}

function Side({ person }: { person: Cluster }) {
  const faces = person.faces.length > 0 ? person.faces : [person.cover];
  return (
    <div className={styles.side} style={personStyle(person.id)}>
      <ul className={styles.faces}>
        {faces.slice(0, 6).map((face) => (
          <li key={face.id}>
            <img alt="" src={face.cropUrl} />
          </li>
        ))}
      </ul>
      <p className={styles.name}>{person.label ?? text.people.unnamedPerson}</p>
      <p className={styles.soft}>{text.common.photos(person.photos)}</p>
    </div>
  );
}
