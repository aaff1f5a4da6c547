"use client";

import { useRouter } from "next/navigation";
import { useEffect, useSyncExternalStore } from "react";
import type { Session } from "./adapter";
import { localAuth } from "./local";

/** The adapter in use; Cognito's takes its place in the cloud. */
export const auth = localAuth;

let current: Session | null | undefined;
let endedByServer = false;
const listeners = new Set<() => void>();

function publish(session: Session | null) {
  current = session;
  for (const listener of listeners) listener();
}

/** The session, or null when nobody is signed in. */
export function getSession(): Session | null {
  if (current === undefined) current = auth.restore();
  if (current && current.expiresAt <= Date.now()) current = null;
  return current;
}

export async function signIn(user: string): Promise<void> {
  const session = await auth.signIn(user);
  endedByServer = false;
  publish(session);
}

export async function signOut(): Promise<void> {
  await auth.signOut();
  endedByServer = false;
  publish(null);
}

/** The API refused the token: it ended, or the issuer's keys changed. */
export function sessionEnded(): void {
  if (!getSession()) return;
  void auth.signOut();
  endedByServer = true;
  publish(null);
}

export const wasSessionEnded = (): boolean => endedByServer;

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The session; undefined while the exported page has not met the browser yet. */
export function useSession(): Session | null | undefined {
  return useSyncExternalStore(subscribe, getSession, () => undefined);
}

/** The session of a page that needs one; whoever has none is sent to sign in. */
export function useRequiredSession(): Session | null {
  const session = useSession();
  const router = useRouter();
  useEffect(() => {
    if (session !== null) return;
    const here = window.location.pathname + window.location.search;
    router.replace(here === "/" ? "/signin/" : `/signin/?next=${encodeURIComponent(here)}`);
  }, [session, router]);
  return session ?? null;
}

/** Where to go after signing in: only within this site. */
export function nextPath(value: string | null): string {
  if (!value) return "/";
  try {
    const url = new URL(value, window.location.origin);
    return url.origin === window.location.origin ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}
