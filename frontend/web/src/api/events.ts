import { freshSession } from "@/auth/session";
import { getConfig } from "./config";

/** Milliseconds, as are the others. */
const LONGEST_WAIT = 30_000;
/** API Gateway closes connections on which nothing was said for ten minutes. */
const SAY_EVERY = 300_000;
/** No such token, no such album: asking again would not help. */
const FINAL = [4401, 4404];

/** An event of the WebSocket; see `api/routers/events.py`. */
export interface LiveEvent {
  readonly kind: "job" | "photos" | "people" | "album" | "shares" | "ping";
  readonly data: unknown;
}

export interface Listener {
  onEvent(event: LiveEvent): void;
  onLive(isLive: boolean): void;
}

/**
 * Listen to an album until the returned function is called: at the address of the configuration, on
 * AWS, or at this server's own. Lost connections are made again, after ever longer waits.
 *
 * AWS says something only when something happens; whoever says anything is told the latest job.
 */
export function listen(albumId: string, listener: Listener): () => void {
  let socket: WebSocket | null = null;
  let attempt = 0;
  let wasLive = false;
  let reconnect: ReturnType<typeof setTimeout> | undefined;
  let saying: ReturnType<typeof setInterval> | undefined;
  let stopped = false;

  const later = () => {
    if (stopped) return;
    const wait = Math.min(LONGEST_WAIT, 1_000 * 2 ** attempt);
    // After a restart not all clients come at the same moment.
    reconnect = setTimeout(connect, wait * (0.75 + Math.random() / 2));
    attempt += 1;
  };

  const live = () => {
    attempt = 0;
    listener.onLive(true);
  };

  const open = (url: string, isOurs: boolean) => {
    const opened = new WebSocket(url);
    socket = opened;
    opened.onmessage = (message: MessageEvent<string>) => {
      live();
      listener.onEvent(JSON.parse(message.data) as LiveEvent);
    };
    opened.onopen = () => {
      // This server accepts, and closes where it refuses; API Gateway refuses at once.
      if (isOurs) listener.onLive(true);
      else {
        live();
        const say = () => opened.send(JSON.stringify({ action: "latest" }));
        say();
        saying = setInterval(say, SAY_EVERY);
      }
      // What happened meanwhile was told to nobody here.
      if (wasLive) listener.onEvent({ kind: "album", data: {} });
      wasLive = true;
    };
    opened.onclose = (event) => {
      clearInterval(saying);
      if (stopped) return;
      listener.onLive(false);
      if (!FINAL.includes(event.code)) later();
    };
  };

  const connect = async () => {
    try {
      const [session, { eventsUrl }] = await Promise.all([freshSession(), getConfig()]);
      if (stopped || !session) return;
      const query = new URLSearchParams({ album: albumId, token: session.token });
      const ours = `${window.location.origin.replace(/^http/, "ws")}/events`;
      open(`${eventsUrl ?? ours}?${query.toString()}`, eventsUrl === null);
    } catch {
      later();
    }
  };
  void connect();

  return () => {
    stopped = true;
    clearTimeout(reconnect);
    clearInterval(saying);
    socket?.close();
  };
}
