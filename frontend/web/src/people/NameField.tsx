"use client";

import { useRef, useState, type KeyboardEvent } from "react";
import { ComboBox, Input, ListBox, ListBoxItem, Popover } from "react-aria-components";
import { useNames } from "@/api/people";
import type { Cluster } from "@/api/types";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Dialog, DialogActions } from "@/ui/Dialog";
import styles from "./NameField.module.css";
import { useEditor } from "./useEditor";

interface NameFieldProps {
  albumId: string;
  person: Pick<Cluster, "id" | "label">;
  onDone: () => void;
}

/** Type a name; known names complete it, and one that somebody has already offers to merge. */
export function NameField({ albumId, person, onDone }: NameFieldProps) {
  const [value, setValue] = useState(person.label ?? "");
  const [twin, setTwin] = useState<{ name: string; cluster: string } | null>(null);
  const names = useNames(albumId, value.trim(), true).data?.labels ?? [];
  const { apply } = useEditor(albumId);
  const isSaved = useRef(false);

  function save(name: string) {
    // Leaving the field after Enter must not save again.
    if (isSaved.current) return;
    isSaved.current = true;
    const wanted = name.trim() || null;
    if (wanted !== person.label) {
      void apply(
        [{ kind: "label", cluster: person.id, name: wanted }],
        wanted ? text.people.labelled(wanted) : text.people.unlabelled,
      );
    }
    onDone();
  }

  function commit(name: string) {
    const same = names.find((known) => known.name.toLowerCase() === name.trim().toLowerCase());
    if (same?.cluster && same.cluster !== person.id) {
      setTwin({ name: same.name, cluster: same.cluster });
    } else {
      save(name);
    }
  }

  function onKeyDownCapture(event: KeyboardEvent) {
    const input = event.target as HTMLInputElement;
    if (event.key === "Enter" && !input.getAttribute("aria-activedescendant")) {
      event.preventDefault();
      event.stopPropagation();
      commit(value);
    } else if (event.key === "Escape" && input.getAttribute("aria-expanded") !== "true") {
      event.stopPropagation();
      onDone();
    }
  }

  return (
    <div className={styles.field} onKeyDownCapture={onKeyDownCapture}>
      <ComboBox
        allowsCustomValue
        allowsEmptyCollection={false}
        aria-label={text.people.nameOf(person.label)}
        inputValue={value}
        items={names.map((known) => ({ id: known.name, name: known.name }))}
        menuTrigger="input"
        onInputChange={setValue}
        onSelectionChange={(key) => key !== null && commit(String(key))}
      >
        <Input
          // The field appears where a person asked for it.
          autoFocus
          className={styles.input!}
          maxLength={100}
          onBlur={(event) => {
            const to = event.relatedTarget as HTMLElement | null;
            if (!twin && !to?.closest("[role=listbox],[role=dialog]")) commit(value);
          }}
          onFocus={(event) => event.target.select()}
          placeholder={text.people.name}
        />
        <Popover className={styles.popover!} placement="bottom start">
          <ListBox className={styles.list!}>
            {(item: { id: string; name: string }) => (
              <ListBoxItem className={styles.option!} textValue={item.name}>
                {item.name}
              </ListBoxItem>
            )}
          </ListBox>
        </Popover>
      </ComboBox>
      {twin && (
        <Dialog isOpen onClose={onDone} title={text.people.mergeSame(twin.name)}>
          <DialogActions>
            <Button onPress={() => save(twin.name)}>{text.people.keepBoth}</Button>
            <Button
              autoFocus
              icon="merge"
              onPress={() => {
                void apply(
                  [{ kind: "merge", clusters: [twin.cluster, person.id] }],
                  text.people.merged(2),
                );
                onDone();
              }}
              variant="primary"
            >
              {text.people.mergeInto(twin.name)}
            </Button>
          </DialogActions>
        </Dialog>
      )}
    </div>
  );
}
