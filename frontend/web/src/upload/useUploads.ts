import { useEffect, useMemo, useSyncExternalStore } from "react";
import { uploadApi } from "@/api/uploads";
import { useSession } from "@/auth/session";
import { presence } from "./presence";
import { UploadQueue } from "./queue";
import { uploadStore } from "./store";
import { send } from "./transfer";

/** Queues outlive the page that shows them, so that one can look around while photos go up. */
const queues = new Map<string, UploadQueue>();

function queueOf(user: string, albumId: string): UploadQueue {
  const key = `${user}/${albumId}`;
  let queue = queues.get(key);
  if (!queue) {
    queue = new UploadQueue({ user, albumId, api: uploadApi, store: uploadStore, send, presence });
    queues.set(key, queue);
    // Without IndexedDB (a private window, say) there is nothing to restore.
    void queue.restore().catch(() => undefined);
  }
  return queue;
}

/** Stop every queue: its user signed out. What is unfinished is kept for the next time. */
export function closeUploads(): void {
  for (const queue of queues.values()) queue.close();
  queues.clear();
}

/** Forget every queue and what is kept of it: the account is gone. */
export async function forgetUploads(): Promise<void> {
  closeUploads();
  await uploadStore.clear().catch(() => undefined);
}

/** The uploads of an album. */
export function useUploads(albumId: string) {
  const user = useSession()?.user ?? "";
  const queue = useMemo(() => queueOf(user, albumId), [user, albumId]);
  const totals = useSyncExternalStore(queue.subscribe, queue.getTotals, queue.getTotals);
  const items = useSyncExternalStore(queue.subscribe, queue.getItems, queue.getItems);
  const elsewhere = useSyncExternalStore(queue.subscribe, queue.getElsewhere, queue.getElsewhere);
  const active = totals.counts.queued + totals.counts.hashing + totals.counts.uploading;

  useEffect(() => {
    if (active === 0) return undefined;
    // What is in the queue would go on after a reload, but not while the page is closed.
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [active]);

  return { queue, totals, items, active, elsewhere, isPaused: queue.isPaused() };
}
