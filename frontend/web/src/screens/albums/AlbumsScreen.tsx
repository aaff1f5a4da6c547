"use client";

import { useState } from "react";
import { useAlbums } from "@/api/albums";
import { useSession } from "@/auth/session";
import { Shell } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { AlbumCard } from "./AlbumCard";
import { NewAlbumDialog } from "./AlbumDialogs";
import styles from "./AlbumsScreen.module.css";

export function AlbumsScreen() {
  const session = useSession();
  const albums = useAlbums(Boolean(session));
  const [isCreating, setCreating] = useState(false);
  const create = (
    <Button icon="add" onPress={() => setCreating(true)} variant="primary">
      {text.albums.create}
    </Button>
  );
  return (
    <Shell title={text.albums.title}>
      <div className={styles.head}>
        <h1>{text.albums.title}</h1>
        {albums.data && albums.data.length > 0 && create}
      </div>
      {albums.isPending && <Skeleton count={6} shape="photos" />}
      {albums.isError && <Failure error={albums.error} onRetry={() => void albums.refetch()} />}
      {albums.data?.length === 0 && (
        <Empty hint={text.albums.emptyHint} icon="albums" title={text.albums.emptyTitle}>
          {create}
        </Empty>
      )}
      {albums.data && albums.data.length > 0 && (
        <ul className={styles.grid}>
          {albums.data.map((album) => (
            <AlbumCard album={album} key={album.id} />
          ))}
        </ul>
      )}
      <NewAlbumDialog isOpen={isCreating} onClose={() => setCreating(false)} />
    </Shell>
  );
}
