// Usage: node scripts/externalize-scripts.mjs out
//
// Next writes inline scripts into exported pages. A Content-Security-Policy without 'unsafe-inline'
// refuses those, and hashes of them would have to follow every build into every server and CDN. So
// each run of neighbouring inline scripts becomes a file, named by its content, that is loaded in
// the same place: classic scripts without async or defer run in document order, as inline ones do.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const INLINE_RUN = /(?:<script>[\s\S]*?<\/script>)+/g;
const INLINE = /<script>([\s\S]*?)<\/script>/g;
const ANY_INLINE = /<script(?![^>]*\ssrc=)[^>]*>/;

/** The page with its inline scripts replaced, and the files they became (name to content). */
export function externalize(html) {
  const files = new Map();
  const page = html.replace(INLINE_RUN, (run) => {
    const code = Array.from(run.matchAll(INLINE), (match) => match[1]).join(";\n");
    const name = `${createHash("sha256").update(code).digest("hex").slice(0, 20)}.js`;
    files.set(name, code);
    return `<script src="/_next/static/inline/${name}"></script>`;
  });
  const left = ANY_INLINE.exec(page);
  if (left) throw new Error(`an inline script is left: ${left[0]}`);
  return { page, files };
}

function main(out) {
  const folder = join(out, "_next", "static", "inline");
  mkdirSync(folder, { recursive: true });
  const pages = readdirSync(out, { recursive: true }).filter((name) => name.endsWith(".html"));
  if (pages.length === 0) throw new Error(`there is no page in ${out}`);
  for (const name of pages) {
    const { page, files } = externalize(readFileSync(join(out, name), "utf8"));
    for (const [file, code] of files) writeFileSync(join(folder, file), code);
    writeFileSync(join(out, name), page);
  }
}

if (process.argv[2]) main(process.argv[2]);
