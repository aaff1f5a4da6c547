import { open } from "@/api/client";
import { readToken, type AuthAdapter, type Session } from "./adapter";

const KEY = "faceflow.token";

/** Tokens of the server's own issuer, for one machine. */
export const localAuth = {
  restore(): Session | null {
    const token = localStorage.getItem(KEY);
    const session = token === null ? null : sessionOf(token);
    return session && session.expiresAt > Date.now() ? session : null;
  },

  /** A session of a user of any name. */
  async signIn(user: string): Promise<Session> {
    const { data } = await open.POST("/auth/dev-token", { body: { user } });
    const session = data ? sessionOf(data.token) : null;
    if (!data || !session) throw new Error("the issuer's answer has no token");
    localStorage.setItem(KEY, data.token);
    return session;
  },

  /** Its tokens are not renewed: they live for half a day. */
  renew: (session: Session) => Promise.resolve(session),

  forget(): void {
    localStorage.removeItem(KEY);
  },

  signOut(): Promise<void> {
    this.forget();
    return Promise.resolve();
  },
} satisfies AuthAdapter & { signIn(user: string): Promise<Session> };

function sessionOf(token: string): Session | null {
  const claims = readToken(token);
  return claims && { ...claims, kind: "local", token, renewAt: Infinity };
}
