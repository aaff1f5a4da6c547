"use client";

import { useMemo } from "react";
import { usePhotos } from "@/api/photos";
import { Lightbox } from "@/photos/Lightbox";
import { PhotoGrid } from "@/photos/PhotoGrid";
import { useOpenPhoto } from "@/photos/useOpenPhoto";
import { text } from "@/text/en";
import { Failure, Skeleton } from "@/ui/Empty";
import { NextPageFailure, readOn } from "@/ui/NextPage";
import { gridPhoto } from "../photos/PhotosTab";

/** The photos in which a person appears. */
export function PersonPhotos(props: { albumId: string; cluster: string; total: number }) {
  const query = usePhotos(props.albumId, props.cluster);
  const photos = useMemo(() => query.data?.pages.flatMap((page) => page.photos) ?? [], [query.data]);
  const cells = useMemo(() => photos.map(gridPhoto), [photos]);
  const opened = useOpenPhoto(photos, query);
  if (query.isPending) return <Skeleton shape="photos" />;
  if (query.isLoadingError) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <>
      <PhotoGrid
        hasMore={query.hasNextPage}
        label={text.photos.grid}
        onMore={() => readOn(query)}
        onOpen={opened.open}
        photos={cells}
      />
      <NextPageFailure query={query} />
      {opened.index !== null && (
        <Lightbox
          albumId={props.albumId}
          index={opened.index}
          onClose={opened.close}
          onIndex={opened.show}
          photos={photos}
          total={Math.max(props.total, photos.length)}
        />
      )}
    </>
  );
}
