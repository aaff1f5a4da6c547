"use client";

import type { AlbumStatus } from "@/api/types";
import { text } from "@/text/en";
import { Progress } from "@/ui/Progress";
import styles from "./AlbumScreen.module.css";

/** What the album's job is doing just now; nothing when there is none. */
export function JobLine({ status, isLive }: { status: AlbumStatus | undefined; isLive: boolean }) {
  const isWorking = status?.state === "processing";
  const job = status?.job;
  return (
    <>
      <p className="visually-hidden" role="status">
        {status?.state === "done" && text.job.done}
        {status?.state === "failed" && text.job.failed}
        {isWorking && text.job.steps[job?.step ?? "photos"]}
      </p>
      {isWorking && job && (
        <div className={styles.job}>
          <p className={styles.jobText}>{text.job.working(status.progress)}</p>
          <p className={styles.soft}>
            {[
              text.job.steps[job.step ?? "photos"],
              job.total > 0 && text.job.counted(job.done, job.total),
              isLive ? text.job.live : text.job.polling,
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
          <Progress label={text.job.progress} value={status.progress} />
        </div>
      )}
    </>
  );
}
