import type { Target } from "./types";

/** A request that failed. `status` 0: the connection was lost. */
export class TransferError extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
    this.name = "TransferError";
  }

  /** Is another try likely to go better? 403: the signature ended, the next try has a new one. */
  get temporary(): boolean {
    return [0, 403, 408, 425, 429].includes(this.status) || this.status >= 500;
  }
}

export type Send = (
  target: Target,
  blob: Blob,
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Send bytes; XMLHttpRequest, because fetch does not tell how far it is. */
export const send: Send = (target, blob, onProgress, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open(target.method, target.url);
    for (const [name, value] of Object.entries(target.headers)) {
      // The browser sets Content-Length itself and lets nobody else do so.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      // 412: an earlier try arrived although its answer was lost; S3 keeps what it has.
      const isThere = request.status === 412 && target.method === "PUT";
      if (isThere || (request.status >= 200 && request.status < 300)) resolve();
      else reject(new TransferError(request.status));
    };
    request.onerror = () => reject(new TransferError(0));
    request.onabort = () => reject(signal.reason as Error);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    request.send(blob);
  });

const MAX_HASHED = 256 * 2 ** 20;

/** SHA-256 in hexadecimal; null where the browser has none (no secure context) or it is too big. */
export async function sha256(file: Blob): Promise<string | null> {
  if (!globalThis.crypto?.subtle || file.size > MAX_HASHED) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Wait before the next of several tries: exponential, with jitter, at most half a minute. */
export function backoff(attempt: number): number {
  return Math.min(30_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2);
}

export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
