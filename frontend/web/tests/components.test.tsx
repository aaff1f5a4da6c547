import { onlineManager } from "@tanstack/react-query";
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Cluster } from "@/api/types";
import { NameField } from "@/people/NameField";
import { HistoryDialog } from "@/screens/album/people/HistoryDialog";
import { PeopleTab } from "@/screens/album/people/PeopleTab";
import { AlsoIn } from "@/screens/album/person/AlsoIn";
import { ProblemsTab } from "@/screens/album/problems/ProblemsTab";
import { SuggestionsTab } from "@/screens/album/suggestions/SuggestionsTab";
import { RecipientScreen } from "@/screens/recipient/RecipientScreen";
import { text } from "@/text/en";
import { clearToasts } from "@/ui/toast";
import { person, serve, show } from "./helpers";

afterEach(clearToasts);

const edited = (...clusters: Cluster[]) => ({ decision: "01DECISION", clusters, removed: [] });

describe("NameField", () => {
  it("names a person, and the message takes it back", async () => {
    const someone = person();
    const calls = serve((call) => {
      if (call.path.endsWith("/labels")) return { body: { labels: [] } };
      if (call.method === "POST") return { body: edited({ ...someone, label: "Mara" }) };
      return undefined;
    });
    const onDone = vi.fn();
    show(<NameField albumId="A" onDone={onDone} person={someone} />);
    await userEvent.type(screen.getByRole("combobox"), "Mara{Enter}");
    expect(onDone).toHaveBeenCalledOnce();
    await userEvent.click(await screen.findByRole("button", { name: text.common.undo }));
    await waitFor(() =>
      expect(calls.filter((call) => call.method === "POST")).toEqual([
        { method: "POST", path: `/albums/A/clusters/${someone.id}/label`, body: { name: "Mara" } },
        { method: "POST", path: "/albums/A/decisions/01DECISION/undo", body: null },
      ]),
    );
  });

  it("offers to merge when somebody has the name already", async () => {
    const someone = person();
    const calls = serve((call) => {
      if (call.path.endsWith("/labels")) {
        return { body: { labels: [{ name: "Mara", cluster: "01OTHER", albums: [] }] } };
      }
      return { body: edited(someone) };
    });
    show(<NameField albumId="A" onDone={() => undefined} person={someone} />);
    await userEvent.type(screen.getByRole("combobox"), "mara");
    await screen.findByRole("option", { name: "Mara" });
    await userEvent.keyboard("{Enter}");
    await userEvent.click(
      await screen.findByRole("button", { name: text.people.mergeInto("Mara") }),
    );
    await waitFor(() =>
      expect(calls).toContainEqual({
        method: "POST",
        path: "/albums/A/clusters/merge",
        body: { clusters: ["01OTHER", someone.id] },
      }),
    );
  });
});

describe("SuggestionsTab", () => {
  const [one, two] = [0, 1].map((n) => ({
    id: `01SUGGESTION${n}`,
    kind: "merge",
    first: person({ label: `First ${n}` }),
    second: person(),
    albumId: "A",
    name: null,
    probability: 0.8,
    saved: 3,
  }));

  it("takes one key for an answer and goes on", async () => {
    const calls = serve((call) =>
      call.method === "POST"
        ? { body: edited() }
        : { body: { suggestions: [one, two], total: 2 } },
    );
    show(<SuggestionsTab albumId="A" />);
    await screen.findByText("First 0");
    await userEvent.keyboard("s");
    await screen.findByText("First 1");
    // As with Caps Lock.
    await userEvent.keyboard("N");
    await screen.findByText(text.suggestions.emptyTitle);
    expect(calls).toContainEqual({
      method: "POST",
      path: "/albums/A/suggestions/01SUGGESTION1",
      body: { accept: false },
    });
    await userEvent.click(screen.getByRole("button", { name: text.suggestions.again }));
    expect(screen.getByText("First 0")).toBeInTheDocument();
  });

  it("brings a question back whose answer was refused", async () => {
    serve((call) =>
      call.method === "POST"
        ? { status: 409, body: { title: "Conflict", detail: "they were merged meanwhile" } }
        : { body: { suggestions: [one], total: 1 } },
    );
    show(<SuggestionsTab albumId="A" />);
    await screen.findByText("First 0");
    await userEvent.keyboard("y");
    expect(await screen.findByText("they were merged meanwhile")).toBeInTheDocument();
    expect(await screen.findByText("First 0")).toBeInTheDocument();
  });
});

