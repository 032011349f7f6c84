import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { parse as parseYaml } from "yaml";

/** One thing of a tenant, as its API writes it. */
export type Entry = Readonly<Record<string, unknown>>;

/** A tenant's configuration as auth0-deploy-cli exports it, and what else is there. */
export interface Tenant {
  readonly sections: Readonly<Record<Section, readonly Entry[]>>;
  /** Sections that nothing here reads, with how many things are in each. */
  readonly unread: readonly { readonly name: string; readonly count: number }[];
  /** Files that cannot be read, and why. */
  readonly broken: readonly { readonly file: string; readonly problem: string }[];
}

/** The keys of the YAML form. */
export const SECTIONS = [
  "clients",
  "resourceServers",
  "clientGrants",
  "roles",
  "databases",
  "connections",
  "organizations",
] as const;
export type Section = (typeof SECTIONS)[number];

/**
 * Folders of the directory form.
 * @see https://github.com/auth0/auth0-deploy-cli (examples/directory, examples/yaml), transcribed 2026-11-24
 */
const FOLDERS: Readonly<Record<string, Section>> = {
  clients: "clients",
  "resource-servers": "resourceServers",
  grants: "clientGrants",
  roles: "roles",
  "database-connections": "databases",
  connections: "connections",
  organizations: "organizations",
};
/** Settings of the tenant itself, and of what is a thing of the deployment here: nothing to bring over. */
const NOTHING_TO_TAKE = [
  "tenant",
  "attackProtection",
  "attack-protection",
  "phoneTemplates",
  "phone-templates",
];
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const USER_FILES = /\.(json|ndjson|jsonl)(\.gz)?$/;

/** What an import was given: the configuration of a tenant, files of users, or both. */
export interface Export {
  readonly tenant: Tenant | undefined;
  readonly userFiles: readonly string[];
}

/** @throws Error of the operating system when `path` cannot be read; Error when it is nothing that is known */
export function readExport(path: string): Export {
  if (statSync(path).isDirectory()) return readFolder(path);
  if (/\.ya?ml$/.test(path)) return { tenant: readYaml(path), userFiles: [] };
  if (!USER_FILES.test(path)) throw new Error(`${path} is none of .yaml, .json, .ndjson, .jsonl, .json.gz`);
  const tenant = path.endsWith(".json") ? tenantOfJson(path) : undefined;
  return tenant ? { tenant, userFiles: [] } : { tenant: undefined, userFiles: [path] };
}

function readFolder(folder: string): Export {
  const names = readdirSync(folder).sort();
  const yaml = names.find((name) => /^tenant\.ya?ml$/.test(name));
  const userFiles = names
    .filter(
      (name) => USER_FILES.test(name) && name !== "tenant.json" && statSync(join(folder, name)).isFile(),
    )
    .map((name) => join(folder, name));
  const isDirectoryForm = names.some((name) => name in FOLDERS);
  if (!yaml && !isDirectoryForm && userFiles.length === 0)
    throw new Error(`${folder} holds neither an export of a tenant nor a file of users`);
  const tenant = yaml
    ? readYaml(join(folder, yaml))
    : isDirectoryForm
      ? readDirectory(folder, names)
      : undefined;
  return { tenant, userFiles };
}

function readYaml(file: string): Tenant {
  try {
    return sort(parseYaml(readText(file), { logLevel: "error" }), file);
  } catch (error) {
    return { ...sort({}, file), broken: [{ file: basename(file), problem: firstLine(error) }] };
  }
}

/** A JSON file with the keys of the YAML form; `undefined` for any other, and for one that is too big to be one. */
function tenantOfJson(file: string): Tenant | undefined {
  if (statSync(file).size > MAX_FILE_BYTES) return undefined;
  try {
    const content: unknown = JSON.parse(readText(file));
    return isEntry(content) && SECTIONS.some((name) => Array.isArray(content[name]))
      ? sort(content, file)
      : undefined;
  } catch {
    return undefined; // One user a line is no JSON document; what is broken is said when users are read.
  }
}

function sort(content: unknown, file: string): Tenant {
  if (!isEntry(content))
    return { ...sort({}, file), broken: [{ file: basename(file), problem: "is no mapping" }] };
  const broken: { file: string; problem: string }[] = [];
  const sections = Object.fromEntries(
    SECTIONS.map((name) => {
      const given = content[name] ?? [];
      if (Array.isArray(given)) return [name, given.filter(isEntry)];
      broken.push({ file: `${basename(file)}, ${name}`, problem: "is no list" });
      return [name, []];
    }),
    // Every section has its entry, made in the lines above.
  ) as Record<Section, Entry[]>;
  const unread = Object.entries(content)
    .filter(([name]) => !(SECTIONS as readonly string[]).includes(name) && !NOTHING_TO_TAKE.includes(name))
    .map(([name, value]) => ({ name, count: Array.isArray(value) ? value.length : 1 }))
    .filter(({ count }) => count > 0);
  return { sections, unread, broken };
}

function readDirectory(folder: string, names: readonly string[]): Tenant {
  const content: Record<string, Entry[]> = {};
  const unread: { name: string; count: number }[] = [];
  const broken: { file: string; problem: string }[] = [];
  for (const name of names.filter((one) => statSync(join(folder, one)).isDirectory())) {
    const section = FOLDERS[name];
    const files = filesOf(join(folder, name), section);
    if (section === undefined) {
      if (!NOTHING_TO_TAKE.includes(name) && files.length > 0) unread.push({ name, count: files.length });
      continue;
    }
    for (const file of files) {
      const entry = readEntry(file);
      if (isEntry(entry)) content[section] = [...(content[section] ?? []), entry];
      else broken.push({ file: file.slice(folder.length + 1), problem: entry });
    }
  }
  const sorted = sort(content, folder);
  return { sections: sorted.sections, unread, broken };
}

/** A database is a folder of its own, with `database.json` in it. */
function filesOf(folder: string, section: Section | undefined): string[] {
  const names = readdirSync(folder).sort();
  if (section === "databases")
    return names.map((name) => join(folder, name, "database.json")).filter((file) => existsSync(file));
  return names.filter((name) => extname(name) === ".json").map((name) => join(folder, name));
}

function readEntry(file: string): Entry | string {
  try {
    const entry: unknown = JSON.parse(readText(file));
    return isEntry(entry) ? entry : "is no JSON object";
  } catch (error) {
    // The parser quotes the text, in which a secret may stand.
    return error instanceof SyntaxError ? "is no JSON" : firstLine(error);
  }
}

function readText(file: string): string {
  if (statSync(file).size > MAX_FILE_BYTES) throw new Error("is larger than 64 MiB");
  return readFileSync(file, "utf8");
}

function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : "unknown";
}
