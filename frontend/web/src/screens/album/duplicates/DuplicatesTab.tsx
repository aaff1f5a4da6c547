"use client";

import { useState } from "react";
import { useDuplicates, useReview } from "@/api/duplicates";
import { useDeletePhotos } from "@/api/photos";
import type { DuplicateGroup, Photo } from "@/api/types";
import { Picture } from "@/photos/PhotoGrid";
import { bytes, text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { MoreButton } from "@/ui/NextPage";
import { toastDone, toastFailed } from "@/ui/toast";
import styles from "./DuplicatesTab.module.css";

export function DuplicatesTab({ albumId }: { albumId: string }) {
  const query = useDuplicates(albumId);
  if (query.isPending) return <Skeleton count={4} shape="rows" />;
  if (query.isLoadingError) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data.length === 0) {
    return <Empty hint={text.duplicates.emptyHint} icon="check" title={text.duplicates.emptyTitle} />;
  }
  return (
    <>
      <ul className={styles.groups}>
        {query.data.map((group) => (
          <Group albumId={albumId} group={group} key={group.keep.id} />
        ))}
      </ul>
      <MoreButton query={query} />
    </>
  );
}

function Group({ albumId, group }: { albumId: string; group: DuplicateGroup }) {
  const review = useReview(albumId);
  const remove = useDeletePhotos(albumId);
  const [isAsking, setAsking] = useState(false);
  const count = group.drop.length;

  function decide(photo: Photo, as: "keep" | "separate") {
    review.mutate(
      { photo: photo.id, as },
      {
        onSuccess: () => toastDone(as === "keep" ? text.duplicates.kept : text.duplicates.released),
        onError: toastFailed,
      },
    );
  }

  return (
    <li aria-label={text.duplicates.group(group.keep.filename)} className={styles.group}>
      <ul className={styles.photos}>
        <li className={styles.photo}>
          <Thumb photo={group.keep} />
          <p className={styles.keeper}>{text.duplicates.keeper}</p>
          <Facts photo={group.keep} />
        </li>
        {group.drop.map((photo) => (
          <li className={styles.photo} key={photo.id}>
            <Thumb photo={photo} />
            <p className={styles.kind}>
              {photo.duplicateKind === "exact" ? text.duplicates.exact : text.duplicates.near}
            </p>
            <Facts photo={photo} />
            {photo.duplicateKind === "near" && (
              <div className={styles.actions}>
                <Button onPress={() => decide(photo, "keep")} size="s">
                  {text.duplicates.keep}
                </Button>
                <Button onPress={() => decide(photo, "separate")} size="s" variant="quiet">
                  {text.duplicates.notDuplicate}
                </Button>
              </div>
            )}
          </li>
        ))}
      </ul>
      <Button icon="trash" onPress={() => setAsking(true)} size="s" variant="quiet">
        {text.duplicates.deleteRest}
      </Button>
      <Confirm
        action={text.common.delete}
        hint={text.duplicates.deleteHint}
        isOpen={isAsking}
        isPending={remove.isPending}
        onClose={() => setAsking(false)}
        onConfirm={() =>
          remove.mutate(
            group.drop.map((photo) => photo.id),
            {
              onSuccess: () => toastDone(text.duplicates.deleted(count)),
              onError: toastFailed,
              onSettled: () => setAsking(false),
            },
          )
        }
        title={text.duplicates.deleteTitle(count)}
      />
    </li>
  );
}

function Thumb({ photo }: { photo: Photo }) {
  return (
    <div className={styles.thumb}>
      <Picture blur={photo.blur} src={photo.thumbUrl} />
    </div>
  );
}

function Facts({ photo }: { photo: Photo }) {
  const size = photo.width && photo.height ? `${photo.width} × ${photo.height}, ` : "";
  return (
    <p className={styles.facts}>
      <span className={styles.file}>{photo.filename}</span>
      {size}
      {bytes(photo.size)}
    </p>
  );
}
