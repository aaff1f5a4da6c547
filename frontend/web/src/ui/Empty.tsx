import type { ReactNode } from "react";
import { explain, Problem } from "@/api/problem";
import { text } from "@/text/en";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";
import styles from "./Empty.module.css";

interface EmptyProps {
  title: string;
  hint?: string;
  icon?: IconName;
  children?: ReactNode;
}

/** What a list shows that has nothing in it. */
export function Empty({ title, hint, icon, children }: EmptyProps) {
  return (
    <div className={styles.empty}>
      {icon && (
        <span className={styles.icon}>
          <Icon name={icon} size={28} />
        </span>
      )}
      <h2 className={styles.title}>{title}</h2>
      {hint && <p className={styles.hint}>{hint}</p>}
      {children && <div className={styles.actions}>{children}</div>}
    </div>
  );
}

/** What a screen shows that could not be read. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const reference = error instanceof Problem ? error.requestId : null;
  return (
    <div className={styles.empty} role="alert">
      <span className={styles.icon}>
        <Icon name="warning" size={28} />
      </span>
      <h2 className={styles.title}>{text.errors.title}</h2>
      <p className={styles.hint}>{explain(error)}</p>
      {reference && <p className={styles.reference}>{text.errors.reference(reference)}</p>}
      {onRetry && (
        <div className={styles.actions}>
          <Button icon="retry" onPress={onRetry}>
            {text.common.retry}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Grey shapes in place of what is being read. */
export function Skeleton({ shape, count = 12 }: { shape: "photos" | "people" | "rows"; count?: number }) {
  return (
    <div className={styles[shape]} role="status">
      <span className="visually-hidden">{text.common.loading}</span>
      {Array.from({ length: count }, (_, index) => (
        <span aria-hidden="true" className={styles.bone} key={index} />
      ))}
    </div>
  );
}
