#!/usr/bin/env node
// Proves the direction of dependencies that AGENTS.md draws. Usage: node tools/check-imports.mjs [folder]
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

const root = resolve(process.argv[2] ?? ".");

/** Which workspace packages a package's sources may import, as values or (with `types`) as types only. */
const PACKAGES = {
  fga: { values: [], types: [] },
  connections: { values: [], types: [] },
  sdk: { values: [], types: [] },
  sandbox: { values: [], types: [] },
  server: { values: ["@behalf/fga", "@behalf/connections"], types: [] },
};
const PACKAGES_WITHOUT_DEPENDENCIES = ["fga", "connections"];
const SDK_DEPENDENCIES = ["jose"];
/** Layers of the server, lowest first. A folder that is not listed is a slice. */
const LAYERS = ["lib", "crypto", "storage", "http", "pages"];
/** Files at the top of the server that wire everything together. */
const COMPOSITION = ["main.ts", "cli.ts", "bin.ts", "index.ts"];

const IMPORT =
  /(?:^|[;\s])(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/gm;

const problems = [];
const report = (file, specifier, rule) =>
  problems.push(`${relative(root, file).split(sep).join("/")}: "${specifier}": ${rule}`);
const isTest = (file) => /\.test\.tsx?$/.test(file) || /[/\\](suite|testing)\.ts$/.test(file);

for (const name of Object.keys(PACKAGES)) {
  const src = join(root, "packages", name, "src");
  if (existsSync(src)) checkPackage(name, src);
}
for (const area of ["examples", "apps"]) {
  if (existsSync(join(root, area))) checkExamples(area);
}
if (problems.length > 0) {
  console.error(
    `${problems.length} import(s) against the direction of dependencies:\n  ${problems.join("\n  ")}`,
  );
  process.exit(1);
}
console.log("imports: ok");

function checkPackage(name, src) {
  for (const file of sources(src)) {
    if (isTest(file)) continue;
    for (const found of importsOf(file)) {
      if (found.specifier.startsWith(".")) checkRelative(name, src, file, found);
      else checkBare(name, file, found);
    }
  }
}

function checkRelative(name, src, file, { specifier, typeOnly }) {
  const target = resolve(dirname(file), specifier);
  if (!target.startsWith(src + sep)) report(file, specifier, "a relative import leaves its package");
  else if (name === "server") checkServer(src, file, target, specifier, typeOnly);
}

function checkBare(name, file, { specifier, typeOnly }) {
  const pure = PACKAGES_WITHOUT_DEPENDENCIES.includes(name);
  if (specifier.startsWith("@behalf/")) {
    const { values, types } = PACKAGES[name];
    const allowed = values.includes(specifier) || (typeOnly && types.includes(specifier));
    if (!allowed) report(file, specifier, `packages/${name} may not import it`);
  } else if (specifier.startsWith("node:")) {
    if (pure) report(file, specifier, `packages/${name} does no I/O`);
  } else if (pure) {
    report(file, specifier, `packages/${name} has no dependency`);
  } else if (name === "sdk" && !typeOnly && !isSdkDependency(specifier)) {
    report(file, specifier, "packages/sdk depends on jose alone; frameworks are optional peers");
  }
}

function isSdkDependency(specifier) {
  const manifest = JSON.parse(readFileSync(join(root, "packages/sdk/package.json"), "utf8"));
  const names = [...SDK_DEPENDENCIES, ...Object.keys(manifest.peerDependencies ?? {})];
  return names.some((n) => specifier === n || specifier.startsWith(`${n}/`));
}

function checkServer(src, file, target, specifier, typeOnly) {
  const from = relative(src, file).split(sep);
  const to = relative(src, target).split(sep);
  if (from.length === 1 && COMPOSITION.includes(from[0])) return;
  if (to.length === 1 && COMPOSITION.includes(to[0]))
    return report(file, specifier, "only the composition root may import this");
  if (to.length === 1 || from[0] === to[0]) return;
  const [fromLayer, toLayer] = [LAYERS.indexOf(from[0]), LAYERS.indexOf(to[0])];
  if (from.length === 1) {
    if (toLayer !== 0) report(file, specifier, "config.ts stands on lib/ alone");
  } else if (toLayer >= 0) {
    if (fromLayer >= 0 && toLayer > fromLayer) report(file, specifier, `${from[0]}/ stands below ${to[0]}/`);
  } else if (fromLayer >= 0) {
    report(file, specifier, `${from[0]}/ stands below the slices`);
  } else if (!typeOnly) {
    report(file, specifier, "across slices only types are imported; the value arrives as a parameter");
  } else if (to.length !== 2 || to[1] !== "index.ts") {
    report(file, specifier, "a slice is known by its index.ts alone");
  }
}

function checkExamples(area) {
  for (const file of sources(join(root, area))) {
    for (const { specifier } of importsOf(file)) {
      const ours = specifier.startsWith("@behalf/") && !/^@behalf\/sdk(\/|$)/.test(specifier);
      if (ours) report(file, specifier, `${area}/ imports the published SDK only`);
    }
  }
}

function importsOf(file) {
  const text = readFileSync(file, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[3] ?? match[4],
    typeOnly: Boolean(match[2]) || namesAreTypes(match[0]),
  }));
}

/** `import { type A, type B } from "x"` carries no value either. */
function namesAreTypes(statement) {
  const names = /\{([^}]*)\}/.exec(statement)?.[1];
  if (!names) return false;
  return names
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean)
    .every((name) => name.startsWith("type "));
}

function* sources(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist") continue;
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}
