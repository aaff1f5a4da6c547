import { body, open } from "./client";
import type { ClientConfig } from "./types";

let asked: Promise<ClientConfig> | null = null;

/** How to sign in and where to listen; asked for once, and again after a failure. */
export function getConfig(): Promise<ClientConfig> {
  asked ??= body(open.GET("/config")).catch((error: unknown) => {
    asked = null;
    throw error;
  });
  return asked;
}