describe("PeopleTab", () => {
  it("merges who is selected into the one with a name", async () => {
    const big = person({ size: 9, photos: 9 });
    const mara = person({ size: 4, label: "Mara" });
    const calls = serve((call) =>
      call.method === "POST"
        ? { body: edited(mara) }
        : { body: { clusters: [big, mara], total: 2, cursor: null } },
    );
    show(<PeopleTab albumId="A" unassigned={0} />);
    await screen.findByText("Mara");
    for (const box of screen.getAllByRole("checkbox")) await userEvent.click(box);
    const bar = screen.getByRole("toolbar");
    await userEvent.click(within(bar).getByRole("button", { name: text.people.merge }));
    await waitFor(() =>
      expect(calls).toContainEqual({
        method: "POST",
        path: "/albums/A/clusters/merge",
        body: { clusters: [mara.id, big.id] },
      }),
    );
  });

  it("says so when there is nobody, and when it cannot be read", async () => {
    serve(() => ({ body: { clusters: [], total: 0, cursor: null } }));
    const { unmount } = show(<PeopleTab albumId="A" unassigned={0} />);
    expect(await screen.findByText(text.people.emptyTitle)).toBeInTheDocument();
    unmount();
    serve(() => ({ status: 403, body: { title: "Forbidden", detail: "not yours to see" } }));
    show(<PeopleTab albumId="B" unassigned={0} />);
    expect(await screen.findByText("not yours to see")).toBeInTheDocument();
  });
});

describe("without a network", () => {
  afterEach(() => onlineManager.setOnline(true));

  it("reads and decides all the same, where the server is on this machine", async () => {
    onlineManager.setOnline(false);
    const mara = person({ label: "Mara" });
    const calls = serve((call) => {
      if (call.path.endsWith("/labels")) return { body: { labels: [] } };
      return call.method === "POST"
        ? { body: edited({ ...mara, label: "Maria" }) }
        : { body: { clusters: [mara], cursor: null } };
    });
    show(<PeopleTab albumId="A" unassigned={0} />);
    await userEvent.click(await screen.findByRole("button", { name: text.people.nameOf("Mara") }));
    const field = screen.getByRole("combobox", { name: text.people.nameOf("Mara") });
    await userEvent.type(field, "Maria{Enter}");
    await waitFor(() => expect(calls.some((call) => call.method === "POST")).toBe(true));
  });
});

describe("a list", () => {
  it("stays in sight when reading it again fails", async () => {
    const mara = person({ label: "Mara" });
    let isGone = false;
    const calls = serve((call) => {
      if (call.path.endsWith("/labels")) return { body: { labels: [] } };
      if (call.method === "POST") {
        isGone = true;
        return { body: edited({ ...mara, label: "Maria" }) };
      }
      return isGone
        ? { status: 403, body: { title: "Forbidden", detail: "not now" } }
        : { body: { clusters: [mara], cursor: null } };
    });
    show(<PeopleTab albumId="A" unassigned={0} />);
    await userEvent.click(await screen.findByRole("button", { name: text.people.nameOf("Mara") }));
    const field = screen.getByRole("combobox", { name: text.people.nameOf("Mara") });
    await userEvent.type(field, "Maria{Enter}");
    await waitFor(() => expect(calls.filter((call) => call.path.endsWith("/clusters"))).toHaveLength(2));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(screen.getByRole("button", { name: text.people.nameOf("Maria") })).toBeInTheDocument();
    expect(screen.queryByText("not now")).not.toBeInTheDocument();
  });
});

