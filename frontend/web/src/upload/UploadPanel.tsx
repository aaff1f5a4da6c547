"use client";

import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import type { UploadItem } from "./types";
import type { useUploads } from "./useUploads";
import styles from "./UploadPanel.module.css";

type Uploads = ReturnType<typeof useUploads>;

/** How uploads go, over all and file by file. */
export function UploadPanel({ uploads, onChoose }: { uploads: Uploads; onChoose: () => void }) {
  const { queue, totals, items, active, elsewhere, isPaused } = uploads;
  const [isOpen, setOpen] = useState(false);
  if (totals.total === 0) return elsewhere > 0 ? <Elsewhere count={elsewhere} /> : null;
  const { counts } = totals;
  const finished = counts.done + counts.skipped;
  const notes = [
    counts.skipped > 0 && text.upload.skipped(counts.skipped),
    counts.failed > 0 && text.upload.failed(counts.failed),
    counts.detached > 0 && text.upload.waiting(counts.detached),
    elsewhere > 0 && text.upload.elsewhere(elsewhere),
    active > 0 && !isPaused && totals.rate > 0 && text.upload.rate(totals.rate),
  ].filter(Boolean);
  const isDone = active === 0 && counts.failed === 0 && counts.detached === 0;
  return (
    <section aria-label={text.upload.title} className={styles.panel}>
      <div className={styles.head}>
        <div className={styles.words}>
          <p className={styles.title} role="status">
            {isDone ? text.upload.allDone(counts.done) : text.upload.summary(finished, totals.total)}
          </p>
          {notes.length > 0 && <p className={styles.notes}>{notes.join(" · ")}</p>}
        </div>
        {active > 0 && (
          <IconButton
            icon={isPaused ? "play" : "pause"}
            label={isPaused ? text.upload.resume : text.upload.pause}
            onPress={() => (isPaused ? queue.resume() : queue.pause())}
          />
        )}
        <IconButton
          aria-expanded={isOpen}
          icon={isOpen ? "fold" : "more"}
          label={isOpen ? text.upload.hide : text.upload.show}
          onPress={() => setOpen(!isOpen)}
        />
        {active === 0 && counts.detached === 0 && (
          <IconButton icon="trash" label={text.upload.clear} onPress={() => queue.remove()} />
        )}
      </div>
      <Progress
        label={text.upload.overall}
        value={totals.bytes ? Math.min(1, totals.sent / totals.bytes) : 0}
      />
      {counts.detached > 0 && (
        <div className={styles.again}>
          <p>{text.upload.restored(counts.detached)}</p>
          {!queue.hasHandles() && <p className={styles.notes}>{text.upload.reselect}</p>}
          <div className={styles.actions}>
            <Button
              onPress={() => (queue.hasHandles() ? void queue.reattach(true) : onChoose())}
              size="s"
              variant="primary"
            >
              {queue.hasHandles() ? text.upload.regrant : text.upload.files}
            </Button>
            <Button onPress={() => queue.remove()} size="s" variant="quiet">
              {text.upload.cancel}
            </Button>
          </div>
        </div>
      )}
      {counts.failed > 0 && (
        <div className={styles.actions}>
          <Button icon="retry" onPress={() => queue.retry()} size="s">
            {text.upload.retry}
          </Button>
        </div>
      )}
      {isOpen && <Files items={items} uploads={uploads} />}
    </section>
  );
}

function Elsewhere({ count }: { count: number }) {
  return (
    <section aria-label={text.upload.title} className={styles.panel}>
      <p role="status">{text.upload.elsewhere(count)}</p>
    </section>
  );
}

const ROW = 56;

function Files({ items, uploads }: { items: readonly UploadItem[]; uploads: Uploads }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: items.length,
    estimateSize: () => ROW,
    getScrollElement: () => scroller.current,
    overscan: 6,
  });
  return (
    <div className={styles.files} ref={scroller} tabIndex={0} aria-label={text.upload.title} role="group">
      <ul style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          if (!item) return null;
          const isWhole = item.state === "done" || item.state === "skipped";
          return (
            <li
              aria-posinset={index + 1}
              aria-setsize={items.length}
              className={styles.file}
              key={item.id}
              style={{ transform: `translateY(${start}px)` }}
            >
              <div className={styles.about}>
                <span className={styles.name}>{item.name}</span>
                <span className={styles.notes}>
                  {item.error ?? text.upload.states[item.state]}
                </span>
                <Progress
                  label={text.upload.file(item.name)}
                  thin
                  value={isWhole ? 1 : item.size ? uploads.queue.sentOf(item) / item.size : 0}
                />
              </div>
              {item.state === "failed" && (
                <IconButton
                  icon="retry"
                  label={text.upload.retryOne(item.name)}
                  onPress={() => uploads.queue.retry(item.id)}
                  tooltip={false}
                />
              )}
              {!isWhole && (
                <IconButton
                  icon="close"
                  label={text.upload.remove(item.name)}
                  onPress={() => uploads.queue.remove(item.id)}
                  tooltip={false}
                />
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
