import { api } from "@/api/client";
import { readToken, type AuthAdapter, type Session } from "./adapter";

const KEY = "faceflow.token";

/** Tokens of the server's own issuer, for one machine. */
export const localAuth: AuthAdapter = {
  kind: "local",

  restore(): Session | null {
    const token = localStorage.getItem(KEY);
    const session = token === null ? null : readToken(token);
    return session && session.expiresAt > Date.now() ? session : null;
  },

  async signIn(user: string): Promise<Session> {
    const { data } = await api.POST("/auth/dev-token", { body: { user } });
    const session = data ? readToken(data.token) : null;
    if (!data || !session) throw new Error("the issuer's answer has no token");
    localStorage.setItem(KEY, data.token);
    return session;
  },

  signOut(): Promise<void> {
    localStorage.removeItem(KEY);
    return Promise.resolve();
  },
};
