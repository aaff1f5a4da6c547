import type { TokenEndpointResponse } from "oauth4webapi";
import { getConfig } from "@/api/config";
import { Problem } from "@/api/problem";
import type { HostedSignIn } from "@/api/types";
import { text } from "@/text/en";
import { readToken, SignInError, type AuthAdapter, type Session } from "./adapter";
import { leaveFor } from "./leave";
import { nextPath } from "./next";

/** What is kept of a session, for all tabs. */
export const KEY = "faceflow.session";
/** What is kept of a sign-in while its page is away, for this tab. */
const PENDING = "faceflow.sign-in";
/** Renewed when this part of a token's life is over. */
const RENEW_AFTER = 0.8;
/** The API judges tokens: whose clock is wrong may sign in all the same. */
const SKEW_SECONDS = 86_400;
const REVOKE_MS = 3_000;

interface Kept {
  readonly token: string;
  readonly refreshToken: string | null;
  readonly expiresAt: number;
  readonly renewAt: number;
}

interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly next: string;
}

/**
 * Tokens of Cognito's sign-in pages: OAuth 2.0's authorization code flow with PKCE (RFC 6749, 7636).
 *
 * What is sent to the API is the id token, which has the address of mail that shares come from. The
 * refresh token lies in localStorage, so that links to albums open in new tabs; it is used once.
 */
export const hostedAuth = {
  restore(): Session | null {
    const kept = readKept();
    return kept && sessionOf(kept);
  },

  /** Leave for the sign-in page, which comes back to `/signin/callback/`. */
  async begin(next: string): Promise<void> {
    const { oauth, signIn, server } = await issuer();
    const pending: Pending = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      next,
    };
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    const url = new URL(server.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: signIn.clientId,
      redirect_uri: callbackUrl(),
      scope: signIn.scopes.join(" "),
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: "S256",
    }).toString();
    leaveFor(url);
  },

  /**
   * What the sign-in page came back with becomes a session; and the path that was asked for.
   *
   * @throws {SignInError} it is no answer to what this tab asked, or a refusal.
   * @throws {Problem} the issuer cannot be reached.
   */
  async complete(query: URLSearchParams): Promise<{ session: Session; next: string }> {
    const pending = takePending();
    if (!pending) throw new SignInError(text.signIn.stale);
    const { oauth, server, client, options } = await issuer();
    const next = nextPath(pending.next);
    try {
      const answer = oauth.validateAuthResponse(server, client, query, pending.state);
      const response = await oauth.authorizationCodeGrantRequest(
        server, client, oauth.None(), answer, callbackUrl(), pending.verifier, options,
      );
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
        expectedNonce: pending.nonce,
        requireIdToken: true,
      });
      return { session: keep(tokens, null), next };
    } catch (error) {
      if (isUnreachable(error)) throw new Problem({ status: 0, title: "Network error" });
      if (error instanceof oauth.AuthorizationResponseError) {
        const isCancelled = error.error === "access_denied";
        throw new SignInError(isCancelled ? text.signIn.cancelled : text.signIn.refused, next);
      }
      if (error instanceof oauth.ResponseBodyError && error.error !== "invalid_grant") {
        throw new SignInError(text.signIn.refused, next);
      }
      throw new SignInError(text.signIn.stale, next);
    }
  },

  async renew(session: Session): Promise<Session | null> {
    // A refresh token is good once: tabs take turns, and take over what another one has got.
    return await navigator.locks.request(KEY, async () => {
      const kept = readKept();
      if (!kept) return null;
      if (kept.token !== session.token) return sessionOf(kept);
      if (kept.refreshToken === null) return null;
      const { oauth, server, client, options } = await issuer();
      try {
        const response = await oauth.refreshTokenGrantRequest(
          server, client, oauth.None(), kept.refreshToken, options,
        );
        const tokens = await oauth.processRefreshTokenResponse(server, client, response);
        return keep(tokens, kept.refreshToken);
      } catch (error) {
        const isRefused = error instanceof oauth.ResponseBodyError && [400, 401].includes(error.status);
        if (isRefused || error instanceof SignInError) return null;
        throw new Problem({ status: 0, title: "Network error" });
      }
    });
  },

  forget(): void {
    localStorage.removeItem(KEY);
  },

  async signOut(): Promise<void> {
    const kept = readKept();
    this.forget();
    const { oauth, signIn, server, client, options } = await issuer();
    if (kept?.refreshToken) {
      // Without an answer it ends by itself, and the page below ends the issuer's own session.
      await oauth
        .revocationRequest(server, client, oauth.None(), kept.refreshToken, {
          ...options,
          signal: AbortSignal.timeout(REVOKE_MS),
        })
        .catch(() => undefined);
    }
    const url = new URL(`${signIn.url}/logout`);
    url.search = new URLSearchParams({
      client_id: signIn.clientId,
      logout_uri: `${window.location.origin}/`,
    }).toString();
    leaveFor(url);
  },
} satisfies AuthAdapter & Record<string, unknown>;

/** Where the sign-in page comes back to; known to the issuer to the letter. */
const callbackUrl = () => `${window.location.origin}/signin/callback/`;

/** The issuer as the library wants it. Loaded when it is needed: one machine needs none. */
async function issuer() {
  const [config, oauth] = await Promise.all([getConfig(), import("oauth4webapi")]);
  if (config.signIn.kind !== "cognito") throw new SignInError(text.signIn.refused);
  const signIn: HostedSignIn = config.signIn;
  const server = {
    issuer: signIn.issuer,
    authorization_endpoint: `${signIn.url}/oauth2/authorize`,
    token_endpoint: `${signIn.url}/oauth2/token`,
    revocation_endpoint: `${signIn.url}/oauth2/revoke`,
  };
  const client = { client_id: signIn.clientId, [oauth.clockTolerance]: SKEW_SECONDS };
  // The API lets no other address be without TLS than this machine's own.
  const options = { [oauth.allowInsecureRequests]: signIn.url.startsWith("http:") };
  return { oauth, signIn, server, client, options };
}

function keep(tokens: TokenEndpointResponse, refreshToken: string | null): Session {
  const token = tokens.id_token ?? "";
  const now = Date.now();
  // By this machine's clock, whatever it shows.
  const life = tokens.expires_in
    ? tokens.expires_in * 1000
    : (readToken(token)?.expiresAt ?? now) - now;
  const kept: Kept = {
    token,
    refreshToken: tokens.refresh_token ?? refreshToken,
    expiresAt: now + life,
    renewAt: now + life * RENEW_AFTER,
  };
  const session = sessionOf(kept);
  if (!session) throw new SignInError(text.signIn.refused);
  localStorage.setItem(KEY, JSON.stringify(kept));
  return session;
}

function sessionOf({ token, refreshToken, expiresAt, renewAt }: Kept): Session | null {
  const claims = readToken(token);
  if (!claims || (refreshToken === null && expiresAt <= Date.now())) return null;
  return { ...claims, kind: "hosted", token, expiresAt, renewAt };
}

const readKept = () => parse<Kept>(localStorage.getItem(KEY));

function takePending(): Pending | null {
  const pending = parse<Pending>(sessionStorage.getItem(PENDING));
  sessionStorage.removeItem(PENDING);
  return pending;
}

function parse<Value>(json: string | null): Value | null {
  try {
    return json === null ? null : (JSON.parse(json) as Value);
  } catch {
    return null;
  }
}

/** `fetch` fails by a TypeError, and says no more. */
const isUnreachable = (error: unknown) => error instanceof TypeError && !("code" in error);
