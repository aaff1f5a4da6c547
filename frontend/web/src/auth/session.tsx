"use client";

import { useRouter } from "next/navigation";
import { useEffect, useSyncExternalStore } from "react";
import type { AuthAdapter, Session } from "./adapter";
import { hostedAuth, KEY } from "./hosted";
import { leaveFor } from "./leave";
import { localAuth } from "./local";

let current: Session | null | undefined;
let endedByServer = false;
let isLeaving = false;
let renewing: Promise<Session | null> | null = null;
const listeners = new Set<() => void>();

function publish(session: Session | null) {
  current = session;
  for (const listener of listeners) listener();
}

const adapterOf = (session: Session): AuthAdapter =>
  session.kind === "local" ? localAuth : hostedAuth;

const isOver = (session: Session) => session.expiresAt <= Date.now();

/** The session, or null when nobody is signed in. Its token may have to be renewed. */
export function getSession(): Session | null {
  if (current === undefined) current = hostedAuth.restore() ?? localAuth.restore();
  if (current?.kind === "local" && isOver(current)) current = null;
  return current;
}

/**
 * The session with a token that the API takes.
 *
 * @throws {Problem} its token has ended, and the issuer cannot be asked for another just now.
 */
export async function freshSession(): Promise<Session | null> {
  const session = getSession();
  if (!session || Date.now() < session.renewAt) return session;
  renewing ??= renew(session).finally(() => {
    renewing = null;
  });
  // Nobody waits while the old token is good.
  if (!isOver(session)) {
    void renewing.catch(() => undefined);
    return session;
  }
  return renewing;
}

async function renew(session: Session): Promise<Session | null> {
  const renewed = await adapterOf(session).renew(session);
  // Who signed out meanwhile stays so.
  if (current !== session) return getSession();
  if (renewed) publish(renewed);
  else sessionEnded();
  return renewed;
}

/** Sign in by a name. */
export async function signIn(user: string): Promise<void> {
  const session = await localAuth.signIn(user);
  endedByServer = false;
  publish(session);
}

/** Sign in with what the issuer's page came back with; returns the path to go on to. */
export async function completeSignIn(query: URLSearchParams): Promise<string> {
  const { session, next } = await hostedAuth.complete(query);
  endedByServer = false;
  publish(session);
  return next;
}

/** Sign out, with the issuer too: its page is gone to, if it has one. */
export async function signOut(): Promise<void> {
  const session = getSession();
  endedByServer = false;
  isLeaving = session?.kind === "hosted";
  // First, so that uploads stop, which would ask whether to stay.
  publish(null);
  try {
    if (session) await adapterOf(session).signOut();
  } catch {
    // The issuer cannot be reached: signed out here at least.
    leaveFor(new URL("/", window.location.href));
  }
}

/** End the session here, and stay on this page. */
export function endSession(): void {
  const session = getSession();
  if (session) adapterOf(session).forget();
  endedByServer = false;
  publish(null);
}

/** The API refused the token: it ended, or the issuer's keys changed. */
export function sessionEnded(): void {
  if (!getSession()) return;
  endSession();
  endedByServer = true;
}

export const wasSessionEnded = (): boolean => endedByServer;

/** Other tabs renew the session and sign out, too; and a page that comes back may be an old one. */
function follow(event: StorageEvent | PageTransitionEvent) {
  if (event instanceof StorageEvent ? event.key !== KEY && event.key !== null : !event.persisted) return;
  if (isLeaving) window.location.reload();
  else if (current?.kind !== "local") publish(hostedAuth.restore());
}

function subscribe(listener: () => void) {
  if (listeners.size === 0) {
    window.addEventListener("storage", follow);
    window.addEventListener("pageshow", follow);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.removeEventListener("storage", follow);
    window.removeEventListener("pageshow", follow);
  };
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
    if (session !== null || isLeaving) return;
    const here = window.location.pathname + window.location.search;
    router.replace(here === "/" ? "/signin/" : `/signin/?next=${encodeURIComponent(here)}`);
  }, [session, router]);
  return session ?? null;
}
