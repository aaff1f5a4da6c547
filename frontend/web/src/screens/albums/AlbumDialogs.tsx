"use client";

import { useRouter } from "next/navigation";
import { useState } from "react";
import { Form } from "react-aria-components";
import { useChangeAlbum, useCreateAlbum, useDeleteAlbum, type AlbumSettings } from "@/api/albums";
import { explain } from "@/api/problem";
import type { Album } from "@/api/types";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Confirm, Dialog, DialogActions } from "@/ui/Dialog";
import { Field, Toggle } from "@/ui/Field";
import { toastDone, toastFailed } from "@/ui/toast";
import styles from "./AlbumsScreen.module.css";

interface FormProps {
  initial: AlbumSettings;
  submit: string;
  isPending: boolean;
  error: unknown;
  onSubmit: (settings: AlbumSettings) => void;
  onClose: () => void;
}

function AlbumForm({ initial, submit, isPending, error, onSubmit, onClose }: FormProps) {
  const [settings, setSettings] = useState(initial);
  const change = (changes: Partial<AlbumSettings>) => setSettings({ ...settings, ...changes });
  return (
    <Form
      className={styles.form!}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit({ ...settings, name: settings.name.trim() });
      }}
    >
      <Field
        autoFocus
        error={error ? explain(error) : null}
        label={text.albums.name}
        maxLength={200}
        onChange={(name) => change({ name })}
        placeholder={text.albums.namePlaceholder}
        value={settings.name}
      />
      <Toggle
        hint={text.albums.keepOriginalsHint}
        isSelected={settings.keepOriginals}
        label={text.albums.keepOriginals}
        onChange={(keepOriginals) => change({ keepOriginals })}
      />
      <Toggle
        hint={text.albums.linkedHint}
        isSelected={settings.linked}
        label={text.albums.linked}
        onChange={(linked) => change({ linked })}
      />
      <DialogActions>
        <Button onPress={onClose}>{text.common.cancel}</Button>
        <Button
          isDisabled={settings.name.trim() === ""}
          isPending={isPending}
          type="submit"
          variant="primary"
        >
          {submit}
        </Button>
      </DialogActions>
    </Form>
  );
}

export function NewAlbumDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const router = useRouter();
  const create = useCreateAlbum();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={text.albums.createTitle}>
      <AlbumForm
        error={create.error}
        initial={{ name: "", keepOriginals: true, linked: false }}
        isPending={create.isPending}
        onClose={onClose}
        onSubmit={(settings) =>
          create.mutate(settings, {
            onSuccess: (album) => router.push(`/album/?id=${album.id}`),
          })
        }
        submit={text.albums.submit}
      />
    </Dialog>
  );
}

/** The settings that are others than before, as they may have changed elsewhere meanwhile. */
export function changesOf(before: AlbumSettings, after: AlbumSettings): Partial<AlbumSettings> {
  return {
    ...(after.name !== before.name && { name: after.name }),
    ...(after.keepOriginals !== before.keepOriginals && { keepOriginals: after.keepOriginals }),
    ...(after.linked !== before.linked && { linked: after.linked }),
  };
}

interface AlbumDialogProps {
  album: Album;
  isOpen: boolean;
  onClose: () => void;
}

export function AlbumSettingsDialog({ album, isOpen, onClose }: AlbumDialogProps) {
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={text.albums.settingsTitle}>
      <SettingsForm album={album} onClose={onClose} />
    </Dialog>
  );
}

function SettingsForm({ album, onClose }: { album: Album; onClose: () => void }) {
  const change = useChangeAlbum(album.id);
  const [shown] = useState<AlbumSettings>(album);
  const [asked, setAsked] = useState<Partial<AlbumSettings> | null>(null);

  function save(changes: Partial<AlbumSettings>) {
    change.mutate(changes, {
      onSuccess: () => {
        toastDone(text.albums.saved);
        onClose();
      },
      onSettled: () => setAsked(null),
    });
  }

  return (
    <>
      <AlbumForm
        error={change.error}
        initial={shown}
        isPending={change.isPending}
        onClose={onClose}
        onSubmit={(settings) => {
          const changes = changesOf(shown, settings);
          if (Object.keys(changes).length === 0) onClose();
          else if (changes.keepOriginals === false && album.counts.photos > 0) setAsked(changes);
          else save(changes);
        }}
        submit={text.common.save}
      />
      <Confirm
        action={text.common.delete}
        hint={text.albums.purgeHint}
        isOpen={asked !== null}
        isPending={change.isPending}
        onClose={() => setAsked(null)}
        onConfirm={() => asked && save(asked)}
        title={text.albums.purgeTitle}
      />
    </>
  );
}

export function DeleteAlbumDialog({ album, isOpen, onClose }: AlbumDialogProps) {
  const remove = useDeleteAlbum();
  return (
    <Confirm
      action={text.common.delete}
      hint={text.albums.deleteHint}
      isOpen={isOpen}
      isPending={remove.isPending}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(album.id, {
          onSuccess: () => {
            toastDone(text.albums.deleted(album.name));
            onClose();
          },
          onError: toastFailed,
        })
      }
      title={text.albums.deleteTitle(album.name)}
    />
  );
}
