"use client";

import { useState } from "react";
import { usePeople } from "@/api/people";
import { useResendShare, useRevokeShare, useShares } from "@/api/shares";
import type { Cluster, Share } from "@/api/types";
import { text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { Menu, type MenuAction } from "@/ui/Menu";
import { toastDone, toastFailed } from "@/ui/toast";
import { copyLink } from "./copyLink";
import styles from "./SharesTab.module.css";

interface SharesTabProps {
  albumId: string;
  canShare: boolean;
  onNew: () => void;
}

export function SharesTab({ albumId, canShare, onNew }: SharesTabProps) {
  const shares = useShares(albumId);
  const people = usePeople(albumId).data ?? [];
  const create = (
    <Button icon="share" isDisabled={!canShare} onPress={onNew} variant="primary">
      {text.shares.new}
    </Button>
  );
  if (shares.isPending) return <Skeleton count={4} shape="rows" />;
  if (shares.isLoadingError) return <Failure error={shares.error} onRetry={() => void shares.refetch()} />;
  if (shares.data.length === 0) {
    return (
      <Empty hint={text.shares.emptyHint} icon="share" title={text.shares.emptyTitle}>
        {create}
      </Empty>
    );
  }
  return (
    <ul aria-label={text.shares.list} className={styles.list}>
      {shares.data.map((share) => (
        <Row albumId={albumId} key={share.id} people={people} share={share} />
      ))}
    </ul>
  );
}

const day = (iso: string) =>
  new Date(iso).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });

function Row({ albumId, share, people }: { albumId: string; share: Share; people: readonly Cluster[] }) {
  const [isAsking, setAsking] = useState(false);
  const revoke = useRevokeShare(albumId);
  const resend = useResendShare(albumId);
  const state = share.revoked ? "revoked" : share.expired ? "expired" : "active";
  const covers = share.clusters
    .map((id) => people.find((person) => person.id === id))
    .filter((person) => person !== undefined);
  const facts = [
    text.shares.views(share.views),
    share.downloads > 0 && text.shares.downloads(share.downloads),
    share.live && text.shares.liveBadge,
    share.hasPassword && text.shares.protected,
    share.expiresAt && text.shares.expiresAt(day(share.expiresAt)),
  ].filter(Boolean);
  const isMailBad = share.mailState === "failed" || share.mailState === "bounced";
  const actions: MenuAction[] =
    state === "active"
      ? [
          { id: "open", label: text.shares.open, icon: "next", run: () => window.open(share.link, "_blank", "noreferrer") },
          {
            id: "resend",
            label: text.shares.resend,
            icon: "mail",
            run: () =>
              resend.mutate(share.id, {
                onSuccess: () => toastDone(text.shares.resent),
                onError: toastFailed,
              }),
          },
          { id: "revoke", label: text.shares.revoke, icon: "close", danger: true, run: () => setAsking(true) },
        ]
      : [];
  return (
    <li className={styles.row} data-state={state}>
      <div aria-hidden="true" className={styles.covers}>
        {covers.slice(0, 3).map((person) => (
          <img alt="" key={person.id} src={person.coverUrl} />
        ))}
      </div>
      <div className={styles.about}>
        <p className={styles.email}>{share.email}</p>
        <p className={styles.soft}>{facts.join(" · ")}</p>
      </div>
      <div className={styles.badges}>
        <span className={isMailBad ? styles.bad : styles.badge} title={share.mailError ?? undefined}>
          {text.shares.mail[share.mailState]}
        </span>
        <span className={state === "active" ? styles.good : styles.badge}>
          {text.shares.states[state]}
        </span>
      </div>
      {state === "active" && (
        <div className={styles.actions}>
          <Button icon="link" onPress={() => void copyLink(share.link)} size="s">
            {text.shares.copy}
          </Button>
          <Menu actions={actions} label={text.albums.options(share.email)}>
            <IconButton icon="more" label={text.albums.options(share.email)} tooltip={false} />
          </Menu>
        </div>
      )}
      {isMailBad && share.mailError && <p className={styles.reason}>{share.mailError}</p>}
      <Confirm
        action={text.shares.revoke}
        hint={text.shares.revokeHint}
        isOpen={isAsking}
        isPending={revoke.isPending}
        onClose={() => setAsking(false)}
        onConfirm={() =>
          revoke.mutate(share.id, {
            onSuccess: () => toastDone(text.shares.revoked),
            onError: toastFailed,
            onSettled: () => setAsking(false),
          })
        }
        title={text.shares.revokeTitle(share.email)}
      />
    </li>
  );
}
