"use client";

import { useState } from "react";
import { Form } from "react-aria-components";
import { useAccount, useConsent, useErase, useExport } from "@/api/account";
import { explain } from "@/api/problem";
import type { Receipt } from "@/api/types";
import { endSession, useSession } from "@/auth/session";
import { Frame, Shell } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Dialog, DialogActions } from "@/ui/Dialog";
import { Field, Toggle } from "@/ui/Field";
import { saveFile } from "@/lib/saveFile";
import { toastDone, toastFailed } from "@/ui/toast";
import { forgetUploads } from "@/upload/useUploads";
import styles from "./AccountScreen.module.css";

const WORD = "ERASE";

export function AccountScreen() {
  const session = useSession();
  const account = useAccount(Boolean(session)).data;
  const takeOut = useExport();
  const consent = useConsent();
  const [isErasing, setErasing] = useState(false);
  const [receipt, setReceipt] = useState<Receipt | null>(null);

  // The account is gone, and with it the session: this page stays all the same.
  if (receipt) return <ReceiptPage receipt={receipt} />;
  return (
    <Shell title={text.account.title}>
      <div className={styles.page}>
        <h1>{text.account.title}</h1>
        <section className={styles.card}>
          <p className={styles.soft}>{text.account.signedInAs}</p>
          <p className={styles.name}>{session?.name}</p>
          {account && (
            <p className={styles.soft}>{text.account.usage(account.photos, account.bytes)}</p>
          )}
        </section>
        <section className={styles.card}>
          <h2>{text.account.exportTitle}</h2>
          <p className={styles.soft}>{text.account.exportHint}</p>
          <Button
            icon="download"
            isPending={takeOut.isPending}
            onPress={() =>
              takeOut.mutate(undefined, {
                onSuccess: (file) => {
                  saveFile(file as Blob, "faceflow-export.json");
                  toastDone(text.account.exported);
                },
                onError: toastFailed,
              })
            }
          >
            {takeOut.isPending ? text.account.exporting : text.account.export}
          </Button>
        </section>
        {account && (
          <section className={styles.card}>
            <h2>{text.account.consentTitle}</h2>
            <p className={styles.soft}>{text.account.consentHint}</p>
            <Toggle
              isSelected={consent.isPending ? consent.variables : account.trainingConsent}
              label={text.account.consent}
              onChange={(training) => consent.mutate(training, { onError: toastFailed })}
            />
          </section>
        )}
        <section className={styles.card}>
          <h2>{text.account.eraseTitle}</h2>
          <p className={styles.soft}>{text.account.eraseHint}</p>
          <Button icon="trash" onPress={() => setErasing(true)} variant="danger">
            {text.account.erase}
          </Button>
        </section>
      </div>
      {isErasing && <EraseDialog onClose={() => setErasing(false)} onErased={setReceipt} />}
    </Shell>
  );
}

function EraseDialog(props: { onClose: () => void; onErased: (receipt: Receipt) => void }) {
  const [typed, setTyped] = useState("");
  const erase = useErase();
  const failed = erase.data?.state === "failed";
  return (
    <Dialog alert isOpen onClose={props.onClose} title={text.account.eraseTitle}>
      <Form
        className={styles.form!}
        onSubmit={(event) => {
          event.preventDefault();
          if (typed !== WORD) return;
          erase.mutate(undefined, {
            onSuccess: (receipt) => {
              if (receipt.state !== "done") return;
              props.onErased(receipt);
              void forgetUploads();
              endSession();
            },
          });
        }}
      >
        <p className={styles.soft}>{text.account.eraseHint}</p>
        <Field
          autoComplete="off"
          autoFocus
          error={erase.error ? explain(erase.error) : failed ? text.account.eraseFailed : null}
          label={text.account.eraseConfirm(WORD)}
          onChange={setTyped}
          value={typed}
        />
        <DialogActions>
          <Button onPress={props.onClose}>{text.common.cancel}</Button>
          <Button
            isDisabled={typed !== WORD}
            isPending={erase.isPending}
            type="submit"
            variant="danger"
          >
            {erase.isPending ? text.account.erasing : text.account.eraseSubmit}
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

function ReceiptPage({ receipt }: { receipt: Receipt }) {
  const { erased } = receipt;
  const rows: [string, string | number][] = [
    [text.account.receiptId, receipt.id],
    [
      text.account.receiptTime,
      receipt.completedAt ? new Date(receipt.completedAt).toLocaleString("en") : "",
    ],
    [text.account.receiptPhotos, erased.photos],
    [text.account.receiptRows, erased.rows],
    [text.account.receiptObjects, erased.objects],
    [text.account.receiptDigest, receipt.digest ?? ""],
  ];
  return (
    <Frame title={text.account.receiptTitle}>
      <div className={styles.page}>
        <div role="status">
          <h1>{text.account.receiptTitle}</h1>
        </div>
        <p className={styles.soft}>{text.account.receiptHint}</p>
        <dl className={styles.receipt}>
          {rows.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <Button
          icon="download"
          onPress={() =>
            saveFile(
              new Blob([JSON.stringify(receipt, null, 2)], { type: "application/json" }),
              `faceflow-receipt-${receipt.id}.json`,
            )
          }
        >
          {text.account.receiptSave}
        </Button>
      </div>
    </Frame>
  );
}
