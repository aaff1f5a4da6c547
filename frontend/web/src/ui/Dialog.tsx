"use client";

import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { text } from "@/text/en";
import { Button, IconButton, type Variant } from "./Button";
import styles from "./Dialog.module.css";

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  alert?: boolean;
}

/** A modal dialog; Escape and a press outside close it. */
export function Dialog({ title, isOpen, onClose, children, wide, alert }: DialogProps) {
  return (
    <ModalOverlay
      className={styles.overlay!}
      isDismissable={!alert}
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
    >
      <Modal className={`${styles.modal} ${wide ? styles.wide : ""}`}>
        <AriaDialog className={styles.dialog!} role={alert ? "alertdialog" : "dialog"}>
          <header className={styles.header}>
            <Heading className={styles.title!} slot="title">
              {title}
            </Heading>
            <IconButton icon="close" label={text.common.close} onPress={onClose} tooltip={false} />
          </header>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>;
}

interface ConfirmProps {
  title: string;
  hint: string;
  action: string;
  variant?: Variant;
  isOpen: boolean;
  isPending?: boolean;
  onClose: () => void;
  onConfirm: () => void;
}

/** Asks before what cannot be undone. */
export function Confirm(props: ConfirmProps) {
  return (
    <Dialog alert isOpen={props.isOpen} onClose={props.onClose} title={props.title}>
      <p className={styles.hint}>{props.hint}</p>
      <DialogActions>
        <Button autoFocus onPress={props.onClose}>
          {text.common.cancel}
        </Button>
        <Button
          isPending={props.isPending ?? false}
          onPress={props.onConfirm}
          variant={props.variant ?? "danger"}
        >
          {props.action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
