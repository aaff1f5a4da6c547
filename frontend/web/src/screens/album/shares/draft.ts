import type { NewShares } from "@/api/shares";
import type { ShareFilters } from "@/api/types";

export type Size = "any" | "small" | "medium" | "large";
export type FaceSize = "any" | "small" | "medium" | "large";
export type Expiry = "never" | "week" | "month" | "year";

export interface DraftRecipient {
  readonly key: number;
  readonly email: string;
  readonly clusters: readonly string[];
}

/** What the dialog holds before it is sent. */
export interface ShareDraft {
  readonly recipients: readonly DraftRecipient[];
  readonly from: string;
  readonly to: string;
  readonly size: Size;
  readonly faceSize: FaceSize;
  readonly sharp: boolean;
  readonly noDuplicates: boolean;
  readonly onlyAppearing: boolean;
  readonly onlyWith: boolean;
  readonly allOf: boolean;
  readonly exclude: readonly string[];
  readonly expiry: Expiry;
  readonly password: string;
  readonly allowDownload: boolean;
  readonly keepMetadata: boolean;
  readonly live: boolean;
  readonly sendMail: boolean;
}

export function newDraft(clusters: readonly string[]): ShareDraft {
  return {
    recipients: [{ key: 1, email: "", clusters }],
    from: "",
    to: "",
    size: "any",
    faceSize: "any",
    sharp: false,
    noDuplicates: true,
    onlyAppearing: true,
    onlyWith: false,
    allOf: false,
    exclude: [],
    expiry: "month",
    password: "",
    allowDownload: true,
    keepMetadata: false,
    live: false,
    sendMail: true,
  };
}

const PIXELS: Record<Size, number | null> = {
  any: null,
  small: 1_000_000,
  medium: 4_000_000,
  large: 8_000_000,
};
const FACE_PIXELS: Record<FaceSize, number | null> = {
  any: null,
  small: 40,
  medium: 80,
  large: 160,
};
const DAYS: Record<Expiry, number | null> = { never: null, week: 7, month: 30, year: 365 };

/** Least variance of the Laplacian: below 50 a photo is blurred, over 500 crisp. */
const SHARP = 100;

export function filtersOf(draft: ShareDraft): ShareFilters {
  return {
    takenFrom: draft.from || null,
    takenTo: draft.to || null,
    minPixels: PIXELS[draft.size],
    minFacePixels: FACE_PIXELS[draft.faceSize],
    minSharpness: draft.sharp ? SHARP : null,
    noDuplicates: draft.noDuplicates,
    onlyAppearing: draft.onlyAppearing,
    onlyWith: draft.onlyWith,
    allOf: draft.allOf,
    excludeClusters: [...draft.exclude],
  };
}

const ADDRESS = /^[^\s@]+@[^\s@]+$/;

export const isAddress = (email: string): boolean => ADDRESS.test(email.trim());

/** As long as the API wants it; 0: none, which is fine too. */
export const isPassword = (password: string): boolean =>
  password === "" || password.length >= 8;

/** Can it be sent? */
export function isComplete(draft: ShareDraft): boolean {
  const hasPeople = draft.recipients.every(
    (one) => one.clusters.length > 0 || !draft.onlyAppearing,
  );
  return (
    draft.recipients.length > 0 &&
    hasPeople &&
    draft.recipients.every((one) => isAddress(one.email)) &&
    isPassword(draft.password)
  );
}

export function requestOf(draft: ShareDraft, now: number): NewShares {
  const days = DAYS[draft.expiry];
  return {
    recipients: draft.recipients.map((one) => ({
      email: one.email.trim(),
      clusters: [...one.clusters],
    })),
    filters: filtersOf(draft),
    expiresAt: days === null ? null : new Date(now + days * 86_400_000).toISOString(),
    password: draft.password || null,
    live: draft.live,
    allowDownload: draft.allowDownload,
    keepMetadata: draft.keepMetadata,
    sendMail: draft.sendMail,
  };
}