describe("HistoryDialog", () => {
  const decision = (changes: object) => ({
    id: "01LABEL",
    kind: "label",
    createdAt: "2026-01-01T00:00:00Z",
    data: { name: "Mara" },
    undoneBy: null,
    ...changes,
  });

  it("takes a decision back, and does one again that was taken back", async () => {
    const merged = { id: "01MERGE", kind: "merge", data: { clusters: ["a", "b", "c"] } };
    const calls = serve((call) =>
      call.method === "POST"
        ? { body: edited() }
        : {
            body: {
              decisions: [
                decision({ id: "01UNDO", kind: "undo", data: { decision: "01MERGE" } }),
                decision({ ...merged, undoneBy: "01UNDO" }),
                decision({}),
              ],
              cursor: null,
            },
          },
    );
    show(<HistoryDialog albumId="A" onClose={() => undefined} />);
    await screen.findByText("Named Mara");
    // The undo itself is no line of its own.
    expect(screen.getAllByRole("listitem")).toHaveLength(2);
    const undo = text.history.undoOf("Named Mara");
    await userEvent.click(screen.getByRole("button", { name: undo }));
    const redo = text.history.redoOf(text.history.merge(3, null));
    await userEvent.click(screen.getByRole("button", { name: redo }));
    await waitFor(() =>
      expect(calls.filter((call) => call.method === "POST").map((call) => call.path)).toEqual([
        "/albums/A/decisions/01LABEL/undo",
        "/albums/A/decisions/01UNDO/undo",
      ]),
    );
  });

  it("says whom a decision was about, by the name of now", async () => {
    const mara = person({ label: "Mara" });
    const stranger = person({ hidden: true, label: "Neighbour" });
    serve((call, query) => {
      if (call.path.endsWith("/clusters")) {
        const clusters = query.get("hidden") === "true" ? [stranger] : [mara];
        return { body: { clusters, cursor: null } };
      }
      const entries: [string, object][] = [
        ["merge", { clusters: [mara.id, "gone"] }],
        ["split", { cluster: mara.id, faces: ["a", "b"], new: "x" }],
        ["reject", { cluster: mara.id, face: "a" }],
        ["move", { cluster: "gone", faces: ["a"] }],
        ["hide", { cluster: stranger.id, hidden: true }],
        ["dismiss", { first: "gone", second: mara.id }],
      ];
      return {
        body: {
          decisions: entries.map(([kind, data]) => decision({ id: kind, kind, data })),
          cursor: null,
        },
      };
    });
    show(<HistoryDialog albumId="A" onClose={() => undefined} />);
    for (const words of [
      "Merged 2 people into Mara",
      "Split off 2 faces from Mara",
      "Said that a face is not Mara",
      "Moved 1 face",
      "Hid Neighbour",
      "Said that Mara and someone are different",
    ]) {
      expect(await screen.findByText(words)).toBeInTheDocument();
    }
  });
});

describe("AlsoIn", () => {
  it("leads to the same person in linked albums", async () => {
    const mara = person({ label: "Mara" });
    const seen = (albumId: string, albumName: string, cluster: string) => ({
      albumId, albumName, cluster, size: 4, photos: 4, coverUrl: null,
    });
    const albums = [seen("A", "Lake", mara.id), seen("B", "Wedding", "01THERE")];
    const other = { name: "Jonas", size: 1, albums: [seen("C", "Work", "01JONAS")] };
    serve(() => ({ body: { people: [other, { name: "Mara", size: 8, albums }] } }));
    show(<AlsoIn albumId="A" person={mara} />);
    const links = await screen.findAllByRole("link");
    expect(links).toHaveLength(1);
    expect(links[0]?.getAttribute("href")).toMatch(/id=B&tab=people&person=01THERE$/);
    expect(links[0]).toHaveTextContent("Wedding4 photos");
  });

  it("asks nothing about somebody without a name", () => {
    const calls = serve(() => ({ body: { people: [] } }));
    show(<AlsoIn albumId="A" person={person()} />);
    expect(calls).toEqual([]);
  });
});

describe("ProblemsTab", () => {
  it("tries a failed photo and a job that stopped again", async () => {
    const calls = serve((call) => {
      if (call.method === "POST") return { body: {} };
      if (call.path.endsWith("/jobs")) {
        return { body: { jobs: [{ id: "01JOB", kind: "mail", error: "no route", attempts: 6 }], cursor: null } };
      }
      return {
        body: { photos: [{ id: "01PHOTO", filename: "b.jpg", error: "damaged" }], cursor: null },
      };
    });
    show(<ProblemsTab albumId="A" />);
    await screen.findByText("damaged");
    for (const button of screen.getAllByRole("button", { name: text.problems.retry })) {
      await userEvent.click(button);
    }
    await waitFor(() =>
      expect(calls.filter((call) => call.method === "POST").map((call) => call.path)).toEqual([
        "/albums/A/jobs/01JOB/retry",
        "/photos/01PHOTO/retry",
      ]),
    );
  });
});

describe("RecipientScreen", () => {
  it("asks for a password, says when it is wrong, and when a link has ended", async () => {
    window.history.replaceState(null, "", "/share/?id=01SHARE");
    serve((call) =>
      call.method === "POST"
        ? { status: 401, body: { title: "Unauthorized", detail: "wrong password" } }
        : { status: 401, body: { title: "Unauthorized", passwordRequired: true } },
    );
    const { unmount } = show(<RecipientScreen />);
    await userEvent.type(await screen.findByLabelText(text.recipient.password), "guess{Enter}");
    expect(await screen.findByText(text.recipient.wrong)).toBeInTheDocument();
    unmount();
    serve(() => ({ status: 410, body: { title: "Gone" } }));
    show(<RecipientScreen />);
    expect(await screen.findByText(text.recipient.goneTitle)).toBeInTheDocument();
  });
});
