"use client";

import Link from "next/link";
import { useState } from "react";
import { useCoverPhotos } from "@/api/photos";
import type { Album } from "@/api/types";
import { text } from "@/text/en";
import { IconButton } from "@/ui/Button";
import { Icon } from "@/ui/Icon";
import { Menu } from "@/ui/Menu";
import { AlbumSettingsDialog, DeleteAlbumDialog } from "./AlbumDialogs";
import styles from "./AlbumsScreen.module.css";

export function AlbumCard({ album }: { album: Album }) {
  const covers = useCoverPhotos(album.id, album.counts.photos > 0).data ?? [];
  const [dialog, setDialog] = useState<"settings" | "delete" | null>(null);
  const close = () => setDialog(null);
  return (
    <li className={styles.card}>
      <Link className={styles.link} href={`/album/?id=${album.id}`}>
        <div className={styles.collage} data-count={covers.length}>
          {covers.map((photo) => (
            <img alt="" key={photo.id} loading="lazy" src={photo.thumbUrl ?? undefined} />
          ))}
          {covers.length === 0 && (
            <span className={styles.blank}>
              <Icon name="albums" size={40} />
            </span>
          )}
        </div>
        <div className={styles.about}>
          <div>
            <h2 className={styles.name}>{album.name}</h2>
            <p className={styles.summary}>
              {text.albums.summary(album.counts.photos, album.counts.clusters)}
            </p>
          </div>
        </div>
      </Link>
      <div className={styles.menu}>
        <Menu
          actions={[
            { id: "settings", label: text.albums.settings, icon: "edit", run: () => setDialog("settings") },
            { id: "delete", label: text.common.delete, icon: "trash", danger: true, run: () => setDialog("delete") },
          ]}
          label={text.albums.options(album.name)}
        >
          <IconButton icon="more" label={text.albums.options(album.name)} tooltip={false} />
        </Menu>
      </div>
      <AlbumSettingsDialog album={album} isOpen={dialog === "settings"} onClose={close} />
      <DeleteAlbumDialog album={album} isOpen={dialog === "delete"} onClose={close} />
    </li>
  );
}
