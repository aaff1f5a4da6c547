import { Problem } from "@/api/problem";
import { text } from "@/text/en";
import { isTemporary, reason, Stopped, Unreadable } from "./failures";
import { photoType } from "./kinds";
import { Meter } from "./meter";
import { OnePiece } from "./onePiece";
import type { Presence } from "./presence";
import type { UploadStore } from "./store";
import { backoff, sha256, sleep, TransferError, type Send } from "./transfer";
import type { Announcement, Picked, UploadApi, UploadItem, UploadTotals } from "./types";

const AT_ONCE = 4;
const TRIES = 6;
const PROCESS_EVERY = 15_000;
const LOOK_EVERY = 3_000;
const MULTIPART_ABOVE = 16 * 2 ** 20;

export interface UploadQueueOptions {
  readonly user: string;
  readonly albumId: string;
  readonly api: UploadApi;
  readonly store: UploadStore;
  readonly send: Send;
  readonly presence: Presence;
  /** Milliseconds before try number n + 1. */
  readonly wait?: (attempt: number) => number;
}

interface Working {
  readonly abort: AbortController;
  sent: number;
}

/**
 * The uploads of one album: some at once, in order, each in tries; what is unfinished is in the
 * store, so that a reload goes on. Files of a browser without file handles have to be chosen again.
 */
export class UploadQueue {
  private items = new Map<string, UploadItem>();
  private readonly files = new Map<string, File>();
  private readonly handles = new Map<string, FileSystemFileHandle>();
  private readonly working = new Map<string, Working>();
  private readonly onePiece: OnePiece;
  private readonly listeners = new Set<() => void>();
  private paused = false;
  private snapshot: UploadTotals | null = null;
  private list: readonly UploadItem[] | null = null;
  private notified = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private lastProcess = 0;
  private unprocessed = 0;
  private readonly meter = new Meter();
  private closed = false;

