import createClient, { type Middleware } from "openapi-fetch";
import { freshSession, getSession, sessionEnded } from "@/auth/session";
import { Problem, problemOf } from "./problem";
import type { paths } from "./schema";

const authorize: Middleware = {
  async onRequest({ request }) {
    const session = await freshSession();
    if (session && !request.headers.has("Authorization")) {
      request.headers.set("Authorization", `Bearer ${session.token}`);
    }
    return request;
  },
};

/** Whatever is not a success is thrown, so that queries and mutations see one kind of error. */
const refuse: Middleware = {
  async onResponse({ request, response }) {
    if (response.ok) return undefined;
    const problem = await problemOf(response);
    const session = getSession();
    const ours = session && request.headers.get("Authorization") === `Bearer ${session.token}`;
    if (response.status === 401 && ours) sessionEnded();
    throw problem;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new Problem({ status: 0, title: "Network error" });
  },
};

const options = {
  // Looked up at each call, so that tests can put another in its place.
  fetch: (request: Request) => globalThis.fetch(request),
  baseUrl: typeof window === "undefined" ? "http://localhost" : window.location.origin,
};

/** The API, typed by its own OpenAPI document. */
export const api = createClient<paths>(options);
api.use(authorize, refuse);

/** The same as nobody: for what sessions themselves need. */
export const open = createClient<paths>(options);
open.use(refuse);

/** The body of an answer whose status says that there is one. */
export async function body<Data>(answer: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await answer;
  if (data === undefined) throw new Problem({ status: 500, title: "Empty answer" });
  return data;
}
