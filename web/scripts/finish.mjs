// After the build: holds the entry below its budget, and packs every text once, so that the server only sends files.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, exit, stdout, stderr } from "node:process";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const BUDGET = 500 * 1024;
const out = argv[2];
const manifest = JSON.parse(readFileSync(join(out, ".vite/manifest.json"), "utf8"));

/** Files that the page needs before anything is shown: the entry, what it imports, their styles. */
function first(key, seen = new Set()) {
  const chunk = manifest[key];
  if (chunk === undefined || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const css of chunk.css ?? []) seen.add(css);
  for (const next of chunk.imports ?? []) first(next, seen);
  return seen;
}

const files = [...first("index.html")];
const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(out, file)), { level: 9 }).length, 0);
if (size > BUDGET) {
  stderr.write(
    `web: the entry is ${Math.round(size / 1024)} KB packed, ${BUDGET / 1024} KB are allowed: load something later ` +
      `(a route's component is lazy). Files: ${files.join(", ")}\n`,
  );
  exit(1);
}
rmSync(join(out, ".vite"), { recursive: true });

for (const name of readdirSync(out, { recursive: true })) {
  const file = join(out, name);
  if (!statSync(file).isFile() || !/\.(js|css|svg)$/.test(name) || statSync(file).size < 1024) continue;
  const text = readFileSync(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
  writeFileSync(`${file}.br`, brotliCompressSync(text, { params }));
  writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
}
stdout.write(`web: entry ${Math.round(size / 1024)} KB packed of ${BUDGET / 1024}\n`);
