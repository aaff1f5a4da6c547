import { explain, Problem } from "@/api/problem";
import { text } from "@/text/en";
import { TransferError } from "./transfer";

/** A person, or the end of the page, stopped it. */
export class Stopped extends Error {}

/** The file cannot be read, or is empty. */
export class Unreadable extends Error {}

/** Is it worth another try? */
export function isTemporary(error: unknown): boolean {
  if (error instanceof TransferError) return error.temporary;
  return error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/** Is there no such place any more? 403: its signature ended. */
export function isGone(error: unknown): boolean {
  const isAnswer = error instanceof TransferError || error instanceof Problem;
  return isAnswer && [403, 404, 409].includes(error.status);
}

/** What a person reads of it. */
export function reason(error: unknown): string {
  if (error instanceof Unreadable) return error.message || text.upload.unreadable;
  if (error instanceof TransferError) {
    return error.status === 0 ? text.upload.network : text.upload.rejected(error.status);
  }
  return explain(error);
}
