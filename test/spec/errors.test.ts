import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

interface SpecEntry {
  /** Who must act; see docs/errors.md. */
  readonly family: string;
  /** HTTP status; `null` for what never travels as an answer. */
  readonly status: number | null;
  readonly retryable: boolean;
  readonly message: string;
  readonly action: string;
  /** The specification that defines the code; absent for our own. */
  readonly source?: string;
}

interface TableEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly message: string;
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const find = (pattern: string) =>
  globSync(pattern, { cwd: root, exclude: (name) => /node_modules|[/\\]dist$/.test(name) }).map((path) =>
    path.split(sep).join("/"),
  );

const spec: Readonly<Record<string, SpecEntry>> = JSON.parse(read("spec/errors.json"));
const FAMILIES = ["OAuthError", "ApiError", "FgaError", "Interrupt", "SdkError", "ConfigError", "transport"];
/** Families whose codes the server's tables declare; the others live in the SDK or inside the process. */
const SERVER_FAMILIES = ["OAuthError", "ApiError", "FgaError"];

/** Every error table of the server, by the file that declares it. */
async function readTables(): Promise<ReadonlyMap<string, Readonly<Record<string, TableEntry>>>> {
  const tables = new Map<string, Readonly<Record<string, TableEntry>>>();
  for (const path of find("packages/server/src/*/errors.ts")) {
    const module: Record<string, unknown> = await import(pathToFileURL(join(root, path)).href);
    const found = Object.values(module).filter(isTable);
    assert.ok(found.length > 0, `${path} declares no error table`);
    for (const table of found) tables.set(path, { ...tables.get(path), ...table });
  }
  return tables;
}

function isTable(value: unknown): value is Readonly<Record<string, TableEntry>> {
  if (typeof value !== "object" || value === null) return false;
  const entries: unknown[] = Object.values(value);
  return (
    entries.length > 0 &&
    entries.every(
      (entry) => typeof entry === "object" && entry !== null && "status" in entry && "retryable" in entry,
    )
  );
}

/** Codes as they stand in the SDK's sources: whole string literals whose first part is one of its families. */
function sdkCodes(): readonly string[] {
  const code =
    /"((?:approval|call|config|context|device|fga|login|network|oauth|server|session|store|token|vault)\.[a-z_]+)"/g;
  const files = find("packages/sdk/src/**/*.ts").filter((path) => !/\.test\.ts$|testing/.test(path));
  return [...new Set(files.flatMap((path) => [...read(path).matchAll(code)].map((match) => match[1] ?? "")))];
}

const tests = new Map<string, string>();

/** Whether a test names the code whole, with quotation marks or other non-name characters around it. */
function isProvoked(code: string): boolean {
  const name = code.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(`(?<![\\w.])${name}(?![\\w.])`);
  return [...tests.values()].some((text) => pattern.test(text));
}

describe("spec/errors.json", () => {
  let tables: Awaited<ReturnType<typeof readTables>>;
  before(async () => {
    tables = await readTables();
    const files = [
      ...find("packages/*/src/**/*.test.ts"),
      ...find("test/**/*.test.ts"),
      ...find("examples/**/*.test.ts"),
    ].filter((path) => !path.startsWith("test/spec/"));
    for (const path of files) tests.set(path, read(path));
  });

  it("says of each code whose it is, its status, whether to retry, what happened and what to do", () => {
    for (const [code, entry] of Object.entries(spec)) {
      assert.ok(FAMILIES.includes(entry.family), `${code}: family ${entry.family}`);
      assert.equal(typeof entry.retryable, "boolean", code);
      assert.ok(entry.status === null || (entry.status >= 400 && entry.status <= 599), `${code}: status`);
      for (const sentence of [entry.message, entry.action])
        assert.match(sentence, /^[A-Za-z"].*[.!?]$/s, `${code}: ${sentence}`);
      const known = ["action", "family", "message", "retryable", "source", "status"];
      assert.deepEqual(
        Object.keys(entry).filter((member) => !known.includes(member)),
        [],
        code,
      );
    }
  });

  it("names each code once", () => {
    const names = [...read("spec/errors.json").matchAll(/^ {2}"([^"]+)": \{/gm)].map((match) => match[1]);
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.length, Object.keys(spec).length);
  });

  it("has every code of the server's tables, with the same status and the same advice to retry", () => {
    const differences = [...tables].flatMap(([path, table]) =>
      Object.entries(table).flatMap(([code, entry]) => {
        const said = spec[code];
        if (!said) return [`${code} of ${path} is missing`];
        const same = said.status === entry.status && said.retryable === entry.retryable;
        return same ? [] : [`${code} of ${path} has status ${entry.status}, retryable ${entry.retryable}`];
      }),
    );
    assert.deepEqual(differences, []);
  });

  it("says in the words of the table what happened, except where OpenFGA gives the words", () => {
    const differences = [...tables.values()].flatMap((table) =>
      Object.entries(table)
        .filter(([code]) => spec[code] && spec[code].family !== "FgaError")
        .filter(([code, entry]) => !entry.message.startsWith(spec[code]?.message.replace(/\.$/, "") ?? ""))
        .map(([code, entry]) => `${code}: "${entry.message}"`),
    );
    assert.deepEqual(differences, []);
  });

  it("declares no code twice in different tables", () => {
    const all = [...tables.values()].flatMap((table) => Object.keys(table));
    assert.deepEqual(
      all.filter((code, i) => all.indexOf(code) !== i),
      [],
    );
  });

  it("has no code of the server that no table declares, except those of a specification", () => {
    const declared = new Set([...tables.values()].flatMap((table) => Object.keys(table)));
    const stale = Object.entries(spec)
      .filter(([, entry]) => SERVER_FAMILIES.includes(entry.family) && entry.source === undefined)
      .map(([code]) => code)
      .filter((code) => !declared.has(code));
    assert.deepEqual(stale, []);
  });

  it("has every code that the SDK names", () => {
    assert.deepEqual(
      sdkCodes().filter((code) => !(code in spec)),
      [],
    );
  });

  it("has no code of the SDK that the SDK does not name", () => {
    const named = new Set(sdkCodes());
    const stale = Object.entries(spec)
      .filter(([, entry]) => ["Interrupt", "SdkError", "ConfigError"].includes(entry.family))
      .map(([code]) => code)
      .filter((code) => !named.has(code));
    assert.deepEqual(stale, []);
  });

  it("is told to people: docs/errors.md names each code", () => {
    assert.ok(existsSync(join(root, "docs/errors.md")));
    const page = read("docs/errors.md");
    assert.deepEqual(
      Object.keys(spec).filter((code) => !page.includes(`\`${code}\``)),
      [],
    );
  });

  for (const code of Object.keys(spec))
    it(`has a test that provokes ${code}`, () => {
      assert.ok(isProvoked(code), `no *.test.ts names ${code}`);
    });
});
