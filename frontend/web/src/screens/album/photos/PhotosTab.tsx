"use client";

import { useMemo, useState, type ReactNode } from "react";
import { useDeletePhotos, usePhotos } from "@/api/photos";
import type { Photo } from "@/api/types";
import { Lightbox } from "@/photos/Lightbox";
import { PhotoGrid, type GridPhoto } from "@/photos/PhotoGrid";
import { useOpenPhoto } from "@/photos/useOpenPhoto";
import { SelectionBar } from "@/ui/SelectionBar";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { NextPageFailure, readOn } from "@/ui/NextPage";
import { toastDone, toastFailed } from "@/ui/toast";
import styles from "./PhotosTab.module.css";

export function gridPhoto(photo: Photo): GridPhoto {
  let badge: string | null = null;
  if (photo.status === "failed") badge = text.photos.failedBadge;
  else if (photo.status === "pending") badge = text.photos.pendingBadge;
  else if (photo.duplicateOf) badge = text.photos.duplicateBadge;
  return {
    id: photo.id,
    label: [text.photos.open(photo.filename, photo.faces.length), badge].filter(Boolean).join(", "),
    src: photo.thumbUrl,
    blur: photo.blur,
    width: photo.width,
    height: photo.height,
    badge,
  };
}

interface PhotosTabProps {
  albumId: string;
  total: number;
  addButtons: ReactNode;
}

export function PhotosTab({ albumId, total, addButtons }: PhotosTabProps) {
  const query = usePhotos(albumId);
  const photos = useMemo(() => query.data?.pages.flatMap((page) => page.photos) ?? [], [query.data]);
  const cells = useMemo(() => photos.map(gridPhoto), [photos]);
  const opened = useOpenPhoto(photos, query);
  const [selected, setSelected] = useState<ReadonlySet<string> | null>(null);
  const [isAsking, setAsking] = useState(false);
  const remove = useDeletePhotos(albumId);

  if (query.isPending) return <Skeleton count={18} shape="photos" />;
  if (query.isLoadingError) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  if (photos.length === 0) {
    return (
      <Empty hint={text.photos.emptyHint} icon="albums" title={text.photos.emptyTitle}>
        {addButtons}
      </Empty>
    );
  }

  function toggle(id: string) {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  }

  return (
    <>
      <div className={styles.bar}>
        <p className={styles.count}>{text.common.photos(total || photos.length)}</p>
        {!selected && (
          <Button icon="select" onPress={() => setSelected(new Set())} size="s" variant="quiet">
            {text.photos.select}
          </Button>
        )}
      </div>
      <PhotoGrid
        hasMore={query.hasNextPage}
        label={text.photos.grid}
        onMore={() => readOn(query)}
        onOpen={opened.open}
        onSelect={toggle}
        photos={cells}
        selected={selected}
        total={Math.max(total, photos.length)}
      />
      <NextPageFailure query={query} />
      {selected && (
        <SelectionBar label={text.photos.selected(selected.size)} onClear={() => setSelected(null)}>
          <Button
            icon="trash"
            isDisabled={selected.size === 0}
            onPress={() => setAsking(true)}
            size="s"
            variant="danger"
          >
            {text.common.delete}
          </Button>
        </SelectionBar>
      )}
      <Confirm
        action={text.common.delete}
        hint={text.photos.deleteHint}
        isOpen={isAsking}
        isPending={remove.isPending}
        onClose={() => setAsking(false)}
        onConfirm={() =>
          remove.mutate([...(selected ?? [])], {
            onSuccess: () => toastDone(text.photos.deleted(selected?.size ?? 0)),
            onError: toastFailed,
            onSettled: () => {
              setAsking(false);
              setSelected(null);
            },
          })
        }
        title={text.photos.deleteTitle(selected?.size ?? 0)}
      />
      {opened.index !== null && (
        <Lightbox
          albumId={albumId}
          index={opened.index}
          onClose={opened.close}
          onIndex={opened.show}
          photos={photos}
          total={Math.max(total, photos.length)}
        />
      )}
    </>
  );
}
