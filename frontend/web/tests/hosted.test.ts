import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SignInError } from "@/auth/adapter";
import { hostedAuth, KEY } from "@/auth/hosted";
import { leaveFor } from "@/auth/leave";
import { Problem } from "@/api/problem";
import { text } from "@/text/en";

vi.mock("@/auth/leave");

// What jsdom lacks and every browser has.
const locks = { request: <T>(_: string, work: () => T) => work() };
Object.defineProperty(navigator, "locks", { value: locks, configurable: true });

// Node's digests are no ArrayBuffers of jsdom's.
const digest = crypto.subtle.digest.bind(crypto.subtle);
vi.spyOn(crypto.subtle, "digest").mockImplementation(async (...given) => {
  const bytes = new Uint8Array(await digest(...given));
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
});

const URL_OF = "https://sign-in.example";
const CONFIG = {
  signIn: {
    kind: "cognito",
    issuer: "https://pool.example/p",
    url: URL_OF,
    clientId: "client-1",
    scopes: ["openid", "email"],
  },
  eventsUrl: "wss://events.example/main",
};

type Answer = { status?: number; body?: object } | "offline";

let answer: (path: string, form: URLSearchParams) => Answer;
let asked: { path: string; form: URLSearchParams }[];

const part = (value: object) =>
  btoa(JSON.stringify(value)).replace(/=+$/, "").replace(/\+/g, "-").replace(/\//g, "_");

/** An id token as the issuer would sign it; its signature is for the API to look at. */
function idToken(claims: object = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: CONFIG.signIn.issuer,
    aud: "client-1",
    sub: "u-1",
    email: "ada@example.org",
    iat: now,
    exp: now + 3600,
    ...claims,
  };
  return `${part({ alg: "RS256", kid: "k" })}.${part(all)}.c2ln`;
}

const tokens = (more: object = {}, claims: object = {}) => ({
  body: {
    access_token: "a",
    id_token: idToken(claims),
    refresh_token: "r-1",
    token_type: "Bearer",
    expires_in: 3600,
    ...more,
  },
});

beforeEach(() => {
  asked = [];
  vi.stubGlobal("fetch", async (target: Request | string, init?: RequestInit) => {
    const request = target instanceof Request ? target : new Request(target, init);
    const url = new URL(request.url);
    if (url.pathname === "/config") return Response.json(CONFIG);
    const form = new URLSearchParams(await request.text());
    asked.push({ path: url.origin + url.pathname, form });
    const given = answer(url.pathname, form);
    if (given === "offline") throw new TypeError("Failed to fetch");
    return Response.json(given.body ?? {}, { status: given.status ?? 200 });
  });
});
afterEach(() => vi.mocked(leaveFor).mockReset());

/** Where the page was left for, as often as that happened. */
const left = () => vi.mocked(leaveFor).mock.calls.map(([url]) => url);

/** Go to the sign-in page; what it was asked with. */
async function begin(next = "/album/?id=1"): Promise<URLSearchParams> {
  await hostedAuth.begin(next);
  return left().at(-1)!.searchParams;
}

/** Sign in, with the token's life in seconds. */
async function signIn(seconds = 3600) {
  const query = await begin();
  answer = () => tokens({ expires_in: seconds }, { nonce: query.get("nonce") });
  const back = new URLSearchParams({ code: "c-1", state: query.get("state")! });
  return hostedAuth.complete(back);
}

describe("signing in on the issuer's page", () => {
  it("asks for a code with a challenge, and shows the verifier for it", async () => {
    const query = await begin();
    expect(left().at(-1)!.href).toMatch(/^https:\/\/sign-in\.example\/oauth2\/authorize\?/);
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: "code",
      client_id: "client-1",
      redirect_uri: "http://localhost/signin/callback/",
      scope: "openid email",
      code_challenge_method: "S256",
    });
    answer = () => tokens({}, { nonce: query.get("nonce") });
    const back = new URLSearchParams({ code: "c-1", state: query.get("state")! });
    const { session, next } = await hostedAuth.complete(back);
    expect(session).toMatchObject({ kind: "hosted", user: "u-1", name: "ada@example.org" });
    expect(session.token.split(".")).toHaveLength(3);
    expect(next).toBe("/album/?id=1");
    const { form, path } = asked[0]!;
    expect(path).toBe(`${URL_OF}/oauth2/token`);
    expect(form.get("code")).toBe("c-1");
    const digest = await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode(form.get("code_verifier")!),
    );
    const challenge = btoa(String.fromCharCode(...new Uint8Array(digest)));
    expect(query.get("code_challenge")).toBe(
      challenge.replace(/=+$/, "").replace(/\+/g, "-").replace(/\//g, "_"),
    );
    expect(hostedAuth.restore()).toEqual(session);
  });

  it("takes an answer once, and only to what this tab asked", async () => {
    const query = await begin();
    const other = new URLSearchParams({ code: "c", state: "another" });
    await expect(hostedAuth.complete(other)).rejects.toThrow(text.signIn.stale);
    const late = new URLSearchParams({ code: "c", state: query.get("state")! });
    await expect(hostedAuth.complete(late)).rejects.toThrow(text.signIn.stale);
    expect(asked).toEqual([]);
    expect(hostedAuth.restore()).toBeNull();
  });

  it("refuses the token of another sign-in", async () => {
    const query = await begin();
    answer = () => tokens({}, { nonce: "another" });
    const back = new URLSearchParams({ code: "c", state: query.get("state")! });
    await expect(hostedAuth.complete(back)).rejects.toBeInstanceOf(SignInError);
    expect(hostedAuth.restore()).toBeNull();
  });

  it.each([
    [{ error: "access_denied" }, text.signIn.cancelled],
    [{ error: "server_error" }, text.signIn.refused],
  ])("says in plain words that %o", async (refusal, words) => {
    const state = (await begin()).get("state")!;
    const back = new URLSearchParams({ ...refusal, state });
    await expect(hostedAuth.complete(back)).rejects.toThrow(words);
  });

  it("says that the code is too old, and that the issuer cannot be reached", async () => {
    for (const [given, wanted] of [
      [{ status: 400, body: { error: "invalid_grant" } }, text.signIn.stale],
      [{ status: 401, body: { error: "invalid_client" } }, text.signIn.refused],
      ["offline", "Network error"],
    ] as const) {
      const state = (await begin()).get("state")!;
      answer = () => given;
      const back = new URLSearchParams({ code: "c", state });
      await expect(hostedAuth.complete(back)).rejects.toThrow(wanted);
    }
  });

  it("goes on to this site alone", async () => {
    const query = await begin("/.//evil.example/");
    answer = () => tokens({}, { nonce: query.get("nonce") });
    const back = new URLSearchParams({ code: "c", state: query.get("state")! });
    expect((await hostedAuth.complete(back)).next).toBe("/");
  });
});

