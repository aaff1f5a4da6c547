"use client";

import { useState } from "react";
import { usePeople } from "@/api/people";
import { personStyle } from "@/people/hue";
import { text } from "@/text/en";
import { Dialog } from "@/ui/Dialog";
import { Field } from "@/ui/Field";
import { Icon } from "@/ui/Icon";
import styles from "./PersonPage.module.css";

const MOST = 60;

interface MoveDialogProps {
  albumId: string;
  count: number;
  /** Who is not offered: they have the faces now. */
  not: string | null;
  onMove: (cluster: string | null, name: string) => void;
  onClose: () => void;
}

/** Choose who faces are. */
export function MoveDialog({ albumId, count, not, onMove, onClose }: MoveDialogProps) {
  const [filter, setFilter] = useState("");
  const people = usePeople(albumId).data ?? [];
  const wanted = filter.trim().toLowerCase();
  const shown = people.filter(
    (person) => person.id !== not && (person.label ?? "").toLowerCase().includes(wanted),
  );
  return (
    <Dialog isOpen onClose={onClose} title={text.person.moveTitle(count)}>
      <Field autoFocus label={text.people.name} onChange={setFilter} value={filter} />
      <ul className={styles.choices}>
        <li>
          <button onClick={() => onMove(null, text.person.newPerson)} type="button">
            <span className={styles.new}>
              <Icon name="add" />
            </span>
            {text.person.newPerson}
          </button>
        </li>
        {shown.slice(0, MOST).map((person) => {
          const name = person.label ?? text.people.unnamedPerson;
          return (
            <li key={person.id} style={personStyle(person.id)}>
              <button onClick={() => onMove(person.id, name)} type="button">
                <img alt="" src={person.coverUrl} />
                {name}
                <span className={styles.soft}>{text.common.photos(person.photos)}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {shown.length > MOST && (
        <p className={styles.soft}>{text.person.moreToMove(shown.length - MOST)}</p>
      )}
    </Dialog>
  );
}
