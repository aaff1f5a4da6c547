// @vitest-environment node
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
// @ts-expect-error -- a script without types
import { externalize } from "../scripts/externalize-scripts.mjs";
// @ts-expect-error -- a script without types
import { readDocument, schemaOf } from "../scripts/generate-client.mjs";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("externalize", () => {
  it("leaves no inline script and keeps their order", () => {
    const html = `<head><script src="/theme.js"></script></head><body><p>x</p><script>a=1</script><script>b=a</script><i></i><script>c=b</script></body>`;
    const { page, files } = externalize(html) as { page: string; files: Map<string, string> };
    expect(page).not.toMatch(/<script>/);
    expect([...files.values()]).toEqual(["a=1;\nb=a", "c=b"]);
    const sources = [...page.matchAll(/src="\/_next\/static\/inline\/([^"]+)"/g)].map((m) => m[1]);
    expect(sources).toEqual([...files.keys()]);
    expect(page).toContain(`<script src="/theme.js"></script>`);
  });

  it("refuses what it does not understand", () => {
    expect(() => externalize(`<script type="module">x</script>`)).toThrow(/inline script/);
  });
});

function apiIsInstalled(): boolean {
  const local = here("../../../.venv/bin/python");
  const python = process.env.PYTHON ?? (existsSync(local) ? local : "python3");
  try {
    execFileSync(python, ["-c", "import fastapi, faceflow_ml"], { cwd: here("../../.."), stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

// Without the API's Python packages there is nothing to compare with; CI has them.
describe.skipIf(!apiIsInstalled())("the generated client", () => {
  it("is that of the API", { timeout: 120_000 }, async () => {
    const document = readDocument() as string;
    expect(document).toBe(readFileSync(here("../src/api/openapi.json"), "utf8"));
    expect(await schemaOf(document)).toBe(readFileSync(here("../src/api/schema.d.ts"), "utf8"));
  });
});
