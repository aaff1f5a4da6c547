export type UploadState =
  | "queued"
  | "hashing"
  | "uploading"
  | "done"
  | "skipped"
  | "failed"
  /** After a reload: known, but its file has to be chosen again. */
  | "detached";

/** A photo on its way; kept in IndexedDB until it has arrived. */
export interface UploadItem {
  readonly id: string;
  readonly albumId: string;
  readonly user: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly lastModified: number;
  readonly state: UploadState;
  /** Bytes that have arrived. */
  readonly sent: number;
  readonly error: string | null;
  /** Of a multipart upload that was begun. */
  readonly uploadId: string | null;
}

/** A file to upload, with its handle where the browser gives one. */
export interface Picked {
  readonly file: File;
  readonly handle: FileSystemFileHandle | null;
}

export interface UploadTotals {
  readonly total: number;
  readonly counts: Readonly<Record<UploadState, number>>;
  readonly bytes: number;
  readonly sent: number;
  /** Bytes a second, lately. */
  readonly rate: number;
}

export interface Target {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the bytes of a photo go in one piece. */
export interface Announced {
  readonly photoId: string;
  readonly target: Target;
}

/** What the queue asks of the server. */
export interface UploadApi {
  /** Where a file goes in one piece; null: the album has it already. */
  announce(albumId: string, file: Announcement): Promise<Announced | null>;
  /** Make a photo visible whose bytes were sent; throws if they are no photo. */
  arrived(albumId: string, photoId: string): Promise<void>;
  /** Begin an upload in parts; null: the album has it already. */
  begin(albumId: string, file: Announcement): Promise<{ uploadId: string } | null>;
  /** The parts that are missing, and their size; null: there is no such upload any more. */
  missing(albumId: string, uploadId: string, size: number): Promise<Missing | null>;
  sign(albumId: string, uploadId: string, part: number): Promise<Target>;
  finish(albumId: string, uploadId: string): Promise<void>;
  /** Start (or join) the sorting of what has arrived. */
  process(albumId: string): Promise<void>;
}

export interface Announcement {
  readonly filename: string;
  readonly contentType: string;
  readonly size: number;
  readonly sha256: string | null;
}

export interface Missing {
  readonly partSize: number;
  readonly numbers: readonly number[];
}
