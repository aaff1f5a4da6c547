import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { UploadItem } from "./types";

interface Kept {
  readonly item: UploadItem;
  readonly handle: FileSystemFileHandle | null;
  /** The queue that works on it, or did. */
  readonly owner?: string;
}

interface Schema extends DBSchema {
  items: { key: string; value: Kept; indexes: { album: [string, string] } };
}

/** Unfinished uploads, kept over reloads. */
export interface UploadStore {
  load(user: string, albumId: string): Promise<readonly Kept[]>;
  /** Take over what no queue that is present works on; `others`: how many some other does. */
  claim(
    user: string,
    albumId: string,
    owner: string,
    present: ReadonlySet<string>,
  ): Promise<{ claimed: readonly Kept[]; others: number }>;
  put(entries: readonly Kept[]): Promise<void>;
  update(item: UploadItem): Promise<void>;
  remove(ids: readonly string[]): Promise<void>;
  clear(): Promise<void>;
}

let database: Promise<IDBPDatabase<Schema>> | null = null;

function open(): Promise<IDBPDatabase<Schema>> {
  database ??= openDB<Schema>("faceflow-uploads", 1, {
    upgrade(db) {
      const items = db.createObjectStore("items", { keyPath: "item.id" });
      items.createIndex("album", ["item.user", "item.albumId"]);
    },
  });
  return database;
}

export const uploadStore: UploadStore = {
  async load(user, albumId) {
    return (await open()).getAllFromIndex("items", "album", [user, albumId]);
  },

  async claim(user, albumId, owner, present) {
    const transaction = (await open()).transaction("items", "readwrite");
    const kept = await transaction.store.index("album").getAll([user, albumId]);
    const foreign = kept.filter((each) => each.owner !== owner);
    const claimed = foreign.filter((each) => !each.owner || !present.has(each.owner));
    await Promise.all([
      ...claimed.map((each) => transaction.store.put({ ...each, owner })),
      transaction.done,
    ]);
    return { claimed, others: foreign.length - claimed.length };
  },

  async put(entries) {
    const transaction = (await open()).transaction("items", "readwrite");
    await Promise.all([...entries.map((entry) => transaction.store.put(entry)), transaction.done]);
  },

  async update(item) {
    const transaction = (await open()).transaction("items", "readwrite");
    const kept = await transaction.store.get(item.id);
    if (kept) await transaction.store.put({ ...kept, item });
    await transaction.done;
  },

  async remove(ids) {
    const transaction = (await open()).transaction("items", "readwrite");
    await Promise.all([...ids.map((id) => transaction.store.delete(id)), transaction.done]);
  },

  async clear() {
    await (await open()).clear("items");
  },
};
