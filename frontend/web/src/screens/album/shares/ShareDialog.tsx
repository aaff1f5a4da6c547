"use client";

import { useRef, useState } from "react";
import { Disclosure, DisclosurePanel, Button as AriaButton, Form, Heading } from "react-aria-components";
import { usePeople } from "@/api/people";
import { explain } from "@/api/problem";
import { useCreateShares, useSharePreview, type SharesRequest } from "@/api/shares";
import type { Cluster, Share } from "@/api/types";
import { text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Dialog, DialogActions } from "@/ui/Dialog";
import { Choice, Field, Toggle } from "@/ui/Field";
import { copyLink } from "./copyLink";
import {
  filtersOf,
  isAddress,
  isComplete,
  isPassword,
  newDraft,
  requestOf,
  type DraftRecipient,
  type ShareDraft,
} from "./draft";
import { PeoplePicker } from "./PeoplePicker";
import styles from "./ShareDialog.module.css";

interface ShareDialogProps {
  albumId: string;
  /** People chosen before it opened. */
  initial?: readonly string[];
  onClose: () => void;
}

export function ShareDialog({ albumId, initial = [], onClose }: ShareDialogProps) {
  const people = usePeople(albumId).data ?? [];
  const [draft, setDraft] = useState<ShareDraft>(() => newDraft(initial));
  const create = useCreateShares(albumId);
  const sent = useRef<{ draft: ShareDraft; request: SharesRequest } | null>(null);
  const change = (changes: Partial<ShareDraft>) => setDraft({ ...draft, ...changes });

  if (create.data) {
    return (
      <Dialog isOpen onClose={onClose} title={text.shares.doneTitle}>
        <Links shares={create.data.shares} />
        <DialogActions>
          <Button autoFocus onPress={onClose} variant="primary">
            {text.common.close}
          </Button>
        </DialogActions>
      </Dialog>
    );
  }

  /** The same request as before while the draft is the same: its answer may have been lost. */
  function send() {
    if (sent.current?.draft !== draft) {
      // Only pages from a safe origin have `randomUUID`.
      const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
      sent.current = { draft, request: { key, shares: requestOf(draft, Date.now()) } };
    }
    create.mutate(sent.current.request);
  }

  function changeRecipient(key: number, changes: Partial<DraftRecipient>) {
    change({
      recipients: draft.recipients.map((one) => (one.key === key ? { ...one, ...changes } : one)),
    });
  }

  return (
    <Dialog isOpen onClose={onClose} title={text.shares.dialogTitle} wide>
      <Form
        className={styles.form!}
        onSubmit={(event) => {
          event.preventDefault();
          if (isComplete(draft)) send();
        }}
      >
        {draft.recipients.map((recipient, index) => (
          <Recipient
            albumId={albumId}
            canRemove={draft.recipients.length > 1}
            draft={draft}
            index={index}
            key={recipient.key}
            onChange={(changes) => changeRecipient(recipient.key, changes)}
            onRemove={() =>
              change({ recipients: draft.recipients.filter((one) => one.key !== recipient.key) })
            }
            people={people}
            recipient={recipient}
          />
        ))}
        <div>
          <Button
            icon="add"
            onPress={() => {
              const key = Math.max(...draft.recipients.map((one) => one.key)) + 1;
              change({ recipients: [...draft.recipients, { key, email: "", clusters: [] }] });
            }}
            size="s"
            variant="quiet"
          >
            {text.shares.addRecipient}
          </Button>
        </div>
        <Section title={text.shares.filters}>
          <Filters draft={draft} onChange={change} people={people} />
        </Section>
        <Section title={text.shares.options}>
          <Options draft={draft} onChange={change} />
        </Section>
        {create.error && (
          <p className={styles.error} role="alert">
            {explain(create.error)}
          </p>
        )}
        <DialogActions>
          <Button onPress={onClose}>{text.common.cancel}</Button>
          <Button
            isDisabled={!isComplete(draft)}
            isPending={create.isPending}
            type="submit"
            variant="primary"
          >
            {text.shares.submit}
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

interface RecipientProps {
  albumId: string;
  recipient: DraftRecipient;
  index: number;
  draft: ShareDraft;
  people: readonly Cluster[];
  canRemove: boolean;
  onChange: (changes: Partial<DraftRecipient>) => void;
  onRemove: () => void;
}

function Recipient(props: RecipientProps) {
  const { recipient, draft } = props;
  const isCounted = recipient.clusters.length > 0 || !draft.onlyAppearing;
  const preview = useSharePreview(props.albumId, recipient.clusters, filtersOf(draft));
  const [wasLeft, setLeft] = useState(false);
  const isWrong = wasLeft && recipient.email !== "" && !isAddress(recipient.email);
  return (
    <section aria-label={text.shares.recipient(props.index + 1)} className={styles.recipient}>
      <div className={styles.address}>
        <Field
          autoFocus={props.index === 0}
          error={isWrong ? text.shares.emailWrong : null}
          hint={text.shares.emailHint}
          label={text.shares.email}
          onBlur={() => setLeft(true)}
          onChange={(email) => props.onChange({ email })}
          type="email"
          value={recipient.email}
        />
        {props.canRemove && (
          <IconButton
            icon="trash"
            label={text.shares.removeRecipient(recipient.email)}
            onPress={props.onRemove}
          />
        )}
      </div>
      <PeoplePicker
        chosen={recipient.clusters}
        label={text.shares.people}
        onChange={(clusters) => props.onChange({ clusters })}
        people={props.people}
      />
      <div className={styles.preview}>
        <p role="status">
          {!isCounted && text.shares.allPeople}
          {isCounted &&
            (preview.data ? text.shares.preview(preview.data.count) : text.shares.previewing)}
        </p>
        {isCounted && preview.data && (
          <div aria-hidden="true" className={styles.sample}>
            {preview.data.sample.slice(0, 6).map((photo) => (
              <img alt="" key={photo.id} src={photo.thumbnailUrl} />
            ))}
          </div>
        )}
      </div>
    </section>
  );
}

function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <Disclosure className={styles.section!}>
      <Heading className={styles.sectionHead!} level={3}>
        <AriaButton className={styles.toggle!} slot="trigger">
          <span aria-hidden="true" className={styles.arrow} />
          {title}
        </AriaButton>
      </Heading>
      <DisclosurePanel className={styles.panel!}>{children}</DisclosurePanel>
    </Disclosure>
  );
}

