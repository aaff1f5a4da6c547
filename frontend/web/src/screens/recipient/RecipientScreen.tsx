"use client";

import { useSearchParams } from "next/navigation";
import { useMemo, useState } from "react";
import { Form } from "react-aria-components";
import { explain, isStatus } from "@/api/problem";
import { useShared, useUnlock } from "@/api/recipient";
import type { SharedPhoto } from "@/api/types";
import { PhotoGrid, type GridPhoto } from "@/photos/PhotoGrid";
import { useOpenPhoto } from "@/photos/useOpenPhoto";
import { Frame } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { Field } from "@/ui/Field";
import { NextPageFailure, readOn } from "@/ui/NextPage";
import { ArchiveButton } from "./ArchiveButton";
import styles from "./RecipientScreen.module.css";
import { SharedLightbox } from "./SharedLightbox";

/** What somebody sees who got a link: no account, and nothing of the owner's pages. */
export function RecipientScreen() {
  const id = useSearchParams().get("id") ?? "";
  return (
    <Frame title={text.recipient.title}>
      {id ? (
        <Shared id={id} />
      ) : (
        <Empty hint={text.recipient.missingHint} icon="link" title={text.recipient.missingTitle} />
      )}
    </Frame>
  );
}

const gridPhoto = (photo: SharedPhoto): GridPhoto => ({
  id: photo.id,
  label: photo.filename,
  src: photo.thumbnailUrl,
  blur: photo.blur,
  width: photo.width,
  height: photo.height,
});

function Shared({ id }: { id: string }) {
  const query = useShared(id);
  const photos = useMemo(() => query.data?.pages.flatMap((page) => page.photos) ?? [], [query.data]);
  const cells = useMemo(() => photos.map(gridPhoto), [photos]);
  const opened = useOpenPhoto(photos, query);
  const share = query.data?.pages[0];

  if (query.isPending) return <Skeleton shape="photos" />;
  if (query.isError && isStatus(query.error, 401)) return <PasswordForm id={id} />;
  if (query.isError && isStatus(query.error, 410)) {
    return <Empty hint={text.recipient.goneHint} icon="lock" title={text.recipient.goneTitle} />;
  }
  if (query.isError && isStatus(query.error, 404, 422)) {
    return <Empty hint={text.recipient.missingHint} icon="link" title={text.recipient.missingTitle} />;
  }
  if (!share) {
    return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  }
  const names = share.people.map((person) => person.label).filter(Boolean);
  return (
    <>
      <div className={styles.head}>
        <div className={styles.words}>
          <div aria-hidden="true" className={styles.covers}>
            {share.people.map(
              (person) => person.coverUrl && <img alt="" key={person.coverUrl} src={person.coverUrl} />,
            )}
          </div>
          <h1>{share.albumName}</h1>
          <p className={styles.soft}>
            {[text.recipient.from(share.sender), text.recipient.count(share.count), names.join(", ")]
              .filter(Boolean)
              .join(" · ")}
          </p>
          {share.expiresAt && (
            <p className={styles.soft}>
              {text.recipient.until(
                new Date(share.expiresAt).toLocaleDateString("en", { dateStyle: "long" }),
              )}
            </p>
          )}
        </div>
        {share.allowDownload && share.count > 0 ? (
          <ArchiveButton id={id} />
        ) : (
          <p className={styles.soft}>{!share.allowDownload && text.recipient.viewOnly}</p>
        )}
      </div>
      {share.count === 0 ? (
        <Empty hint={text.recipient.emptyHint} icon="albums" title={text.recipient.emptyTitle} />
      ) : (
        <PhotoGrid
          hasMore={query.hasNextPage}
          label={text.photos.grid}
          onMore={() => readOn(query)}
          onOpen={opened.open}
          photos={cells}
          total={share.count}
        />
      )}
      <NextPageFailure query={query} />
      {opened.index !== null && (
        <SharedLightbox
          index={opened.index}
          onClose={opened.close}
          onIndex={opened.show}
          photos={photos}
          total={share.count}
        />
      )}
    </>
  );
}

function PasswordForm({ id }: { id: string }) {
  const unlock = useUnlock(id);
  const [password, setPassword] = useState("");
  const error = unlock.error
    ? isStatus(unlock.error, 401)
      ? text.recipient.wrong
      : explain(unlock.error)
    : null;
  return (
    <Form
      className={styles.form!}
      onSubmit={(event) => {
        event.preventDefault();
        unlock.mutate(password);
      }}
    >
      <h1>{text.recipient.passwordTitle}</h1>
      <p className={styles.soft}>{text.recipient.passwordHint}</p>
      <Field
        autoComplete="current-password"
        autoFocus
        error={error}
        label={text.recipient.password}
        onChange={(value) => {
          setPassword(value);
          unlock.reset();
        }}
        type="password"
        value={password}
      />
      <Button
        isDisabled={password === ""}
        isPending={unlock.isPending}
        type="submit"
        variant="primary"
      >
        {text.recipient.open}
      </Button>
    </Form>
  );
}
