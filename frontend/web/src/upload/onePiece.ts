import { isGone, isTemporary, Stopped } from "./failures";
import type { Send } from "./transfer";
import type { Announced, Announcement, UploadApi } from "./types";

/** Where a file goes that the server expects. */
interface Place extends Announced {
  isSent: boolean;
}

/** Uploads in one piece, by item. Announced once: an answer that was lost must not make a second photo. */
export class OnePiece {
  private readonly places = new Map<string, Place>();

  constructor(
    private readonly albumId: string,
    private readonly api: UploadApi,
    private readonly send: Send,
  ) {}

  /** Forget where an item was to go. */
  forget(id: string): void {
    this.places.delete(id);
  }

  /** One try; the next goes on where this one failed. False: the album has the photo already. */
  async upload(
    id: string,
    announcement: Announcement,
    file: File,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = this.places.get(id);
    if (known) {
      try {
        await this.deliver(id, known, file, onProgress, signal);
        return true;
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    const announced = await this.api.announce(this.albumId, announcement);
    if (!announced) return false;
    const place = { ...announced, isSent: false };
    this.places.set(id, place);
    await this.deliver(id, place, file, onProgress, signal);
    return true;
  }

  private async deliver(
    id: string,
    place: Place,
    file: File,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      if (!place.isSent) {
        onProgress(0);
        await this.send(place.target, file, onProgress, signal);
        place.isSent = true;
      }
      await this.api.arrived(this.albumId, place.photoId);
    } catch (error) {
      const isOpen = error instanceof Stopped || (isTemporary(error) && !isGone(error));
      if (!isOpen) this.forget(id);
      throw error;
    }
  }
}
