import { text } from "@/text/en";

/** What an RFC 9457 problem document says; `status` 0: the server was not reached. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string | null;
  readonly requestId: string | null;
  readonly retryAfter: number | null;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(init: {
    status: number;
    title: string;
    detail?: string | null;
    requestId?: string | null;
    retryAfter?: number | null;
    members?: Record<string, unknown>;
  }) {
    super(init.detail ?? init.title);
    this.name = "Problem";
    this.status = init.status;
    this.title = init.title;
    this.detail = init.detail ?? null;
    this.requestId = init.requestId ?? null;
    this.retryAfter = init.retryAfter ?? null;
    this.members = init.members ?? {};
  }
}

const textOr = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The problem that a response tells of, whatever its body is. */
export async function problemOf(response: Response): Promise<Problem> {
  let members: Record<string, unknown> = {};
  try {
    const body: unknown = await response.clone().json();
    if (typeof body === "object" && body !== null) members = body as Record<string, unknown>;
  } catch {
    // No JSON: a proxy's page, say. The status is all there is.
  }
  const retryAfter = Number(response.headers.get("Retry-After") ?? members.retryAfter);
  return new Problem({
    status: response.status,
    title: textOr(members.title) ?? response.statusText,
    detail: textOr(members.detail),
    requestId: response.headers.get("X-Request-Id") ?? textOr(members.requestId),
    retryAfter: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
    members,
  });
}

/** What to tell a person about an error. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return text.errors.unknown;
  if (error.status === 0) return text.errors.offline;
  if (error.status === 429 && error.retryAfter) return text.errors.tooMany(error.retryAfter);
  if (error.status >= 500) return text.errors.unknown;
  return error.detail ?? (error.status === 404 ? text.errors.notFound : text.errors.unknown);
}

export const isStatus = (error: unknown, ...statuses: number[]): boolean =>
  error instanceof Problem && statuses.includes(error.status);