  private readonly name = newId();
  private readonly leave: Promise<() => void>;
  private elsewhere = 0;
  private look: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: UploadQueueOptions) {
    this.onePiece = new OnePiece(options.albumId, options.api, options.send);
    this.leave = options.presence.enter(this.name).catch(() => () => undefined);
  }

  // What is shown.

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  isPaused = (): boolean => this.paused;

  getItems = (): readonly UploadItem[] => (this.list ??= [...this.items.values()]);

  /** How many photos another tab is uploading. */
  getElsewhere = (): number => this.elsewhere;

  sentOf = (item: UploadItem): number => this.working.get(item.id)?.sent ?? item.sent;

  getTotals = (): UploadTotals => (this.snapshot ??= this.meter.read(this.items.values(), this.sentOf));

  /** Tell listeners, at most five times a second: there may be thousands of files. */
  private changed(): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.notified = Date.now();
        this.snapshot = null;
        this.list = null;
        for (const listener of this.listeners) listener();
      },
      Math.max(0, 200 - (Date.now() - this.notified)),
    );
  }

  private set(item: UploadItem): UploadItem {
    this.items.set(item.id, item);
    this.changed();
    return item;
  }

  // What a person does.

  /**
   * Load what an earlier visit left; files whose handles may still be read go on by themselves.
   * What another tab works on is left to it, until that is closed.
   */
  async restore(): Promise<void> {
    const { store, user, albumId, presence } = this.options;
    await this.leave;
    const { claimed, others } = await presence.among((present) =>
      store.claim(user, albumId, this.name, present),
    );
    if (this.closed) return;
    if (others > 0) {
      this.look = setTimeout(() => void this.restore().catch(() => undefined), LOOK_EVERY);
    }
    if (others !== this.elsewhere) this.changed();
    this.elsewhere = others;
    for (const { item, handle } of claimed) {
      if (this.items.has(item.id)) continue;
      this.set({ ...item, state: item.state === "failed" ? "failed" : "detached" });
      if (handle) this.handles.set(item.id, handle);
    }
    await this.reattach(false);
  }

  /** Are there files that only need the permission to be read again? */
  hasHandles = (): boolean =>
    this.getItems().some((item) => item.state === "detached" && this.handles.has(item.id));

  /** Read files through their handles. With `ask`, the browser may ask for permission. */
  async reattach(ask: boolean): Promise<void> {
    for (const item of this.items.values()) {
      const handle = this.handles.get(item.id) as Permitted | undefined;
      if (item.state !== "detached" || !handle) continue;
      const mode = { mode: "read" } as const;
      let permission = (await handle.queryPermission?.(mode)) ?? "denied";
      if (permission === "prompt" && ask) permission = (await handle.requestPermission?.(mode)) ?? "denied";
      if (permission !== "granted") continue;
      try {
        this.attach(item, await handle.getFile());
      } catch {
        this.handles.delete(item.id);
      }
    }
    this.pump();
  }

  private attach(item: UploadItem, file: File): void {
    this.files.set(item.id, file);
    this.set({ ...item, state: "queued", error: null });
  }

  /** Add photos; those that an earlier visit left unfinished go on where they were. */
  async add(picked: readonly Picked[]): Promise<void> {
    const waiting = new Map(
      this.getItems()
        .filter((item) => item.state === "detached")
        .map((item) => [identity(item.name, item.size, item.lastModified), item]),
    );
    const fresh: { item: UploadItem; handle: FileSystemFileHandle | null; owner: string }[] = [];
    for (const { file, handle } of picked) {
      const key = identity(file.name, file.size, file.lastModified);
      const known = waiting.get(key);
      if (known) {
        waiting.delete(key);
        this.attach(known, file);
        continue;
      }
      const item: UploadItem = {
        id: newId(),
        albumId: this.options.albumId,
        user: this.options.user,
        name: file.name,
        size: file.size,
        type: photoType(file.name) ?? file.type,
        lastModified: file.lastModified,
        state: "queued",
        sent: 0,
        error: null,
        uploadId: null,
      };
      this.files.set(item.id, file);
      if (handle) this.handles.set(item.id, handle);
      fresh.push({ item: this.set(item), handle, owner: this.name });
    }
    // Uploading does not wait for, nor depend on, what only a reload would need.
    await this.leave;
    await this.options.store.put(fresh).catch(() => undefined);
    this.pump();
  }

  pause(): void {
    this.paused = true;
    for (const work of this.working.values()) work.abort.abort(new Stopped());
    this.changed();
  }

  resume(): void {
    this.paused = false;
    this.changed();
    this.pump();
  }

  retry(id?: string): void {
    for (const item of this.getItems()) {
      if (item.state !== "failed" || (id !== undefined && item.id !== id)) continue;
      const state = this.files.has(item.id) ? "queued" : "detached";
      this.set({ ...item, state, error: null });
    }
    void this.reattach(true);
  }

  /** Forget uploads: one, or all. What has arrived stays in the album. */
  remove(id?: string): void {
    const ids = id === undefined ? [...this.items.keys()] : [id];
    for (const gone of ids) {
      this.working.get(gone)?.abort.abort(new Stopped());
      this.items.delete(gone);
      this.files.delete(gone);
      this.onePiece.forget(gone);
      this.handles.delete(gone);
    }
    this.changed();
    void this.options.store.remove(ids).catch(() => undefined);
  }

  /** Stop; what is unfinished stays in the store. */
  close(): void {
    this.closed = true;
    clearTimeout(this.look);
    this.pause();
    void this.leave.then((leave) => leave());
  }

  // The work.

  private pump(): void {
    if (this.paused || this.closed) return;
    for (const item of this.items.values()) {
      if (this.working.size >= AT_ONCE) break;
      if (item.state !== "queued" || this.working.has(item.id)) continue;
      const work: Working = { abort: new AbortController(), sent: item.sent };
      this.working.set(item.id, work);
      void this.run(item, work).finally(() => {
        this.working.delete(item.id);
        this.pump();
      });
    }
    this.maybeProcess(this.working.size === 0);
  }

  private async run(item: UploadItem, work: Working): Promise<void> {
    const file = this.files.get(item.id);
    let current = item;
    const change = (changes: Partial<UploadItem>) => {
      // Removed meanwhile: it must not come back.
      if (this.items.has(item.id)) current = this.set({ ...current, ...changes });
    };
    try {
      if (!file) throw new Unreadable();
      if (item.size === 0) throw new Unreadable(text.upload.empty);
      change({ state: "hashing" });
      const hash = await sha256(file).catch(() => {
        throw new Unreadable();
      });
      work.abort.signal.throwIfAborted();
      change({ state: "uploading" });
      const announcement = {
        filename: item.name, contentType: item.type, size: item.size, sha256: hash,
      };
      const isNew =
        item.size > MULTIPART_ABOVE
          ? await this.inParts(announcement, file, work, () => current, change)
          : await this.tries(work, () =>
              this.onePiece.upload(
                item.id, announcement, file, (bytes) => this.progress(work, bytes), work.abort.signal,
              ),
            );
      change({ state: isNew ? "done" : "skipped", sent: item.size });
      this.files.delete(item.id);
      this.onePiece.forget(item.id);
      if (isNew) this.unprocessed += 1;
      await this.options.store.remove([item.id]).catch(() => undefined);
    } catch (error) {
      if (error instanceof Stopped) {
        change({ state: "queued" });
        return;
      }
      change({ state: "failed", error: reason(error) });
      await this.options.store.update(current).catch(() => undefined);
    }
  }

  private async inParts(
    announcement: Announcement,
    file: File,
    work: Working,
    current: () => UploadItem,
    change: (changes: Partial<UploadItem>) => void,
  ): Promise<boolean> {
    const { api, albumId, send } = this.options;
    let uploadId = current().uploadId;
    let missing = uploadId ? await this.tries(work, () => api.missing(albumId, uploadId!, file.size)) : null;
    if (!uploadId || !missing) {
      const begun = await this.tries(work, () => api.begin(albumId, announcement));
      if (!begun) return false;
      const begunId = begun.uploadId;
      uploadId = begunId;
      change({ uploadId });
      await this.options.store.update(current()).catch(() => undefined);
      missing = await this.tries(work, () => api.missing(albumId, begunId, file.size));
      if (!missing) throw new TransferError(404);
    }
    const upload = uploadId;
    const { partSize, numbers } = missing;
    const sizeOf = (part: number) => Math.min(partSize, file.size - (part - 1) * partSize);
    let arrived = file.size - numbers.reduce((sum, part) => sum + sizeOf(part), 0);
    for (const part of numbers) {
      const start = (part - 1) * partSize;
      const blob = file.slice(start, start + partSize);
      await this.tries(work, async () => {
        const target = await api.sign(albumId, upload, part);
        await send(target, blob, (bytes) => this.progress(work, arrived + bytes), work.abort.signal);
      });
      arrived += blob.size;
      change({ sent: arrived });
    }
    await this.tries(work, () => api.finish(albumId, upload));
    return true;
  }

  private progress(work: Working, bytes: number): void {
    work.sent = bytes;
    this.changed();
  }

  private async tries<Result>(work: Working, run: () => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt += 1) {
      work.abort.signal.throwIfAborted();
      try {
        return await run();
      } catch (error) {
        if (!isTemporary(error) || attempt + 1 >= TRIES) throw error;
        const told = error instanceof Problem && error.retryAfter ? error.retryAfter * 1000 : 0;
        await sleep(Math.max(told, (this.options.wait ?? backoff)(attempt)), work.abort.signal);
      }
    }
  }

  /** Sorting begins while photos still come, and once more when the last is there. */
  private maybeProcess(atEnd: boolean): void {
    if (this.unprocessed === 0) return;
    const now = Date.now();
    if (!atEnd && now - this.lastProcess < PROCESS_EVERY) return;
    this.lastProcess = now;
    const count = this.unprocessed;
    this.unprocessed = 0;
    this.options.api.process(this.options.albumId).catch(() => {
      this.unprocessed += count;
      setTimeout(() => this.pump(), 5_000);
    });
  }
}

interface Permitted extends FileSystemFileHandle {
  queryPermission?(descriptor: { mode: "read" }): Promise<PermissionState>;
  requestPermission?(descriptor: { mode: "read" }): Promise<PermissionState>;
}

const newId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

const identity = (name: string, size: number, modified: number) => `${name}\n${size}\n${modified}`;
