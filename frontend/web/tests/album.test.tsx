import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { LiveEvent } from "@/api/events";
import { useLive } from "@/api/live";
import { decidedHere } from "@/api/people";
import { useDeletePhotos, usePhotos } from "@/api/photos";
import type { Album, AlbumStatus, Job } from "@/api/types";
import { uploadApi } from "@/api/uploads";
import { JobLine } from "@/screens/album/JobLine";
import { AlbumSettingsDialog } from "@/screens/albums/AlbumDialogs";
import { text } from "@/text/en";
import { clearToasts } from "@/ui/toast";
import { serve, show } from "./helpers";

let tell: (event: LiveEvent) => void = () => undefined;
vi.mock("@/api/events", () => ({
  listen: (_: string, listener: { onEvent: (event: LiveEvent) => void; onLive: (is: boolean) => void }) => {
    tell = listener.onEvent;
    listener.onLive(true);
    return () => undefined;
  },
}));

afterEach(clearToasts);

const counts = {
  photos: 3, faces: 3, clusters: 1, unassigned: 0, duplicates: 0, failed: 0, pending: 0, bytes: 9,
} as unknown as Album["counts"];
const album = {
  id: "A", name: "Lake", keepOriginals: true, linked: false, counts, createdAt: "2026-01-01T00:00:00Z",
} as unknown as Album;

describe("AlbumSettingsDialog", () => {
  const open = (changes: Partial<Album> = {}) =>
    show(<AlbumSettingsDialog album={{ ...album, ...changes }} isOpen onClose={onClose} />);
  const onClose = vi.fn();
  afterEach(() => onClose.mockClear());
  const save = () => userEvent.click(screen.getByRole("button", { name: text.common.save }));
  const patches = () =>
    serve((call) => (call.method === "PATCH" ? { body: album } : { body: { albums: [], cursor: null } }));

  it("sends what was changed, and nothing that may have changed elsewhere", async () => {
    const calls = patches();
    open({ keepOriginals: false });
    const name = screen.getByLabelText(text.albums.name);
    await userEvent.clear(name);
    await userEvent.type(name, "Sea");
    await save();
    await waitFor(() => expect(onClose).toHaveBeenCalledOnce());
    expect(calls.filter((call) => call.method === "PATCH")).toEqual([
      { method: "PATCH", path: "/albums/A", body: { name: "Sea" } },
    ]);
  });

  it("asks before originals go for good", async () => {
    const calls = patches();
    open();
    await userEvent.click(screen.getByRole("switch", { name: new RegExp(text.albums.keepOriginals) }));
    await save();
    await screen.findByRole("alertdialog", { name: text.albums.purgeTitle });
    expect(calls).toEqual([]);
    await userEvent.click(screen.getByRole("button", { name: text.common.delete }));
    await waitFor(() => expect(onClose).toHaveBeenCalledOnce());
    expect(calls[0]?.body).toEqual({ keepOriginals: false });
  });

  it("sends nothing when nothing was changed", async () => {
    const calls = patches();
    open();
    await save();
    expect(onClose).toHaveBeenCalledOnce();
    expect(calls).toEqual([]);
  });
});

describe("JobLine", () => {
  it("shows why sorting stopped, and tries again", async () => {
    const calls = serve(() => ({ body: {} }));
    const job = { id: "J", kind: "ingest", state: "failed", error: "the disk is full" } as Job;
    const status = { state: "failed", job, progress: 0.4, version: 1, counts } as AlbumStatus;
    show(<JobLine albumId="A" isLive status={status} />);
    expect(screen.getByText("the disk is full")).toBeVisible();
    await userEvent.click(screen.getByRole("button", { name: text.common.retry }));
    await waitFor(() =>
      expect(calls[0]).toMatchObject({ method: "POST", path: "/albums/A/jobs/J/retry" }),
    );
  });
});

describe("useDeletePhotos", () => {
  function Deleting() {
    const remove = useDeletePhotos("A");
    return (
      <button onClick={() => remove.mutate(["P1", "P2", "P3"])} type="button">
        {remove.status}
      </button>
    );
  }
  const deleting = async (status: number) => {
    const calls = serve((call) =>
      call.path.endsWith("P2") ? { status, body: { title: "Refused" } } : { status: 204 },
    );
    show(<Deleting />);
    await userEvent.click(screen.getByRole("button"));
    return calls;
  };

  it("goes on where a photo is gone already", async () => {
    const calls = await deleting(404);
    await screen.findByText("success");
    expect(calls.map((call) => call.path)).toEqual(["/photos/P1", "/photos/P2", "/photos/P3"]);
  });

  it("stops where one is refused", async () => {
    const calls = await deleting(403);
    await screen.findByText("error");
    expect(calls).toHaveLength(2);
  });
});

describe("useLive", () => {
  function Watching() {
    useLive("A");
    const photos = usePhotos("A");
    return <p>{photos.data ? "read" : "reading"}</p>;
  }

  it("reads photos again when people change elsewhere, not after each decision made here", async () => {
    const calls = serve((call) =>
      call.path.endsWith("/status")
        ? { body: { state: "done", job: null, progress: 1, version: 1, counts } }
        : { body: { photos: [], cursor: null } },
    );
    const photos = () => calls.filter((call) => call.path === "/albums/A/photos").length;
    const statuses = () => calls.filter((call) => call.path === "/albums/A/status").length;
    show(<Watching />);
    await screen.findByText("read");
    await waitFor(() => expect(statuses()).toBe(1));
    expect(photos()).toBe(1);

    decidedHere.add("HERE");
    tell({ kind: "people", data: { decision: "HERE" } });
    await waitFor(() => expect(statuses()).toBe(2), { timeout: 6_000 });
    expect(photos()).toBe(1);

    tell({ kind: "people", data: { decision: "ELSEWHERE" } });
    await waitFor(() => expect(photos()).toBe(2), { timeout: 6_000 });
  }, 20_000);
});

describe("uploadApi", () => {
  it("gives up the room for a photo that the album has", async () => {
    const calls = serve((call) =>
      call.method === "DELETE"
        ? { status: 204 }
        : { body: { photoId: "NEW", duplicateOf: "OLD", url: "/x", method: "PUT", headers: {} } },
    );
    const file = { filename: "a.jpg", contentType: "image/jpeg", size: 3, sha256: null };
    expect(await uploadApi.announce("A", file)).toBeNull();
    expect(calls.at(-1)).toMatchObject({ method: "DELETE", path: "/albums/A/uploads/NEW" });
  });
});
