/** Who is signed in. `token` is a JWT for the API. */
export interface Session {
  /** By the server's own issuer, or on an issuer's pages? */
  readonly kind: "local" | "hosted";
  /** The user's id. */
  readonly user: string;
  /** How the user is called. */
  readonly name: string;
  readonly token: string;
  /** Milliseconds since 1970, as is `renewAt`: from when on it should be renewed. */
  readonly expiresAt: number;
  readonly renewAt: number;
}

/** What a session needs of the place that its token comes from. */
export interface AuthAdapter {
  /** The session of an earlier visit, if it is still good. */
  restore(): Session | null;
  /**
   * What follows a session that ends; null: it cannot go on.
   *
   * @throws {Problem} the issuer cannot be asked just now.
   */
  renew(session: Session): Promise<Session | null>;
  /** Forget the session, here. */
  forget(): void;
  /** End the session, here and with the issuer; one that has pages leaves for them. */
  signOut(): Promise<void>;
}

/** Why signing in failed, in words for people; and where they wanted to go. */
export class SignInError extends Error {
  readonly next: string;

  constructor(message: string, next = "/") {
    super(message);
    this.next = next;
  }
}

/** Subject and end of a token. It is the API that verifies tokens; here they are only read. */
export function readToken(
  token: string,
): Pick<Session, "user" | "name" | "expiresAt"> | null {
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
    return { user: sub, name: typeof email === "string" ? email : sub, expiresAt: exp * 1000 };
  } catch {
    return null;
  }
}
