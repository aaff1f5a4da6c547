"use client";

import { useFailedJobs, useFailedPhotos, useRetry, type Retry } from "@/api/problems";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { Icon } from "@/ui/Icon";
import { toastDone, toastFailed } from "@/ui/toast";
import styles from "./ProblemsTab.module.css";

/** What could not be processed and what was given up, with another try for each. */
export function ProblemsTab({ albumId }: { albumId: string }) {
  const photos = useFailedPhotos(albumId);
  const jobs = useFailedJobs(albumId);
  const { mutate, isPending } = useRetry(albumId);
  const retry = (what: Retry) => {
    if (isPending) return;
    mutate(what, { onSuccess: () => toastDone(text.problems.retried), onError: toastFailed });
  };

  const error = photos.error ?? jobs.error;
  if (error && !(photos.data && jobs.data)) {
    const again = () => {
      void photos.refetch();
      void jobs.refetch();
    };
    return <Failure error={error} onRetry={again} />;
  }
  if (!photos.data || !jobs.data) return <Skeleton count={3} shape="rows" />;
  if (photos.data.length + jobs.data.length === 0) {
    return <Empty hint={text.problems.emptyHint} icon="check" title={text.problems.emptyTitle} />;
  }
  return (
    <div className={styles.page}>
      {jobs.data.length > 0 && (
        <section>
          <h2 className={styles.title}>{text.problems.jobsTitle}</h2>
          <ul className={styles.list}>
            {jobs.data.map((job) => (
              <li className={styles.row} key={job.id}>
                <Icon name="warning" />
                <div className={styles.about}>
                  <p className={styles.name}>{text.problems.kinds[job.kind] ?? job.kind}</p>
                  <p className={styles.soft}>
                    {job.error ?? text.problems.noReason} · {text.problems.attempts(job.attempts)}
                  </p>
                </div>
                <Button
                  icon="retry"
                  onPress={() => retry({ job: job.id })}
                  size="s"
                >
                  {text.problems.retry}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {photos.data.length > 0 && (
        <section>
          <div className={styles.head}>
            <h2 className={styles.title}>{text.problems.photosTitle}</h2>
            <Button
              icon="retry"
              onPress={() => retry("all photos")}
              size="s"
            >
              {text.problems.retryAll}
            </Button>
          </div>
          <ul className={styles.list}>
            {photos.data.map((photo) => (
              <li className={styles.row} key={photo.id}>
                <Icon name="warning" />
                <div className={styles.about}>
                  <p className={styles.name}>{photo.filename}</p>
                  <p className={styles.soft}>{photo.error ?? text.problems.noReason}</p>
                </div>
                <Button
                  icon="retry"
                  onPress={() => retry({ photo: photo.id })}
                  size="s"
                >
                  {text.problems.retry}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
