"use client";

import { useEffect, useMemo, useState } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { usePeople } from "@/api/people";
import type { Cluster, Photo, PhotoFace } from "@/api/types";
import { albumUrl, goTo } from "@/lib/AlbumLink";
import { NameField } from "@/people/NameField";
import { personStyle } from "@/people/hue";
import { useEditor } from "@/people/useEditor";
import { bytes, text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Menu } from "@/ui/Menu";
import styles from "./Lightbox.module.css";
import { Viewer } from "./Viewer";

interface LightboxProps {
  albumId: string;
  photos: readonly Photo[];
  index: number;
  total: number;
  onIndex: (index: number) => void;
  onClose: () => void;
}

/** One photo in full, with boxes over its faces and the people in it. */
export function Lightbox({ albumId, photos, index, total, onIndex, onClose }: LightboxProps) {
  const photo = photos[index];
  const [showsBoxes, setBoxes] = useState(true);
  const [showsInfo, setInfo] = useState(false);
  const [naming, setNaming] = useState<string | null>(null);
  const shown = usePeople(albumId).data;
  const hidden = usePeople(albumId, true).data;
  const people = useMemo(
    () => new Map([...(hidden ?? []), ...(shown ?? [])].map((person) => [person.id, person])),
    [hidden, shown],
  );

  useEffect(() => setNaming(null), [index]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.metaKey || event.ctrlKey) return;
      if (event.key === "ArrowRight" && index < photos.length - 1) onIndex(index + 1);
      else if (event.key === "ArrowLeft" && index > 0) onIndex(index - 1);
      else if (event.key === "f") setBoxes((value) => !value);
      else if (event.key === "i") setInfo((value) => !value);
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
            <IconButton
              aria-pressed={showsBoxes}
              icon="boxes"
              label={text.lightbox.boxes}
              onDark
              onPress={() => setBoxes(!showsBoxes)}
              tooltip={false}
            />
            <IconButton
              aria-pressed={showsInfo}
              icon="info"
              label={text.lightbox.info}
              onDark
              onPress={() => setInfo(!showsInfo)}
              tooltip={false}
            />
            {photo.originalUrl && (
              <a
                aria-label={text.lightbox.download}
                className={styles.download}
                download={photo.filename}
                href={photo.originalUrl}
              >
                {text.recipient.downloadOne}
              </a>
            )}
            <IconButton icon="close" label={text.common.close} onDark onPress={onClose} tooltip={false} />
          </div>
          <Viewer
            alt={text.photos.open(photo.filename, photo.faces.length)}
            blur={photo.blur}
            full={photo.originalUrl && isShowable(photo) ? photo.originalUrl : null}
            height={photo.height}
            onNext={index < photos.length - 1 ? () => onIndex(index + 1) : null}
            onPrevious={index > 0 ? () => onIndex(index - 1) : null}
            thumbnail={photo.thumbUrl}
            width={photo.width}
          >
            {showsBoxes &&
              photo.faces.map((face) => (
                <FaceBox
                  face={face}
                  key={face.id}
                  onPress={() => setNaming(face.id)}
                  person={people.get(face.cluster ?? "") ?? null}
                  photo={photo}
                />
              ))}
          </Viewer>
          {showsInfo && <Info photo={photo} />}
          <ul aria-label={text.lightbox.people} className={styles.people}>
            {photo.faces.length === 0 && <li className={styles.soft}>{photo.error ?? text.lightbox.nobody}</li>}
            {photo.faces.map((face) => (
              <Chip
                albumId={albumId}
                face={face}
                isNaming={naming === face.id}
                key={face.id}
                onNaming={setNaming}
                person={people.get(face.cluster ?? "") ?? null}
              />
            ))}
          </ul>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Browsers show neither HEIC nor TIFF; the thumbnail stands in for those. */
function isShowable(photo: Photo): boolean {
  return !["image/heic", "image/heif", "image/tiff"].includes(photo.contentType);
}

interface FaceBoxProps {
  face: PhotoFace;
  photo: Photo;
  person: Cluster | null;
  onPress: () => void;
}

function FaceBox({ face, photo, person, onPress }: FaceBoxProps) {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = face.box;
  if (!photo.width || !photo.height) return null;
  const percent = (value: number, of: number) => `${(100 * value) / of}%`;
  return (
    <button
      aria-label={text.lightbox.face(person?.label ?? null)}
      className={styles.box}
      onClick={onPress}
      style={{
        ...personStyle(face.cluster),
        left: percent(x1, photo.width),
        top: percent(y1, photo.height),
        width: percent(x2 - x1, photo.width),
        height: percent(y2 - y1, photo.height),
      }}
      type="button"
    >
      {person?.label && <span className={styles.tag}>{person.label}</span>}
    </button>
  );
}

interface ChipProps {
  albumId: string;
  face: PhotoFace;
  person: Cluster | null;
  isNaming: boolean;
  onNaming: (face: string | null) => void;
}

function Chip({ albumId, face, person, isNaming, onNaming }: ChipProps) {
  const { apply } = useEditor(albumId);
  if (isNaming && person) {
    return (
      <li className={styles.naming}>
        <NameField albumId={albumId} onDone={() => onNaming(null)} person={person} />
      </li>
    );
  }
  if (face.cluster === null) {
    return (
      <li className={styles.chip} style={personStyle(null)}>
        <span>{text.lightbox.unassigned}</span>
        <Button
          onPress={() =>
            void apply(
              [{ kind: "move", faces: [face.id], cluster: null }],
              text.person.moved(1, text.person.newPerson),
            )
          }
          size="s"
          variant="quiet"
        >
          {text.person.newPerson}
        </Button>
      </li>
    );
  }
  // Of a person who is not listed: not read yet, or merged with another just now.
  if (!person) {
    return (
      <li className={styles.chip} style={personStyle(face.cluster)}>
        <span>{text.lightbox.someone}</span>
      </li>
    );
  }
  const name = person.label ?? text.people.unnamedPerson;
  return (
    <li className={styles.chip} style={personStyle(person.id)}>
      <img alt="" className={styles.cover} src={person.coverUrl} />
      <button className={styles.who} onClick={() => onNaming(face.id)} type="button">
        {person.label ?? text.lightbox.unnamed}
      </button>
      <Menu
        actions={[
          {
            id: "page",
            label: text.lightbox.personPage,
            icon: "person",
            run: () => goTo(albumUrl(albumId, { tab: "people", person: person.id })),
          },
          {
            id: "confirm",
            label: text.person.confirm,
            icon: "check",
            run: () =>
              void apply(
                [{ kind: "confirm", cluster: person.id, faces: [face.id] }],
                text.person.confirmed(1),
              ),
          },
          {
            id: "reject",
            label: text.lightbox.reject(name),
            icon: "close",
            run: () =>
              void apply(
                [{ kind: "reject", cluster: person.id, face: face.id }],
                text.person.rejected(1),
              ),
          },
        ]}
        label={name}
      >
        <IconButton icon="more" label={text.albums.options(name)} onDark tooltip={false} />
      </Menu>
    </li>
  );
}

function Info({ photo }: { photo: Photo }) {
  const { exif } = photo;
  const rows: [string, string | null][] = [
    [text.lightbox.taken, exif?.takenAt ? new Date(exif.takenAt).toLocaleString("en") : null],
    [text.lightbox.camera, exif?.camera ?? null],
    [
      text.lightbox.place,
      typeof exif?.latitude === "number" && typeof exif.longitude === "number"
        ? `${exif.latitude.toFixed(5)}, ${exif.longitude.toFixed(5)}`
        : null,
    ],
    [text.lightbox.size, photo.width && photo.height ? `${photo.width} × ${photo.height}` : null],
    [text.lightbox.file, bytes(photo.size)],
  ];
  return (
    <dl className={styles.info}>
      {rows.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
