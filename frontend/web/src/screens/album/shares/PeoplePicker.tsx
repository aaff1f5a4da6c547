"use client";

import type { Cluster } from "@/api/types";
import { personStyle } from "@/people/hue";
import { text } from "@/text/en";
import styles from "./ShareDialog.module.css";

interface PeoplePickerProps {
  label: string;
  people: readonly Cluster[];
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}

/** Covers to choose people by; those with names first. */
export function PeoplePicker({ label, people, chosen, onChange }: PeoplePickerProps) {
  const sorted = [...people].sort(
    (a, b) => Number(a.label === null) - Number(b.label === null) || b.size - a.size,
  );
  return (
    <fieldset className={styles.people}>
      <legend className={styles.legend}>{label}</legend>
      <div className={styles.covers}>
        {sorted.map((person) => {
          const name = person.label ?? text.people.unnamedPerson;
          const isChosen = chosen.includes(person.id);
          return (
            <label className={styles.person} key={person.id} style={personStyle(person.id)}>
              <input
                aria-label={name}
                checked={isChosen}
                className="visually-hidden"
                onChange={() =>
                  onChange(isChosen ? chosen.filter((id) => id !== person.id) : [...chosen, person.id])
                }
                type="checkbox"
              />
              <img alt="" loading="lazy" src={person.coverUrl} />
              <span aria-hidden="true">{person.label ?? "–"}</span>
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}
