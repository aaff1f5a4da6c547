"use client";

import { memo, useState } from "react";
import type { Cluster } from "@/api/types";
import { AlbumLink } from "@/lib/AlbumLink";
import { text } from "@/text/en";
import { Icon } from "@/ui/Icon";
import { personStyle } from "./hue";
import { NameField } from "./NameField";
import styles from "./PersonCard.module.css";

interface PersonCardProps {
  albumId: string;
  person: Cluster;
  isSelected: boolean;
  /** Who is being dragged. */
  dragged: string | null;
  onSelect: (selected: boolean) => void;
  onDrag: (person: string | null) => void;
  /** Somebody was dropped on this person. */
  onMerge: (from: string) => void;
}

/** A person's cover and name; dragging one onto another merges them, as selecting both does. */
export const PersonCard = memo(function PersonCard(props: PersonCardProps) {
  const { albumId, person, isSelected, dragged } = props;
  const [isNaming, setNaming] = useState(false);
  const [isOver, setOver] = useState(false);
  const name = person.label ?? text.people.unnamedPerson;
  const takes = dragged !== null && dragged !== person.id;
  return (
    <li
      className={styles.card}
      data-over={isOver}
      data-selected={isSelected}
      onDragLeave={() => setOver(false)}
      onDragOver={(event) => {
        if (!takes) return;
        event.preventDefault();
        setOver(true);
      }}
      onDrop={(event) => {
        setOver(false);
        if (!takes) return;
        event.preventDefault();
        props.onMerge(dragged);
      }}
      style={personStyle(person.id)}
    >
      <div className={styles.frame}>
        <AlbumLink
          albumId={albumId}
          aria-label={`${name}, ${text.common.photos(person.photos)}`}
          className={styles.cover}
          draggable
          onDragEnd={() => props.onDrag(null)}
          onDragStart={(event) => {
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", name);
            props.onDrag(person.id);
          }}
          place={{ tab: "people", person: person.id }}
        >
          <img alt="" decoding="async" draggable={false} loading="lazy" src={person.coverUrl} />
        </AlbumLink>
        <label className={styles.select}>
          <input
            aria-label={text.people.select(name)}
            checked={isSelected}
            onChange={(event) => props.onSelect(event.target.checked)}
            type="checkbox"
          />
          <span aria-hidden="true">
            <Icon name="check" size={15} />
          </span>
        </label>
      </div>
      {isNaming ? (
        <NameField albumId={albumId} onDone={() => setNaming(false)} person={person} />
      ) : (
        <button
          aria-label={person.label ? text.people.nameOf(person.label) : text.people.unnamed}
          className={person.label ? styles.name : styles.unnamed}
          onClick={() => setNaming(true)}
          type="button"
        >
          {person.label ?? text.people.unnamed}
        </button>
      )}
      <p className={styles.size}>{text.common.photos(person.photos)}</p>
    </li>
  );
});
