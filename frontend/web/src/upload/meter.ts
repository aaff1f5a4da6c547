import type { UploadItem, UploadState, UploadTotals } from "./types";

/** Counts uploads, and measures how fast they go. */
export class Meter {
  private speed = { at: 0, sent: 0, rate: 0 };

  /** The totals now; `sentOf` is how many bytes of an unfinished item have arrived. */
  read(items: Iterable<UploadItem>, sentOf: (item: UploadItem) => number): UploadTotals {
    const counts: Record<UploadState, number> = {
      queued: 0, hashing: 0, uploading: 0, done: 0, skipped: 0, failed: 0, detached: 0,
    };
    let total = 0;
    let bytes = 0;
    let sent = 0;
    for (const item of items) {
      total += 1;
      counts[item.state] += 1;
      bytes += item.size;
      const whole = item.state === "done" || item.state === "skipped";
      sent += whole ? item.size : sentOf(item);
    }
    const now = Date.now();
    const seconds = (now - this.speed.at) / 1000;
    if (seconds >= 1) {
      const latest = Math.max(0, sent - this.speed.sent) / seconds;
      const rate = this.speed.at ? this.speed.rate * 0.6 + latest * 0.4 : 0;
      this.speed = { at: now, sent, rate };
    }
    return { total, counts, bytes, sent, rate: this.speed.rate };
  }
}
