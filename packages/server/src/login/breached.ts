import { hash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Whom a password is for: it must not say who they are. */
export interface PasswordOwner {
  readonly email?: string | undefined;
  readonly name?: string | undefined;
}

/** Knows passwords that an attacker tries first. @see NIST SP 800-63B section 3.1.1.2 */
export interface BreachedPasswords {
  /** Whether the password is in a public list, is little more than such a one, or is its owner's address or name. */
  has(password: string, owner?: PasswordOwner): Promise<boolean>;
}

/** What people put around a password that they know is weak. */
const ORNAMENTS = /^[\d\p{P}\p{S}\s]+|[\d\p{P}\p{S}\s]+$/gu;
/** Shorter ones are words that a long password may be made of. */
const MIN_CORE_LENGTH = 4;
const MIN_OWN_LENGTH = 4;

/**
 * The list that comes with the server. `file` is a larger one: SHA-1 hashes in hexadecimal, one a line, each
 * with or without `:count`, sorted: the form in which Have I Been Pwned publishes them. It is searched on disk.
 */
export function createBreachedPasswords(options: { file?: string | undefined } = {}): BreachedPasswords {
  // Read when the first password is chosen: many processes never see one.
  let common: Float64Array | undefined;
  return {
    async has(password, owner = {}) {
      const plain = plainForm(password);
      const own = ownForms(owner);
      if ([plain, plain.replace(ORNAMENTS, "")].some((form) => own.includes(letters(form)))) return true;
      common ??= readCommon();
      const known = common;
      if ([...weakForms(plain)].some((form) => isIn(known, form))) return true;
      if (options.file === undefined) return false;
      const hashes = new Set([password, password.normalize("NFKC"), plain].map(sha1));
      return isInFile(options.file, [...hashes]);
    },
  };
}

/** Case, compatibility forms and surrounding space do not make another password. */
const plainForm = (password: string): string => password.normalize("NFKC").trim().toLowerCase();
const letters = (text: string): string => text.replace(/[^\p{L}\p{N}@]/gu, "");

/** The password itself, what is left without digits and signs around it, and the part that it repeats. */
function weakForms(plain: string): Set<string> {
  const core = plain.replace(ORNAMENTS, "");
  const forms = new Set([plain]);
  for (const text of [plain, core]) {
    const part = repeatedPart(text);
    if (part !== undefined) forms.add(part);
  }
  if (core.length >= MIN_CORE_LENGTH) forms.add(core);
  return forms;
}

/** `abc` of `abcabcabc`; `undefined` when nothing repeats. */
function repeatedPart(text: string): string | undefined {
  const length = (text + text).indexOf(text, 1);
  return length > 0 && length < text.length ? text.slice(0, length) : undefined;
}

function ownForms({ email = "", name = "" }: PasswordOwner): readonly string[] {
  const address = plainForm(email);
  const [local = ""] = address.split("@");
  const forms = [address, local, plainForm(name)].map(letters).filter((it) => it.length >= MIN_OWN_LENGTH);
  return [...forms, ...forms.map((form) => form + form)];
}

/** Kept as sorted numbers: half a megabyte in place of twenty. */
function readCommon(): Float64Array {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve("@zxcvbn-ts/language-common/package.json"));
  // The package's own data; its JavaScript would stay in memory for good.
  const words = JSON.parse(readFileSync(join(folder, "src", "passwords.json"), "utf8")) as string[];
  const numbers = new Float64Array(words.length);
  words.forEach((word, i) => {
    numbers[i] = numberOf(plainForm(word));
  });
  return numbers.sort();
}

/** 48 bits: one password in five thousand million is taken for a known one. */
const numberOf = (text: string): number => hash("sha1", text, "buffer").readUIntBE(0, 6);
const sha1 = (text: string): string => hash("sha1", text, "hex").toUpperCase();

function isIn(sorted: Float64Array, text: string): boolean {
  const wanted = numberOf(text);
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

const HASH_LENGTH = 40;
/** A line is a hash, a colon, a count of at most ten digits and a line end. */
const LINE_BYTES = 64;
const HASH_LINE = /^[0-9A-F]{40}(:\d{1,12})?\r?$/;

async function isInFile(path: string, hashes: readonly string[]): Promise<boolean> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    for (const wanted of hashes) if (await findHash(file, size, wanted)) return true;
    return false;
  } finally {
    await file.close();
  }
}

/** Binary search over bytes: each step reads the first whole line after the middle. */
async function findHash(file: FileHandle, size: number, wanted: string): Promise<boolean> {
  const buffer = Buffer.alloc(2 * LINE_BYTES);
  let [low, high] = [0, size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const line = await lineAt(file, buffer, middle);
    if (line.hash === wanted) return true;
    if (line.hash !== "" && line.hash < wanted) low = Math.max(line.end, middle + 1);
    else high = middle;
  }
  return (await lineAt(file, buffer, 0)).hash === wanted;
}

/** The first line that begins at or after `from`; an empty hash past the last one. */
async function lineAt(
  file: FileHandle,
  buffer: Buffer,
  from: number,
): Promise<{ hash: string; end: number }> {
  const start = Math.max(0, from - 1);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  const text = buffer.toString("latin1", 0, bytesRead);
  const begin = from === 0 ? 0 : text.indexOf("\n") + 1;
  if (from > 0 && begin === 0) return { hash: "", end: start + bytesRead };
  const end = text.indexOf("\n", begin);
  return {
    hash: text.slice(begin, begin + HASH_LENGTH).toUpperCase(),
    end: start + (end < 0 ? bytesRead : end + 1),
  };
}

/** What is wrong with such a file, for the operator; `undefined` when its beginning is as it should be. */
export function breachedFileProblem(path: string): string | undefined {
  try {
    const lines = firstLines(path);
    const isSorted = lines.every((line, i) => i === 0 || (lines[i - 1] ?? "") <= line);
    return lines.length > 0 && isSorted && lines.every((line) => HASH_LINE.test(line))
      ? undefined
      : "must hold SHA-1 hashes in hexadecimal, one a line, sorted";
  } catch {
    // Missing, a folder, or not ours to read: all the same to the operator.
    return "cannot be read";
  }
}

/** Enough to tell another kind of file. */
const SAMPLE_BYTES = 4_096;

function firstLines(path: string): readonly string[] {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    const text = buffer.toString("latin1", 0, readSync(file, buffer, 0, SAMPLE_BYTES, 0)).toUpperCase();
    // The last one may have been cut.
    return text.length < SAMPLE_BYTES ? text.trimEnd().split("\n") : text.split("\n").slice(0, -1);
  } finally {
    closeSync(file);
  }
}
