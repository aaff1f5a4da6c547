import { QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactElement } from "react";
import { vi } from "vitest";
import type { Cluster, PersonFace } from "@/api/types";
import { newQueryClient } from "@/shell/Providers";
import { Toasts } from "@/ui/toast";

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

type Answer = (call: Call, query: URLSearchParams) => { status?: number; body?: unknown } | undefined;

/** A server that answers as `answer` says, and the calls that it got. */
export function serve(answer: Answer): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    const sent = await request.clone().text();
    const call = {
      method: request.method,
      path: url.pathname,
      body: sent ? (JSON.parse(sent) as unknown) : null,
    };
    calls.push(call);
    const given = answer(call, url.searchParams) ?? { status: 404, body: { title: "Not found", detail: "no such route" } };
    return new Response(given.body === undefined ? null : JSON.stringify(given.body), {
      status: given.status ?? 200,
      headers: { "Content-Type": "application/json" },
    });
  });
  return calls;
}

export function show(element: ReactElement) {
  const client = newQueryClient();
  const shown = render(
    <QueryClientProvider client={client}>
      {element}
      <Toasts />
    </QueryClientProvider>,
  );
  return { ...shown, client };
}

let made = 0;
const id = () => `01J${String((made += 1)).padStart(23, "0")}`;

export function face(changes: Partial<PersonFace> = {}): PersonFace {
  return {
    id: id(),
    photoId: id(),
    cluster: null,
    confidence: 0.9,
    confirmed: false,
    quality: 0.8,
    cropUrl: "/objects/crop.jpg",
    ...changes,
  };
}

export function person(changes: Partial<Cluster> = {}): Cluster {
  return {
    id: id(),
    label: null,
    hidden: false,
    size: 3,
    photos: 3,
    confidence: 0.95,
    coverUrl: "/objects/cover.jpg",
    cover: face(),
    createdAt: "2026-01-01T00:00:00Z",
    faces: [face(), face()],
    ...changes,
  };
}
