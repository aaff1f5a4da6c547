"use client";

import { useEffect } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import type { SharedPhoto } from "@/api/types";
import styles from "@/photos/Lightbox.module.css";
import { Viewer } from "@/photos/Viewer";
import { text } from "@/text/en";
import { IconButton } from "@/ui/Button";

interface SharedLightboxProps {
  photos: readonly SharedPhoto[];
  index: number;
  total: number;
  onIndex: (index: number) => void;
  onClose: () => void;
}

export function SharedLightbox({ photos, index, total, onIndex, onClose }: SharedLightboxProps) {
  const photo = photos[index];
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "ArrowRight" && index < photos.length - 1) onIndex(index + 1);
      else if (event.key === "ArrowLeft" && index > 0) onIndex(index - 1);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [index, photos.length, onIndex]);
  if (!photo) return null;
  return (
    <ModalOverlay className={styles.overlay!} isOpen onOpenChange={(open) => !open && onClose()}>
      <Modal className={styles.modal!}>
        <Dialog
          aria-label={text.lightbox.label(photo.filename, index + 1, total)}
          className={styles.dialog!}
        >
          <div className={styles.top}>
            <p className={styles.name}>{photo.filename}</p>
            {photo.downloadUrl && (
              <a className={styles.download} download={photo.filename} href={photo.downloadUrl}>
                {text.recipient.downloadOne}
              </a>
            )}
            <IconButton icon="close" label={text.common.close} onDark onPress={onClose} tooltip={false} />
          </div>
          <Viewer
            alt={photo.filename}
            blur={photo.blur}
            full={photo.viewUrl}
            height={photo.height}
            onNext={index < photos.length - 1 ? () => onIndex(index + 1) : null}
            onPrevious={index > 0 ? () => onIndex(index - 1) : null}
            thumbnail={photo.thumbnailUrl}
            width={photo.width}
          />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
