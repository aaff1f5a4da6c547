// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi, type Mock } from "vitest";
import { Problem } from "@/api/problem";
import type { Presence } from "@/upload/presence";
import { UploadQueue } from "@/upload/queue";
import { uploadStore } from "@/upload/store";
import { TransferError, type Send } from "@/upload/transfer";
import type { UploadApi } from "@/upload/types";

const target = { url: "/objects/x", method: "PUT", headers: {} };
const MiB = 2 ** 20;

type Mocked = { [Name in keyof UploadApi]: Mock<UploadApi[Name]> };

function newApi(changes: Partial<Mocked> = {}): Mocked {
  return {
    announce: vi.fn(async () => ({ photoId: "p", target })),
    arrived: vi.fn(async () => undefined),
    begin: vi.fn(async () => ({ uploadId: "u" })),
    missing: vi.fn(async () => ({ partSize: 8 * MiB, numbers: [1, 2, 3] })),
    sign: vi.fn(async () => target),
    finish: vi.fn(async () => undefined),
    process: vi.fn(async () => undefined),
    ...changes,
  };
}

const photo = (name: string, size = 1000) =>
  new File([new Uint8Array(size)], name, { type: "image/jpeg", lastModified: 5 });
const picked = (...files: File[]) => files.map((file) => ({ file, handle: null }));
const arrives: Send = async (_, blob, onProgress) => onProgress(blob.size);

/** As of tabs that are all of one browser. */
const here = new Set<string>();
const presence: Presence = {
  enter: async (name) => {
    here.add(name);
    return () => here.delete(name);
  },
  among: (run) => run(new Set(here)),
};

const queues: UploadQueue[] = [];
function newQueue(api: UploadApi, send: Send = arrives): UploadQueue {
  const queue = new UploadQueue({
    user: "ada", albumId: "a", api, store: uploadStore, send, presence, wait: () => 1,
  });
  queues.push(queue);
  return queue;
}

const counts = (queue: UploadQueue) => queue.getTotals().counts;
const settled = (queue: UploadQueue, state: "done" | "skipped" | "failed", count: number) =>
  vi.waitFor(() => expect(counts(queue)[state]).toBe(count), { timeout: 5_000 });

beforeEach(() => uploadStore.clear());
afterEach(() => queues.splice(0).forEach((queue) => queue.close()));

