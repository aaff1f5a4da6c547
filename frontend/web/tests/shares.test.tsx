import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { ShareDialog } from "@/screens/album/shares/ShareDialog";
import { text } from "@/text/en";
import { person, show } from "./helpers";

interface Sent {
  readonly key: string | null;
  readonly body: string;
}

/** A server that makes shares, but whose first answers are lost. */
function losing(lost: number): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    if (!request.url.endsWith("/share")) {
      const body = request.url.includes("/clusters") ? { clusters: [], cursor: null } : { count: 1, sample: [] };
      return Response.json(body);
    }
    sent.push({ key: request.headers.get("Idempotency-Key"), body: await request.text() });
    if (sent.length <= lost) throw new TypeError("Failed to fetch");
    return Response.json({ shares: [] }, { status: 201 });
  });
  return sent;
}

it("sends the same request when an answer was lost, and another after a change", async () => {
  const sent = losing(3);
  show(<ShareDialog albumId="A" initial={[person().id]} onClose={() => undefined} />);
  const address = screen.getByLabelText(text.shares.email);
  await userEvent.type(address, "bob@example.com");
  const submit = async (times: number) => {
    await userEvent.click(screen.getByRole("button", { name: text.shares.submit }));
    await waitFor(() => expect(sent).toHaveLength(times));
  };
  await submit(1);
  await screen.findByText(text.errors.offline);
  await submit(2);
  expect(sent[0]!.key).toMatch(/^[!-~]{16,255}$/);
  expect(sent[1]).toEqual(sent[0]);
  await screen.findByText(text.errors.offline);
  await userEvent.type(address, ".org");
  await submit(3);
  expect(sent[2]!.key).not.toBe(sent[0]!.key);
  await screen.findByText(text.errors.offline);
  await submit(4);
  expect(sent[3]).toEqual(sent[2]);
  await screen.findByText(text.shares.doneTitle);
});
