/** Who is signed in. `token` is a JWT for the API. */
export interface Session {
  /** The user's id. */
  readonly user: string;
  /** How the user is called. */
  readonly name: string;
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The one place that knows where tokens come from: the local issuer, or Cognito. */
export interface AuthAdapter {
  /** Does it ask for a user name here ("local"), or on a page of its own ("hosted")? */
  readonly kind: "local" | "hosted";
  /** The session of an earlier visit, if it is still good. */
  restore(): Session | null;
  /** Sign in; a hosted adapter leaves the page instead of resolving. */
  signIn(user: string): Promise<Session>;
  signOut(): Promise<void>;
}

/** Subject and end of a token. It is the API that verifies tokens; here they are only read. */
export function readToken(token: string): Session | null {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(
      atob(payload.replace(/-/g, "+").replace(/_/g, "/")),
      (char) => char.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== "object" || claims === null) return null;
    const { sub, exp, email } = claims as { sub?: unknown; exp?: unknown; email?: unknown };
    if (typeof sub !== "string" || typeof exp !== "number") return null;
    return { user: sub, name: typeof email === "string" ? email : sub, token, expiresAt: exp * 1000 };
  } catch {
    return null;
  }
}
