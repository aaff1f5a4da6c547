import { describe, expect, it } from "vitest";
import { joined } from "@/api/duplicates";
import { applied } from "@/api/people";
import { explain, Problem, problemOf } from "@/api/problem";
import type { DuplicateGroup, Edited } from "@/api/types";
import { readToken } from "@/auth/adapter";
import { nextPath } from "@/auth/next";
import { filtersOf, isComplete, newDraft, requestOf } from "@/screens/album/shares/draft";
import { sorted } from "@/screens/album/people/PeopleTab";
import { text } from "@/text/en";
import { fromFiles } from "@/upload/collect";
import { photoType } from "@/upload/kinds";
import { person } from "./helpers";

describe("problems", () => {
  it("reads a problem document", async () => {
    const response = new Response(JSON.stringify({ title: "Conflict", detail: "3 parts are missing" }), {
      status: 409,
      headers: { "Content-Type": "application/problem+json", "X-Request-Id": "r1" },
    });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 409, detail: "3 parts are missing", requestId: "r1" });
    expect(explain(problem)).toBe("3 parts are missing");
  });

  it("survives a body that is no JSON and hides what only we can mend", async () => {
    const problem = await problemOf(new Response("<html>", { status: 502 }));
    expect(explain(problem)).toBe(text.errors.unknown);
    expect(explain(new Problem({ status: 0, title: "" }))).toBe(text.errors.offline);
    expect(explain(new Problem({ status: 429, title: "", retryAfter: 7 }))).toContain("7 seconds");
  });
});

describe("sessions", () => {
  const tokenOf = (claims: object) => `x.${btoa(JSON.stringify(claims))}.y`;

  it("reads a token and refuses what is none", () => {
    expect(readToken(tokenOf({ sub: "u", exp: 5, email: "a@b" }))).toMatchObject({
      user: "u",
      name: "a@b",
      expiresAt: 5000,
    });
    for (const bad of ["", "x", tokenOf({ sub: 1, exp: 5 }), tokenOf({ sub: "u" })]) {
      expect(readToken(bad)).toBeNull();
    }
  });

  it("never leaves the site after signing in", () => {
    expect(nextPath("/album/?id=1")).toBe("/album/?id=1");
    for (const away of [
      "https://evil.example/",
      "//evil.example",
      "/.//evil.example",
      "/\\evil.example",
      "javascript:alert(1)",
      null,
    ]) {
      expect(nextPath(away)).toBe("/");
    }
  });
});

describe("people", () => {
  it("shows a decision at once", () => {
    const [a, b, c] = [person({ size: 9 }), person({ size: 5 }), person({ size: 2 })];
    const merged: Edited = { decision: "d", clusters: [{ ...b!, size: 11 }], removed: [a!.id] };
    expect(applied([a!, b!, c!], merged).map((one) => [one.id, one.size])).toEqual([
      [b!.id, 11],
      [c!.id, 2],
    ]);
    const hidden: Edited = { decision: "d", clusters: [{ ...c!, hidden: true }], removed: [] };
    expect(applied([a!, c!], hidden)).toEqual([a]);
  });

  it("sorts by size, by name, and those without a name first", () => {
    const zoe = person({ size: 2, label: "Zoe" });
    const amy = person({ size: 1, label: "Amy" });
    const nobody = person({ size: 3 });
    expect(sorted([zoe, amy, nobody], "size")).toEqual([nobody, zoe, amy]);
    expect(sorted([zoe, amy, nobody], "name")).toEqual([amy, zoe, nobody]);
    expect(sorted([amy, zoe, nobody], "unnamed")).toEqual([nobody, zoe, amy]);
  });
});

describe("shares", () => {
  it("is complete only with addresses and people", () => {
    const draft = newDraft(["c"]);
    expect(isComplete(draft)).toBe(false);
    const addressed = { ...draft, recipients: [{ key: 1, email: " a@b.org ", clusters: ["c"] }] };
    expect(isComplete(addressed)).toBe(true);
    expect(isComplete({ ...addressed, password: "short" })).toBe(false);
    expect(isComplete({ ...addressed, recipients: [{ key: 1, email: "a@b.org", clusters: [] }] })).toBe(false);
    const request = requestOf(addressed, Date.UTC(2026, 0, 1));
    expect(request.recipients[0]?.email).toBe("a@b.org");
    expect(request.expiresAt).toBe("2026-01-31T00:00:00.000Z");
    expect(request.password).toBeNull();
  });

  it("sends no empty filters", () => {
    expect(filtersOf(newDraft([]))).toMatchObject({ takenFrom: null, minPixels: null, noDuplicates: true });
  });

  it("asks for faces of a size in pixels", () => {
    const draft = newDraft(["c"]);
    expect(filtersOf(draft).minFacePixels).toBeNull();
    expect(filtersOf({ ...draft, faceSize: "medium" }).minFacePixels).toBe(80);
  });
});

describe("files", () => {
  it("knows photos by their names, and counts what it leaves out", () => {
    expect(photoType("IMG_1.HEIC")).toBe("image/heic");
    expect(photoType("._IMG_1.jpg")).toBeNull();
    const files = [new File(["x"], "a.jpeg"), new File(["x"], "notes.txt")];
    expect(fromFiles(files)).toMatchObject({ ignored: 1, picked: [{ file: files[0] }] });
  });

  it("joins groups that the end of a page cut", () => {
    const group = (keep: string, ...drop: string[]) =>
      ({ keep: { id: keep }, drop: drop.map((id) => ({ id })) }) as unknown as DuplicateGroup;
    const whole = joined([group("a", "b"), group("c", "d"), group("c", "e")]);
    expect(whole.map((one) => one.drop.map((photo) => photo.id))).toEqual([["b"], ["d", "e"]]);
  });
});
