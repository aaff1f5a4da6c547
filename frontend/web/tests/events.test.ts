import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { listen, type LiveEvent } from "@/api/events";

let eventsUrl: string | null;
let token: string;
let opened: Socket[];

vi.mock("@/api/config", () => ({ getConfig: () => Promise.resolve({ eventsUrl }) }));
vi.mock("@/auth/session", () => ({ freshSession: () => Promise.resolve({ token }) }));

class Socket {
  onopen!: () => void;
  onclose!: (event: { code: number }) => void;
  onmessage!: (event: { data: string }) => void;
  sent: string[] = [];
  constructor(readonly url: string) {
    opened.push(this);
  }
  send(text: string) {
    this.sent.push(text);
  }
  close() {
    this.onclose({ code: 1000 });
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  [opened, token, eventsUrl] = [[], "t-1", "wss://events.example/main"];
});
afterEach(() => vi.useRealTimers());

async function start() {
  const events: LiveEvent[] = [];
  const lives: boolean[] = [];
  const stop = listen("A", {
    onEvent: (event) => events.push(event),
    onLive: (isLive) => lives.push(isLive),
  });
  await vi.advanceTimersByTimeAsync(0);
  return { events, lives, stop };
}

it("listens at the address of the configuration, asks for the latest job, and keeps talking", async () => {
  const { events, lives, stop } = await start();
  expect(opened[0]!.url).toBe("wss://events.example/main?album=A&token=t-1");
  opened[0]!.onopen();
  expect(opened[0]!.sent).toEqual([JSON.stringify({ action: "latest" })]);
  opened[0]!.onmessage({ data: JSON.stringify({ kind: "people", data: {} }) });
  expect(events).toEqual([{ kind: "people", data: {} }]);
  // Ten minutes of silence would end the connection.
  await vi.advanceTimersByTimeAsync(9 * 60_000);
  expect(opened[0]!.sent.length).toBeGreaterThan(1);
  expect(lives.every(Boolean)).toBe(true);
  stop();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(opened).toHaveLength(1);
});

it("listens at this server where there is no other address, and says nothing", async () => {
  eventsUrl = null;
  await start();
  expect(opened[0]!.url).toBe("ws://localhost/events?album=A&token=t-1");
  opened[0]!.onopen();
  expect(opened[0]!.sent).toEqual([]);
  opened[0]!.onclose({ code: 4404 });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(opened).toHaveLength(1);
});

it("comes back after ever longer waits, with the token of then, and has all read anew", async () => {
  const { events, lives } = await start();
  opened[0]!.onopen();
  token = "t-2";
  opened[0]!.onclose({ code: 1006 });
  expect(lives.at(-1)).toBe(false);
  await vi.advanceTimersByTimeAsync(1_300);
  expect(opened[1]!.url).toContain("token=t-2");
  for (let n = 1; n < 8; n += 1) {
    opened[n]!.onclose({ code: 1006 });
    await vi.advanceTimersByTimeAsync(40_000);
  }
  expect(opened).toHaveLength(9);
  opened[7]!.onclose({ code: 1006 });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(opened).toHaveLength(9);
  opened[8]!.onopen();
  expect(events).toEqual([{ kind: "album", data: {} }]);
});
