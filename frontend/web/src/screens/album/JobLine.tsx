"use client";

import { useRetry } from "@/api/problems";
import type { AlbumStatus, Job } from "@/api/types";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import { toastFailed } from "@/ui/toast";
import styles from "./AlbumScreen.module.css";

interface JobLineProps {
  albumId: string;
  status: AlbumStatus | undefined;
  isLive: boolean;
}

/** What the album's job is doing just now, or why it stopped; nothing when there is none. */
export function JobLine({ albumId, status, isLive }: JobLineProps) {
  const isWorking = status?.state === "processing";
  const job = status?.job;
  return (
    <>
      <p className="visually-hidden" role="status">
        {status?.state === "done" && text.job.done}
        {status?.state === "failed" && text.job.failed}
        {isWorking && text.job.steps[job?.step ?? "photos"]}
      </p>
      {status?.state === "failed" && job && <Stopped albumId={albumId} job={job} />}
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

function Stopped({ albumId, job }: { albumId: string; job: Job }) {
  const retry = useRetry(albumId);
  return (
    <div className={styles.job}>
      <p className={styles.jobText}>{text.job.failed}</p>
      <Button
        icon="retry"
        isPending={retry.isPending}
        onPress={() => retry.mutate({ job: job.id }, { onError: toastFailed })}
        size="s"
      >
        {text.common.retry}
      </Button>
      <p className={styles.soft}>{job.error ?? text.problems.noReason}</p>
    </div>
  );
}