describe("renewing", () => {
  it("uses a refresh token once, and keeps the next", async () => {
    const { session } = await signIn();
    answer = () => tokens({ refresh_token: "r-2", id_token: idToken({ jti: "2" }) });
    const renewed = await hostedAuth.renew(session);
    expect(asked.at(-1)!.form.get("refresh_token")).toBe("r-1");
    expect(renewed?.token).not.toBe(session.token);
    await hostedAuth.renew(renewed!);
    expect(asked.at(-1)!.form.get("refresh_token")).toBe("r-2");
  });

  it("takes over what another tab has renewed", async () => {
    const { session } = await signIn();
    const kept = JSON.parse(localStorage.getItem(KEY)!) as object;
    localStorage.setItem(KEY, JSON.stringify({ ...kept, token: idToken({ jti: "theirs" }) }));
    const before = asked.length;
    expect((await hostedAuth.renew(session))?.token).toBe(idToken({ jti: "theirs" }));
    expect(asked).toHaveLength(before);
  });

  it("ends with a refusal, and not with a lost connection", async () => {
    const { session } = await signIn();
    for (const given of ["offline", { status: 503 }, { status: 429, body: { error: "slow" } }]) {
      answer = () => given as Answer;
      await expect(hostedAuth.renew(session)).rejects.toBeInstanceOf(Problem);
    }
    answer = () => ({ status: 400, body: { error: "invalid_grant" } });
    expect(await hostedAuth.renew(session)).toBeNull();
  });
});

describe("the session", () => {
  /** A page of its own: what it knows begins anew. */
  async function page() {
    vi.resetModules();
    return import("@/auth/session");
  }

  afterEach(() => vi.useRealTimers());

  it("is renewed before its end, and nobody waits for that", async () => {
    const { session } = await signIn(1000);
    const { freshSession, getSession } = await page();
    expect((await freshSession())?.token).toBe(session.token);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 900_000 });
    answer = () => tokens({ id_token: idToken({ jti: "new" }) });
    expect((await freshSession())?.token).toBe(session.token);
    await vi.waitFor(() => expect(getSession()?.token).not.toBe(session.token));
    expect(asked.filter(({ form }) => form.get("grant_type") === "refresh_token")).toHaveLength(1);
  });

  it("that is over is renewed once for all who ask, or ends", async () => {
    await signIn(1000);
    const { freshSession, getSession, wasSessionEnded } = await page();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2_000_000 });
    answer = () => "offline";
    await expect(freshSession()).rejects.toMatchObject({ status: 0 });
    expect(getSession()).not.toBeNull();
    answer = () => tokens({ id_token: idToken({ jti: "new" }) });
    const before = asked.length;
    const [one, two] = await Promise.all([freshSession(), freshSession()]);
    expect(one).toBe(two);
    expect(asked).toHaveLength(before + 1);
    vi.setSystemTime(Date.now() + 4_000_000);
    answer = () => ({ status: 400, body: { error: "invalid_grant" } });
    expect(await freshSession()).toBeNull();
    expect([getSession(), wasSessionEnded()]).toEqual([null, true]);
    expect(localStorage.getItem(KEY)).toBeNull();
  });

  it("ends here and with the issuer", async () => {
    await signIn();
    const { signOut, getSession } = await page();
    answer = () => "offline";
    await signOut();
    expect(getSession()).toBeNull();
    expect(localStorage.getItem(KEY)).toBeNull();
    expect(asked.at(-1)!.path).toBe(`${URL_OF}/oauth2/revoke`);
    expect(asked.at(-1)!.form.get("token")).toBe("r-1");
  });
});