describe("UploadQueue", () => {
  it("uploads every file once, then has them sorted and forgets them", async () => {
    const api = newApi();
    const queue = newQueue(api);
    await queue.add(picked(...Array.from({ length: 12 }, (_, n) => photo(`${n}.jpg`))));
    await settled(queue, "done", 12);
    expect(api.announce).toHaveBeenCalledTimes(12);
    expect(api.arrived).toHaveBeenCalledTimes(12);
    await vi.waitFor(() => expect(api.process).toHaveBeenCalled());
    await vi.waitFor(async () => expect(await uploadStore.load("ada", "a")).toEqual([]));
    expect(queue.getTotals().sent).toBe(12_000);
  });

  it("sends the hash ahead and skips what the album has", async () => {
    const send = vi.fn(arrives);
    const api = newApi({ announce: vi.fn(async () => null) });
    const queue = newQueue(api, send);
    await queue.add(picked(photo("a.jpg", 3)));
    await settled(queue, "skipped", 1);
    expect(send).not.toHaveBeenCalled();
    const announced = api.announce.mock.calls[0]?.[1];
    expect(announced).toMatchObject({
      filename: "a.jpg",
      sha256: "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c",
    });
  });

  it("tries again when the connection breaks, and gives up when it is refused", async () => {
    let tries = 0;
    const flaky: Send = async () => {
      tries += 1;
      if (tries < 4) throw new TransferError(0);
    };
    const queue = newQueue(newApi(), flaky);
    await queue.add(picked(photo("a.jpg")));
    await settled(queue, "done", 1);
    expect(tries).toBe(4);

    const refused = newApi({
      announce: vi.fn(async () => {
        throw new Problem({ status: 413, title: "Too large", detail: "over your quota" });
      }),
    });
    const other = newQueue(refused);
    await other.add(picked(photo("b.jpg")));
    await settled(other, "failed", 1);
    expect(refused.announce).toHaveBeenCalledTimes(1);
    expect(other.getItems()[0]?.error).toBe("over your quota");
  });

  it("announces a photo once, though the answers that it arrived are lost", async () => {
    const lost = new Problem({ status: 0, title: "Network error" });
    const send = vi.fn(arrives);
    const api = newApi({
      arrived: vi.fn(async () => undefined).mockRejectedValueOnce(lost).mockRejectedValueOnce(lost),
    });
    const queue = newQueue(api, send);
    await queue.add(picked(photo("a.jpg")));
    await settled(queue, "done", 1);
    expect(api.announce).toHaveBeenCalledTimes(1);
    expect(send).toHaveBeenCalledTimes(1);
    expect(api.arrived).toHaveBeenCalledTimes(3);
  });

  it("sends to the same place again, and to a new one when that is gone", async () => {
    let tries = 0;
    const urls: string[] = [];
    const send: Send = async ({ url }) => {
      urls.push(url);
      tries += 1;
      if (tries < 4) throw new TransferError(tries === 1 ? 0 : tries === 2 ? 403 : 503);
    };
    let announced = 0;
    const announce = vi.fn(async () => {
      announced += 1;
      return { photoId: `p${announced}`, target: { ...target, url: `/objects/${announced}` } };
    });
    const api = newApi({ announce });
    const queue = newQueue(api, send);
    await queue.add(picked(photo("a.jpg")));
    await settled(queue, "done", 1);
    expect(urls).toEqual(["/objects/1", "/objects/1", "/objects/2", "/objects/2"]);
    expect(api.arrived.mock.calls).toEqual([["a", "p2"]]);
  });

  it("sends only the parts that are missing", async () => {
    const big = photo("big.jpg", 20 * MiB);
    const sizes: number[] = [];
    const send: Send = async (_, blob) => {
      sizes.push(blob.size);
    };
    const api = newApi({ missing: vi.fn(async () => ({ partSize: 8 * MiB, numbers: [1, 3] })) });
    const queue = newQueue(api, send);
    await queue.add(picked(big));
    await settled(queue, "done", 1);
    expect(sizes).toEqual([8 * MiB, 4 * MiB]);
    expect(api.finish).toHaveBeenCalledTimes(1);
  });

  it("stops when paused and goes on where it was", async () => {
    const hang: Send = (_target, _blob, _progress, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    const send = vi.fn(hang);
    const queue = newQueue(newApi(), send);
    await queue.add(picked(photo("a.jpg")));
    await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1));
    queue.pause();
    await vi.waitFor(() => expect(counts(queue).queued).toBe(1));
    send.mockImplementation(arrives);
    queue.resume();
    await settled(queue, "done", 1);
  });

  it("after a reload asks for the files again and resumes the same multipart upload", async () => {
    const first = newQueue(newApi(), () => new Promise(() => undefined));
    await first.add(picked(photo("big.jpg", 20 * MiB), photo("small.jpg")));
    await vi.waitFor(async () => {
      const kept = await uploadStore.load("ada", "a");
      expect(kept.some(({ item }) => item.uploadId === "u")).toBe(true);
    });
    first.close();

    const api = newApi({ missing: vi.fn(async () => ({ partSize: 8 * MiB, numbers: [3] })) });
    const second = newQueue(api);
    await second.restore();
    await vi.waitFor(() => expect(counts(second).detached).toBe(2));
    await second.add(picked(photo("big.jpg", 20 * MiB), photo("small.jpg")));
    await settled(second, "done", 2);
    expect(api.begin).not.toHaveBeenCalled();
    expect(api.missing).toHaveBeenCalledWith("a", "u", 20 * MiB);
  });

  it("leaves to another tab what that uploads, until it is closed", async () => {
    const first = newQueue(newApi(), () => new Promise(() => undefined));
    await first.add(picked(photo("a.jpg"), photo("b.jpg")));
    const second = newQueue(newApi());
    await second.restore();
    expect(second.getElsewhere()).toBe(2);
    expect(second.getItems()).toEqual([]);
    first.close();
    await vi.waitFor(() => expect(counts(second).detached).toBe(2), { timeout: 8_000 });
    expect(second.getElsewhere()).toBe(0);
  }, 15_000);

  it("keeps what other users and albums left to itself", async () => {
    const queue = newQueue(newApi(), () => new Promise(() => undefined));
    await queue.add(picked(photo("a.jpg")));
    expect(await uploadStore.load("eve", "a")).toEqual([]);
    expect(await uploadStore.load("ada", "b")).toEqual([]);
    expect(await uploadStore.load("ada", "a")).toHaveLength(1);
  });
});
