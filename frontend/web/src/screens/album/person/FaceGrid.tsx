"use client";

import { useEffect, useRef } from "react";
import type { PersonFace } from "@/api/types";
import { text } from "@/text/en";
import { Icon } from "@/ui/Icon";
import styles from "./PersonPage.module.css";

interface FaceGridProps {
  faces: readonly PersonFace[];
  hasMore: boolean;
  onMore: () => void;
  picked: ReadonlySet<string>;
  onPicked: (picked: ReadonlySet<string>) => void;
}

/** Faces to pick; Shift picks all from the last one picked. */
export function FaceGrid({ faces, hasMore, onMore, picked, onPicked }: FaceGridProps) {
  const last = useRef<number | null>(null);
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = end.current;
    if (!element || !hasMore) return undefined;
    const observer = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && onMore(),
      { rootMargin: "800px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [hasMore, onMore, faces.length]);

  function pick(index: number, isRange: boolean) {
    const next = new Set(picked);
    const face = faces[index];
    if (!face) return;
    const wants = !next.has(face.id);
    const from = isRange && last.current !== null ? last.current : index;
    for (let at = Math.min(from, index); at <= Math.max(from, index); at += 1) {
      const each = faces[at];
      if (!each) continue;
      if (wants) next.add(each.id);
      else next.delete(each.id);
    }
    last.current = index;
    onPicked(next);
  }

  return (
    <>
      <ul aria-label={text.person.facesLabel} className={styles.faces}>
        {faces.map((face, index) => (
          <li className={styles.faceItem} key={face.id}>
            <button
              aria-label={
                face.confirmed
                  ? `${text.person.selectFace(index + 1)}, ${text.person.confirmedBadge}`
                  : text.person.selectFace(index + 1)
              }
              aria-pressed={picked.has(face.id)}
              className={styles.face}
              onClick={(event) => pick(index, event.shiftKey)}
              type="button"
            >
              <img alt="" decoding="async" loading="lazy" src={face.cropUrl} />
              {face.confirmed && (
                <span className={styles.confirmed}>
                  <Icon name="check" size={13} />
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      <div ref={end} />
    </>
  );
}
