"use client";

import type { ReactNode } from "react";
import { text } from "@/text/en";
import { IconButton } from "./Button";
import styles from "./SelectionBar.module.css";

/** What can be done with what is selected; Escape clears. */
export function SelectionBar(props: { label: string; onClear: () => void; children: ReactNode }) {
  return (
    <div
      aria-label={props.label}
      className={styles.bar}
      data-selection-bar
      onKeyDown={(event) => event.key === "Escape" && props.onClear()}
      role="toolbar"
    >
      <IconButton icon="close" label={text.common.clear} onPress={props.onClear} tooltip={false} />
      <p className={styles.label} role="status">
        {props.label}
      </p>
      <div className={styles.actions}>{props.children}</div>
    </div>
  );
}
