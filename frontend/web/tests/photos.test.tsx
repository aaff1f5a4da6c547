import { act, fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cluster, Photo } from "@/api/types";
import { Lightbox } from "@/photos/Lightbox";
import { PhotoGrid } from "@/photos/PhotoGrid";
import { DuplicatesTab } from "@/screens/album/duplicates/DuplicatesTab";
import { PersonPage } from "@/screens/album/person/PersonPage";
import { PersonPhotos } from "@/screens/album/person/PersonPhotos";
import { PhotosTab } from "@/screens/album/photos/PhotosTab";
import { text } from "@/text/en";
import { clearToasts } from "@/ui/toast";
import { face, person, serve, show } from "./helpers";

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function photo(changes: Partial<Photo> = {}): Photo {
  return {
    id: "P",
    filename: "a.jpg",
    status: "done",
    error: null,
    width: 400,
    height: 300,
    size: 1000,
    contentType: "image/jpeg",
    thumbUrl: "/objects/t.jpg",
    originalUrl: null,
    blur: null,
    duplicateOf: null,
    exif: null,
    faces: [],
    ...changes,
  } as unknown as Photo;
}

// jsdom lays nothing out.
beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, 800, 600));
});
afterEach(() => {
  vi.restoreAllMocks();
  clearToasts();
  window.scrollY = 0;
});

describe("Lightbox", () => {
  const seen = (cluster: string | null) =>
    photo({ faces: [{ ...face({ cluster }), box: [0, 0, 9, 9] }] as unknown as Photo["faces"] });
  const look = (cluster: string | null, shown: Cluster[], hidden: Cluster[]) => {
    const calls = serve((_, query) => ({
      body: { clusters: query.get("hidden") === "true" ? hidden : shown, cursor: null },
    }));
    show(
      <Lightbox
        albumId="A"
        index={0}
        onClose={() => undefined}
        onIndex={() => undefined}
        photos={[seen(cluster)]}
        total={1}
      />,
    );
    return calls;
  };
  const offered = () => screen.queryByRole("button", { name: text.person.newPerson });

  it("offers a new person for a face of nobody", async () => {
    look(null, [], []);
    expect(await screen.findByText(text.lightbox.unassigned)).toBeInTheDocument();
    expect(offered()).toBeInTheDocument();
  });

  it("names hidden people", async () => {
    const hilde = person({ label: "Hilde", hidden: true });
    look(hilde.id, [], [hilde]);
    expect(await screen.findByRole("button", { name: "Hilde" })).toBeInTheDocument();
    expect(offered()).toBeNull();
  });

  it("takes nobody's face away who is not listed, because they were just merged", async () => {
    const calls = look("GONE", [person()], []);
    await waitFor(() => expect(calls).toHaveLength(2));
    await act(() => sleep(50));
    expect(screen.getByText(text.lightbox.someone)).toBeInTheDocument();
    expect(offered()).toBeNull();
  });
});

describe("PhotoGrid", () => {
  it("keeps the cell with the focus when the window goes elsewhere", async () => {
    const photos = Array.from({ length: 300 }, (_, n) => ({
      id: `P${n}`, label: `${n}.jpg`, src: null, blur: null, width: 400, height: 300,
    }));
    show(<PhotoGrid label="Photos" onOpen={() => undefined} photos={photos} />);
    const first = await screen.findByRole("button", { name: "0.jpg" });
    act(() => first.focus());
    window.scrollY = 9_000;
    fireEvent.scroll(window);
    await waitFor(() => expect(screen.queryByRole("button", { name: "4.jpg" })).toBeNull());
    expect(first).toBe(document.activeElement);
    expect(screen.getAllByRole("button").filter((cell) => cell.tabIndex === 0)).toEqual([first]);
    expect(screen.getAllByRole("button").length).toBeLessThan(100);
  });
});

