#!/usr/bin/env node
// Proves that the documentation is whole: links lead somewhere, every configuration key, error code and
// dependency is written about, code is a region of a file that runs, and configuration has no key that does
// not exist. Usage: npm run docs (node tools/check-docs.mjs [folder])
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(process.argv[2] ?? ".");
/** Folders that hold no documentation of ours. */
const SKIPPED = new Set(["node_modules", "dist", ".git", ".venv"]);
/** Kinds of dependencies that each need a record. */
const KINDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/** Languages whose blocks under docs/ must be regions: an example that is a copy goes stale unseen. */
const CODE = new Set(["ts", "tsx", "js", "mjs", "py"]);

const problems = [];
const show = (path) => relative(root, path).split(sep).join("/");
const read = (path) => readFileSync(join(root, path), "utf8");

checkLinks();
checkRegions();
await checkConfigKeys();
checkErrorCodes();
checkDecisionRecords();
checkAdvisories();
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

/**
 * A block that begins with ```` ```ts path/to/file.ts#name ```` shows the lines between `// #region name` and
 * `// #endregion` of that file, without their common indentation. In YAML and Python the marks begin with `#`.
 */
function checkRegions() {
  for (const file of files(root, (name) => name.endsWith(".md"))) {
    const needsMark = show(file).startsWith("docs/");
    for (const { language, source, text, line } of blocksOf(readFileSync(file, "utf8"))) {
      const where = `${show(file)}:${line}`;
      if (source === "") {
        if (needsMark && CODE.has(language))
          problems.push(
            `${where}: code without its source; begin the block with "${language} <file>#<region>"`,
          );
        continue;
      }
      const [path, name] = source.split("#");
      if (!name || !existsSync(join(root, path)))
        problems.push(`${where}: there is no file "${path}" to show`);
      else if (regionOf(read(path), name) === undefined)
        problems.push(`${where}: ${path} has no region "${name}", or it does not end`);
      else if (regionOf(read(path), name) !== text)
        problems.push(`${where}: the block differs from region "${name}" of ${path}`);
    }
  }
}

/** Fenced blocks with their language, the second word after the fence, their text and the line they begin at. */
function* blocksOf(page) {
  for (const block of page.matchAll(/^(```|~~~)([^\n]*)\n([\s\S]*?)^\1[ \t]*$/gm)) {
    const [language = "", source = ""] = block[2].trim().split(/\s+/);
    yield { language, source, text: block[3].trimEnd(), line: page.slice(0, block.index).split("\n").length };
  }
}

function regionOf(text, name) {
  const lines = text.split(/\r?\n/);
  const marks = /^\s*(?:\/\/|#) #(region|endregion)\b\s*(\S*)/;
  const start = lines.findIndex((line) => marks.exec(line)?.[1] === "region" && marks.exec(line)[2] === name);
  const length = lines.slice(start + 1).findIndex((line) => marks.exec(line)?.[1] === "endregion");
  if (start < 0 || length < 0) return undefined;
  const region = lines.slice(start + 1, start + 1 + length);
  const indents = region.filter((line) => line.trim() !== "").map((line) => /^ */.exec(line)[0].length);
  return region
    .map((line) => line.slice(Math.min(...indents)))
    .join("\n")
    .trimEnd();
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
  for (const [, key] of page.matchAll(/^\| `([a-z][^`]*)` +\|/gm))
    if (!known.has(key)) problems.push(`docs/config.md: "${key}" is no key of the configuration`);
  await checkConfigExamples(known);
}

/** Every YAML block of the pages is a piece of the configuration file, from its top. */
async function checkConfigExamples(known) {
  const pages = [...files(root, (name) => name.endsWith(".md"))].map((file) => [
    file,
    readFileSync(file, "utf8"),
  ]);
  const examples = pages.flatMap(([file, page]) =>
    [...blocksOf(page)].filter(({ language }) => language === "yaml").map((block) => ({ file, ...block })),
  );
  if (examples.length === 0) return;
  const { parse } = await import("yaml");
  for (const { file, text, line } of examples) {
    try {
      for (const key of keysOf(parse(text), "", known))
        problems.push(`${show(file)}:${line}: "${key}" is no key of the configuration`);
    } catch (error) {
      problems.push(`${show(file)}:${line}: ${error.message.split("\n")[0]}`);
    }
  }
}

/** Paths of a parsed example that the configuration does not know. */
function* keysOf(value, path, known) {
  if (Array.isArray(value)) {
    for (const item of value) yield* keysOf(item, `${path}[]`, known);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const named = path === "" ? name : `${path}.${name}`;
    const free = `${path}.*`;
    const isFree = [...known].some((key) => key.startsWith(`${free}.`));
    if (known.has(named)) yield* keysOf(member, named, known);
    else if (isFree) yield* keysOf(member, free, known);
    else if (!isLeaf(path, known)) yield named;
  }
}

/** Whether a key holds names of the operator's choice, or a secret: nothing under it is a key of its own. */
function isLeaf(path, known) {
  const key = path.replace(/\[\]$/, "");
  return (
    known.has(key) && ![...known].some((other) => other.startsWith(`${key}.`) || other.startsWith(`${key}[]`))
  );
}

function checkErrorCodes() {
  if (!existsSync(join(root, "spec/errors.json"))) return;
  const codes = Object.keys(JSON.parse(read("spec/errors.json")));
  const page = existsSync(join(root, "docs/errors.md")) ? read("docs/errors.md") : "";
  for (const code of codes)
    if (!page.includes(`\`${code}\``)) problems.push(`docs/errors.md: no word of "${code}"`);
  for (const [, code] of page.matchAll(/^\| `([^`]+)` +\|/gm))
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

/** Each advisory of the security page is in the title of a test in every file that its row names. */
function checkAdvisories() {
  const path = "docs/guides/security.md";
  const page = existsSync(join(root, path)) ? read(path) : "";
  for (const [, id, cells] of page.matchAll(/^\| `(CVE-[\d-]+|GHSA-[a-z0-9-]+|#\d+)` +\|([^\n]+)\|$/gm))
    for (const [, file] of cells.matchAll(/`([^`]+)`/g)) {
      const text = existsSync(join(root, file)) ? read(file) : "";
      const titles = [...text.matchAll(/\bit\(\s*["`]([^"`]*)/g)].map(([, title]) => title);
      if (!titles.some((title) => new RegExp(`${id}(?![\\w-])`).test(title)))
        problems.push(`${path}: no test of ${file} has ${id} in its title`);
    }
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
