import type { UploadApi } from "@/upload/types";
import { api, body } from "./client";
import { isStatus, Problem } from "./problem";

/** The upload queue's side of the API. */
export const uploadApi: UploadApi = {
  async announce(id, file) {
    const answer = await body(
      api.POST("/albums/{id}/uploadUrl", { params: { path: { id } }, body: file }),
    );
    if (!answer.duplicateOf) return { photoId: answer.photoId, target: answer };
    await giveUp(id, answer.photoId);
    return null;
  },

  async arrived(id, pid) {
    const photo = await body(
      api.POST("/albums/{id}/photos/{pid}/complete", { params: { path: { id, pid } } }),
    );
    refuseFailed(photo);
  },

  async begin(id, file) {
    const upload = await body(
      api.POST("/albums/{id}/uploads", { params: { path: { id } }, body: file }),
    );
    if (!upload.duplicateOf) return { uploadId: upload.uploadId };
    await giveUp(id, upload.uploadId);
    return null;
  },

  async missing(id, uid, size) {
    try {
      const path = { id, uid };
      const stored = await body(api.GET("/albums/{id}/uploads/{uid}/parts", { params: { path } }));
      const first = await body(
        api.POST("/albums/{id}/uploads/{uid}/parts", { params: { path }, body: { numbers: [1] } }),
      );
      const partSize = first.parts[0]?.size ?? size;
      const there = new Set(stored.parts.map((part) => part.number));
      const count = Math.ceil(size / partSize);
      const numbers = Array.from({ length: count }, (_, index) => index + 1);
      return { partSize, numbers: numbers.filter((number) => !there.has(number)) };
    } catch (error) {
      // Given up by the server after some days, or complete already: begin anew, or be skipped.
      if (isStatus(error, 404, 409)) return null;
      throw error;
    }
  },

  async sign(id, uid, part) {
    const signed = await body(
      api.POST("/albums/{id}/uploads/{uid}/parts", {
        params: { path: { id, uid } },
        body: { numbers: [part] },
      }),
    );
    const target = signed.parts[0];
    if (!target) throw new Problem({ status: 500, title: "No such part" });
    return target;
  },

  async finish(id, uid) {
    const photo = await body(
      api.POST("/albums/{id}/uploads/{uid}/complete", { params: { path: { id, uid } } }),
    );
    refuseFailed(photo);
  },

  async process(id) {
    await api.POST("/albums/{id}/process", { params: { path: { id } } });
  },
};

/** Bytes that will not come take no room. If this fails, the server forgets them after some days. */
async function giveUp(id: string, uid: string): Promise<void> {
  const path = { id, uid };
  await api.DELETE("/albums/{id}/uploads/{uid}", { params: { path } }).catch(() => undefined);
}

function refuseFailed(photo: { status: string; error: string | null }): void {
  if (photo.status !== "failed") return;
  throw new Problem({ status: 422, title: "No photo", detail: photo.error });
}
