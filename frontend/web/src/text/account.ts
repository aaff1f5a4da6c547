import { bytes, photos } from "./words";

/** The words of the account page. */
export const account = {
  consentTitle: "Help improve recognition",
  consentHint:
    "If you agree, faces that you confirm, reject, merge or split may train later models, without names. You can take this back at any time; erasing your account does too.",
  consent: "My corrections may be used for training",
  title: "Account",
  signedInAs: "Signed in as",
  usage: (count: number, size: number) => `${photos(count)}, ${bytes(size)} of originals`,
  exportTitle: "Take everything with you",
  exportHint: "A JSON file with your albums, people, names, decisions and shares.",
  export: "Export my data",
  exporting: "Collecting…",
  exported: "Export saved",
  eraseTitle: "Erase everything",
  eraseHint:
    "Removes every photo, face, name, share and job of yours, at once and for good. Links that you sent stop working.",
  erase: "Erase my account",
  eraseConfirm: (word: string) => `Type ${word} to confirm`,
  eraseSubmit: "Erase everything",
  erasing: "Erasing…",
  receiptTitle: "Everything is erased",
  receiptHint: "Keep this receipt if you want proof.",
  receiptSave: "Save receipt",
  receiptPhotos: "Photos removed",
  receiptDigest: "SHA-256",
  receiptRows: "Records removed",
  receiptObjects: "Files removed",
  receiptId: "Receipt",
  receiptTime: "Finished",
  eraseFailed: "Erasing stopped. It goes on by itself; ask again in a moment.",
} as const;