describe("a photo in full", () => {
  const list = (...ids: string[]) => ids.map((id) => photo({ id, filename: `${id}.jpg` }));
  const viewer = () => screen.queryByRole("dialog");
  const open = async (name: string) => {
    const { client } = show(<PhotosTab addButtons={null} albumId="A" total={2} />);
    await userEvent.click(await screen.findByRole("button", { name }));
    return { client, dialog: await screen.findByRole("dialog") };
  };
  beforeEach(() => window.history.pushState(null, "", "/album/?id=A"));

  it("is closed by going back, which stays in the album", async () => {
    serve(() => ({ body: { photos: list("P1", "P2"), cursor: null } }));
    await open("P1.jpg");
    await userEvent.keyboard("{ArrowRight}");
    expect(window.location.search).toBe("?id=A&photo=P2");
    act(() => window.history.back());
    await waitFor(() => expect(viewer()).toBeNull());
    expect(window.location.search).toBe("?id=A");
  });

  it("leaves nothing to go back to when it is closed", async () => {
    serve(() => ({ body: { photos: list("P1", "P2"), cursor: null } }));
    await open("P1.jpg");
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(viewer()).toBeNull());
    expect(window.location.search).toBe("?id=A");
    expect(window.history.state).toBeNull();
  });

  it("opens by its address, which stays in the album when it is closed", async () => {
    window.history.pushState(null, "", "/album/?id=A&photo=P2");
    serve(() => ({ body: { photos: list("P1", "P2"), cursor: null } }));
    show(<PhotosTab addButtons={null} albumId="A" total={2} />);
    expect(await screen.findByRole("dialog")).toHaveAccessibleName(text.lightbox.label("P2.jpg", 2, 2));
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(viewer()).toBeNull());
    expect(window.location.search).toBe("?id=A");
  });

  it("stays the one that was opened when another comes before it", async () => {
    let photos = list("P1", "P2");
    serve(() => ({ body: { photos, cursor: null } }));
    const { client, dialog } = await open("P2.jpg");
    photos = list("P0", "P1", "P2");
    await act(() => client.invalidateQueries());
    await waitFor(() => expect(dialog).toHaveAccessibleName(text.lightbox.label("P2.jpg", 3, 3)));
  });

  it("reads on near the end of what is here, in the photos of a person too", async () => {
    const calls = serve((call, query) => {
      if (!call.path.endsWith("/photos")) return { body: { clusters: [], cursor: null } };
      return query.get("cursor")
        ? { body: { photos: list("P9"), cursor: null } }
        : { body: { photos: list("P1", "P2"), cursor: "2" } };
    });
    show(<PersonPhotos albumId="A" cluster="C" total={3} />);
    await userEvent.click(await screen.findByRole("button", { name: "P2.jpg" }));
    await userEvent.keyboard("{ArrowRight}");
    await waitFor(() =>
      expect(screen.getByRole("dialog")).toHaveAccessibleName(text.lightbox.label("P9.jpg", 3, 3)),
    );
    expect(calls.filter((call) => call.path.endsWith("/photos"))).toHaveLength(2);
  });
});

describe("the next page", () => {
  const tooMany = { status: 429, body: { title: "Too many requests" } };
  const pages = (answer: (asked: number) => { status?: number; body: unknown }) => {
    let asked = 0;
    return serve((_, query) => {
      if (!query.get("cursor")) return { body: { photos: [photo({ id: "P1", filename: "1.jpg" })], cursor: "2" } };
      asked += 1;
      return answer(asked);
    });
  };
  const second = { body: { photos: [photo({ id: "P2", filename: "2.jpg" })], cursor: null } };
  const tab = <PhotosTab addButtons={null} albumId="A" total={2} />;

  it("is not asked for again and again when it fails, but when a person says so", async () => {
    const calls = pages((asked) => (asked === 1 ? tooMany : second));
    show(tab);
    await screen.findByRole("alert", {}, { timeout: 5_000 });
    await act(() => sleep(300));
    expect(calls).toHaveLength(2);
    expect(screen.getByRole("button", { name: "1.jpg" })).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: text.common.retry }));
    expect(await screen.findByRole("button", { name: "2.jpg" })).toBeInTheDocument();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("comes by itself as soon as the server said", async () => {
    const told = { status: 429, body: { title: "Too many requests", retryAfter: 2 } };
    const calls = pages((asked) => (asked === 1 ? told : second));
    show(tab);
    await waitFor(() => expect(calls).toHaveLength(2));
    await act(() => sleep(1_500));
    expect(calls).toHaveLength(2);
    expect(await screen.findByRole("button", { name: "2.jpg" })).toBeInTheDocument();
  });

  it("that was asked for by hand says why it could not be read", async () => {
    const keep = photo({ id: "K", filename: "keep.jpg" });
    let asked = 0;
    serve((_, query) => {
      if (query.get("cursor") && (asked += 1) === 1) return tooMany;
      return { body: { groups: [{ keep, drop: [] }], cursor: query.get("cursor") ? null : "2" } };
    });
    show(<DuplicatesTab albumId="A" />);
    await userEvent.click(await screen.findByRole("button", { name: text.common.more }));
    expect(await screen.findByRole("alert", {}, { timeout: 5_000 })).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: text.common.retry }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
    expect(screen.queryByRole("button", { name: text.common.more })).toBeNull();
  });

  it("of faces is not asked for again and again either", async () => {
    const observed = vi.fn();
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        constructor(private readonly tell: (entries: unknown[]) => void) {}
        observe(target: Element) {
          observed();
          this.tell([{ isIntersecting: true, target }]);
        }
        unobserve() {}
        disconnect() {}
      },
    );
    const calls = serve((_, query) =>
      query.get("cursor") ? tooMany : { body: { faces: [face()], cursor: "2" } },
    );
    show(<PersonPage albumId="A" clusterId="none" />);
    await screen.findByRole("alert", {}, { timeout: 5_000 });
    await act(() => sleep(300));
    expect(observed).toHaveBeenCalled();
    expect(calls).toHaveLength(2);
  });
});
