#!/usr/bin/env node
// Proves that the documentation is whole: links lead somewhere, every configuration key, error code and
// dependency is written about. Usage: npm run docs (node tools/check-docs.mjs [folder])
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(process.argv[2] ?? ".");
/** Folders that hold no documentation of ours. */
const SKIPPED = new Set(["node_modules", "dist", ".git", ".venv"]);
/** Kinds of dependencies that each need a record. */
const KINDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

const problems = [];
const show = (path) => relative(root, path).split(sep).join("/");
const read = (path) => readFileSync(join(root, path), "utf8");

checkLinks();
await checkConfigKeys();
checkErrorCodes();
checkDecisionRecords();
if (problems.length > 0) {
  console.error(`${problems.length} thing(s) missing from the documentation:\n  ${problems.join("\n  ")}`);
  process.exit(1);
}
console.log("docs: ok");

/** Relative links of every Markdown file, with their anchors. Other sites are not asked. */
function checkLinks() {
  for (const file of files(root, (name) => name.endsWith(".md"))) {
    const text = withoutCode(readFileSync(file, "utf8"));
    for (const [, target] of text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
      if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
      const [path, anchor] = decodeURI(target).split("#");
      const to = path === "" ? file : resolve(dirname(file), path);
      if (!existsSync(to)) problems.push(`${show(file)}: the link "${target}" leads nowhere`);
      else if (anchor && !hasAnchor(to, anchor))
        problems.push(`${show(file)}: "${show(to)}" has no heading for "#${anchor}"`);
    }
  }
}

function hasAnchor(file, anchor) {
  if (statSync(file).isDirectory() || !file.endsWith(".md")) return true;
  const headings = [...withoutBlocks(readFileSync(file, "utf8")).matchAll(/^#{1,6} +(.+)$/gm)];
  return headings.some(([, heading]) => slug(heading) === anchor.toLowerCase());
}

/** The anchor that code hosts give a heading. */
function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[`*]/g, "")
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** Examples may hold anything that looks like a link. */
function withoutCode(text) {
  return withoutBlocks(text).replace(/`[^`\n]*`/g, "``");
}

function withoutBlocks(text) {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "");
}

async function checkConfigKeys() {
  const schema = join(root, "packages/server/src/config.ts");
  if (!existsSync(schema)) return;
  let configKeys;
  try {
    ({ configKeys } = await import(pathToFileURL(schema).href));
  } catch (error) {
    if (error.code !== "ERR_UNKNOWN_FILE_EXTENSION") throw error;
    return problems.push("this Node does not run TypeScript; use: npm run docs");
  }
  const page = existsSync(join(root, "docs/config.md")) ? read("docs/config.md") : "";
  const told = new Set([...page.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]));
  for (const key of configKeys()) if (!told.has(key)) problems.push(`docs/config.md: no word of "${key}"`);
  const known = new Set(configKeys());
  for (const [, key] of page.matchAll(/^\| `([a-z][^`]*)` \|/gm))
    if (!known.has(key)) problems.push(`docs/config.md: "${key}" is no key of the configuration`);
}

function checkErrorCodes() {
  if (!existsSync(join(root, "spec/errors.json"))) return;
  const codes = Object.keys(JSON.parse(read("spec/errors.json")));
  const page = existsSync(join(root, "docs/errors.md")) ? read("docs/errors.md") : "";
  for (const code of codes)
    if (!page.includes(`\`${code}\``)) problems.push(`docs/errors.md: no word of "${code}"`);
  for (const [, code] of page.matchAll(/^\| `([^`]+)` \|/gm))
    if (!codes.includes(code)) problems.push(`docs/errors.md: "${code}" is not in spec/errors.json`);
}

/** A record names what it decides in its title: `# jose: …`, `# hono, @hono/node-server: …`. */
function checkDecisionRecords() {
  const folder = join(root, "docs/adr");
  const records = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".md")) : [];
  const named = new Set();
  for (const name of records) {
    if (!/^\d{4}-\d{2}-\d{2}-[a-z0-9-]+\.md$/.test(name) && name !== "README.md")
      problems.push(`docs/adr/${name}: call it YYYY-MM-DD-<topic>.md`);
    const title = /^# (.+)$/m.exec(readFileSync(join(folder, name), "utf8"))?.[1] ?? "";
    for (const word of title.split(":")[0].split(/,\s*|\s+and\s+/)) named.add(word.trim());
  }
  for (const [dependency, manifest] of dependencies())
    if (!named.has(dependency)) problems.push(`docs/adr: no record of ${dependency} (${manifest})`);
}

/** Every package that is not ours, with the manifest that first names it. */
function dependencies() {
  const found = new Map();
  for (const file of files(root, (name) => name === "package.json")) {
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    for (const name of KINDS.flatMap((kind) => Object.keys(manifest[kind] ?? {})))
      if (!name.startsWith("@behalf/") && !found.has(name)) found.set(name, show(file));
  }
  return found;
}

function* files(folder, wanted) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path, wanted);
    else if (wanted(entry.name)) yield path;
  }
}
