"use client";

import { ProgressBar } from "react-aria-components";
import styles from "./Progress.module.css";

/** A bar; `value` from 0 to 1. */
export function Progress({ label, value, thin }: { label: string; value: number; thin?: boolean }) {
  return (
    <ProgressBar
      aria-label={label}
      className={`${styles.bar} ${thin ? styles.thin : ""}`}
      maxValue={1}
      value={value}
    >
      {({ percentage }) => (
        <span className={styles.fill} style={{ transform: `scaleX(${(percentage ?? 0) / 100})` }} />
      )}
    </ProgressBar>
  );
}
