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

interface AlbumDialogProps {
  album: Album;
  isOpen: boolean;
  onClose: () => void;
}

export function AlbumSettingsDialog({ album, isOpen, onClose }: AlbumDialogProps) {
  const change = useChangeAlbum(album.id);
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={text.albums.settingsTitle}>
      <AlbumForm
        error={change.error}
        initial={album}
        isPending={change.isPending}
        onClose={onClose}
        onSubmit={({ name, keepOriginals, linked }) =>
          change.mutate(
            { name, keepOriginals, linked },
            {
              onSuccess: () => {
                toastDone(text.albums.saved);
                onClose();
              },
            },
          )
        }
        submit={text.common.save}
      />
    </Dialog>
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
