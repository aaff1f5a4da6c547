"use client";

import {
  Button as AriaButton,
  Text,
  UNSTABLE_Toast as Toast,
  UNSTABLE_ToastContent as ToastContent,
  UNSTABLE_ToastQueue as ToastQueue,
  UNSTABLE_ToastRegion as ToastRegion,
} from "react-aria-components";
import { explain } from "@/api/problem";
import { text } from "@/text/en";
import { Icon } from "./Icon";
import styles from "./toast.module.css";

interface Message {
  readonly kind: "done" | "failed";
  readonly words: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const queue = new ToastQueue<Message>({ maxVisibleToasts: 3 });

/** Says that something was done, and offers to take it back. */
export function toastDone(words: string, undo?: () => void): void {
  const message: Message = undo
    ? { kind: "done", words, action: { label: text.common.undo, run: undo } }
    : { kind: "done", words };
  queue.add(message, { timeout: undo ? 12_000 : 5_000 });
}

/** Says what went wrong, until it is dismissed. */
export function toastFailed(error: unknown): void {
  queue.add({ kind: "failed", words: explain(error) });
}

/** Run the undo of the latest message that has one; false: there is none. */
export function undoLatest(): boolean {
  const latest = queue.visibleToasts.find((toast) => toast.content.action);
  if (!latest?.content.action) return false;
  latest.content.action.run();
  queue.close(latest.key);
  return true;
}

/** Take every message away. */
export function clearToasts(): void {
  queue.clear();
}

export function Toasts() {
  return (
    <ToastRegion aria-label={text.common.notifications} className={styles.region!} queue={queue}>
      {({ toast }) => (
        <Toast
          className={`${styles.toast} ${toast.content.kind === "failed" ? styles.failed : ""}`}
          toast={toast}
        >
          <ToastContent className={styles.content!}>
            <Text slot="title">{toast.content.words}</Text>
          </ToastContent>
          {toast.content.action && (
            <AriaButton
              className={styles.action!}
              onPress={() => {
                toast.content.action?.run();
                queue.close(toast.key);
              }}
            >
              {toast.content.action.label}
            </AriaButton>
          )}
          <AriaButton aria-label={text.common.dismiss} className={styles.close!} slot="close">
            <Icon name="close" size={16} />
          </AriaButton>
        </Toast>
      )}
    </ToastRegion>
  );
}
