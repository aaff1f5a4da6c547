import { photoType } from "./kinds";
import type { Picked } from "./types";

export interface Collected {
  readonly picked: readonly Picked[];
  /** Files that are no photos. */
  readonly ignored: number;
}

type WithHandle = DataTransferItem & { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> };

/** Photos among chosen files. */
export function fromFiles(files: Iterable<File>): Collected {
  const all = [...files];
  const picked = all
    .filter((file) => photoType(file.name) !== null)
    .map((file) => ({ file, handle: null }));
  return { picked, ignored: all.length - picked.length };
}

/** Photos among what was dropped, in all depths of folders. */
export async function fromDrop(transfer: DataTransfer): Promise<Collected> {
  // Items are only there during the event: ask all of them before the first await.
  const pending = Array.from(transfer.items)
    .filter((item) => item.kind === "file")
    .map((item) => {
      const entry = item.webkitGetAsEntry();
      const handle = (item as WithHandle).getAsFileSystemHandle?.() ?? Promise.resolve(null);
      return { entry, file: item.getAsFile(), handle: handle.catch(() => null) };
    });
  const picked: Picked[] = [];
  let ignored = 0;
  const take = (file: File, handle: FileSystemFileHandle | null) => {
    if (photoType(file.name) === null) ignored += 1;
    else picked.push({ file, handle });
  };
  for (const { entry, file, handle: promised } of pending) {
    const handle = await promised;
    if (handle) await walkHandle(handle, take);
    else if (entry) await walkEntry(entry, take);
    else if (file) take(file, null);
  }
  return { picked, ignored };
}

type Take = (file: File, handle: FileSystemFileHandle | null) => void;
type Folder = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };

async function walkHandle(handle: FileSystemHandle, take: Take): Promise<void> {
  if (handle.kind === "file") {
    const own = handle as FileSystemFileHandle;
    take(await own.getFile(), own);
    return;
  }
  for await (const child of (handle as Folder).values()) await walkHandle(child, take);
}

async function walkEntry(entry: FileSystemEntry, take: Take): Promise<void> {
  if (entry.isFile) {
    const own = entry as FileSystemFileEntry;
    take(await new Promise<File>((resolve, reject) => own.file(resolve, reject)), null);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader hands out a hundred or so at a time, and nothing at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (batch.length === 0) return;
    for (const child of batch) await walkEntry(child, take);
  }
}
