"use client";

import { useEffect, useRef, useState } from "react";
import { useArchive, useBuildArchive } from "@/api/recipient";
import { bytes, text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import { toastFailed } from "@/ui/toast";
import styles from "./RecipientScreen.module.css";

/** Builds the ZIP, shows how far it is, and downloads it when it is there. */
export function ArchiveButton({ id }: { id: string }) {
  const [asked, setAsked] = useState(false);
  const build = useBuildArchive(id);
  const archive = useArchive(id, asked).data;
  const link = useRef<HTMLAnchorElement>(null);
  const wanted = useRef(false);
  const isReady = archive?.state === "ready";

  useEffect(() => {
    if (!isReady || !wanted.current) return;
    wanted.current = false;
    link.current?.click();
  }, [isReady]);

  function start() {
    wanted.current = true;
    build.mutate(undefined, { onSuccess: () => setAsked(true), onError: toastFailed });
  }

  if (isReady) {
    return (
      <a className={styles.download} download href={archive.url} ref={link}>
        {text.recipient.ready(bytes(archive.size ?? 0))}
      </a>
    );
  }
  if (archive?.state === "building") {
    return (
      <div className={styles.building}>
        <p role="status">{text.recipient.preparing(archive.progress)}</p>
        <Progress label={text.recipient.progress} value={archive.progress} />
      </div>
    );
  }
  return (
    <div className={styles.building}>
      {archive?.state === "failed" && <p role="alert">{archive.error ?? text.recipient.failed}</p>}
      <Button icon="download" isPending={build.isPending} onPress={start} variant="primary">
        {text.recipient.download}
      </Button>
    </div>
  );
}