interface PartProps {
  draft: ShareDraft;
  onChange: (changes: Partial<ShareDraft>) => void;
}

function Filters({ draft, onChange, people }: PartProps & { people: readonly Cluster[] }) {
  const toggle = (name: "sharp" | "noDuplicates" | "onlyAppearing" | "onlyWith" | "allOf", label: string) => (
    <Toggle isSelected={draft[name]} label={label} onChange={(on) => onChange({ [name]: on })} />
  );
  return (
    <div className={styles.fields}>
      <div className={styles.pair}>
        <Field label={text.shares.from} onChange={(from) => onChange({ from })} type="date" value={draft.from} />
        <Field label={text.shares.to} onChange={(to) => onChange({ to })} type="date" value={draft.to} />
      </div>
      <div className={styles.pair}>
        <Choice
          label={text.shares.minSize}
          onChange={(size) => onChange({ size })}
          options={text.shares.sizes}
          value={draft.size}
        />
        <Choice
          label={text.shares.minFace}
          onChange={(faceSize) => onChange({ faceSize })}
          options={text.shares.faceSizes}
          value={draft.faceSize}
        />
      </div>
      {toggle("sharp", text.shares.sharp)}
      {toggle("noDuplicates", text.shares.noDuplicates)}
      {toggle("onlyAppearing", text.shares.appearing)}
      {toggle("allOf", text.shares.allOf)}
      {toggle("onlyWith", text.shares.onlyWith)}
      <PeoplePicker
        chosen={draft.exclude}
        label={text.shares.exclude}
        onChange={(exclude) => onChange({ exclude })}
        people={people}
      />
    </div>
  );
}

function Options({ draft, onChange }: PartProps) {
  const [wasLeft, setLeft] = useState(false);
  const toggle = (name: "live" | "allowDownload" | "keepMetadata" | "sendMail", label: string) => (
    <Toggle isSelected={draft[name]} label={label} onChange={(on) => onChange({ [name]: on })} />
  );
  return (
    <div className={styles.fields}>
      <div className={styles.pair}>
        <Choice
          label={text.shares.expires}
          onChange={(expiry) => onChange({ expiry })}
          options={text.shares.expiry}
          value={draft.expiry}
        />
        <Field
          autoComplete="new-password"
          error={wasLeft && !isPassword(draft.password) ? text.shares.passwordShort : null}
          hint={text.shares.passwordHint}
          label={text.shares.password}
          maxLength={256}
          onBlur={() => setLeft(true)}
          onChange={(password) => onChange({ password })}
          type="password"
          value={draft.password}
        />
      </div>
      {toggle("live", text.shares.live)}
      {toggle("allowDownload", text.shares.download)}
      {draft.allowDownload && toggle("keepMetadata", text.shares.metadata)}
      {toggle("sendMail", text.shares.notify)}
    </div>
  );
}

function Links({ shares }: { shares: readonly Share[] }) {
  return (
    <>
      <p className={styles.soft}>{text.shares.doneHint}</p>
      <ul className={styles.links}>
        {shares.map((share) => (
          <li className={styles.link} key={share.id}>
            <div>
              <p className={styles.email}>{share.email}</p>
              <a className={styles.url} href={share.link} rel="noreferrer" target="_blank">
                {share.link}
              </a>
            </div>
            <Button icon="link" onPress={() => void copyLink(share.link)} size="s">
              {text.shares.copy}
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}
