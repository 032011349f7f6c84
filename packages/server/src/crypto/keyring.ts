import { hkdfSync } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { reveal, type Secret, secret } from "../lib/secret.ts";
import { sha256 } from "./hash.ts";
import { randomBytes } from "./random.ts";

/** A root key. `id` is 16 hexadecimal digits derived from the key, so it names exactly one key. */
export interface RootKey {
  readonly id: string;
  readonly key: Secret<Buffer>;
}

/** The root keys of a deployment: one that wraps, and any number that still unwrap. */
export interface Keyring {
  primary(): RootKey;
  find(id: string): RootKey | undefined;
  /** A key for one named purpose, derived from the primary root key; 32 bytes. */
  derive(purpose: string): Buffer;
  /**
   * The same from each root key, the primary's first. What was hashed before a rotation is compared with
   * all of them; what is new is hashed with {@link derive}.
   */
  deriveAll(purpose: string): readonly Buffer[];
  /** Ids of all root keys, the primary's first. Public: an id does not reveal its key. */
  ids(): readonly string[];
}

/** The keyring cannot be used; the message says what to change. */
export class KeyringError extends Error {
  override readonly name = "KeyringError";
}

const KEY_BYTES = 32;
const ID_BYTES = 8;

/** A keyring over keys in memory; the first is the primary. */
export function createKeyring(keys: readonly Buffer[]): Keyring {
  const roots = keys.map(toRootKey);
  const first = roots[0];
  if (!first) throw new KeyringError("the keyring holds no key");
  return {
    primary: () => first,
    find: (id) => roots.find((root) => root.id === id),
    derive: (purpose) => deriveFrom(first, purpose),
    deriveAll: (purpose) => roots.map((root) => deriveFrom(root, purpose)),
    ids: () => roots.map((root) => root.id),
  };
}

function deriveFrom(root: RootKey, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", reveal(root.key), "", `behalf/derive/v1/${purpose}`, KEY_BYTES));
}

function toRootKey(key: Buffer): RootKey {
  if (key.length !== KEY_BYTES)
    throw new KeyringError(`a root key has ${KEY_BYTES} bytes, this one ${key.length}`);
  const id = Buffer.from(sha256(`behalf/root-key-id/v1/${key.toString("hex")}`), "base64url");
  return { id: id.subarray(0, ID_BYTES).toString("hex"), key: secret(key) };
}

/**
 * Reads the root keys of a file: one base64 key a line, the first is the primary.
 * @throws KeyringError when the file is missing, malformed, or readable by others than its owner.
 */
export function readKeyFile(path: string): Keyring {
  if (!existsSync(path)) throw new KeyringError(`${path} does not exist; run "behalf init" to create it`);
  const othersMayRead = (statSync(path).mode & 0o077) !== 0;
  if (othersMayRead && process.platform !== "win32")
    throw new KeyringError(`${path} is readable by other users; run "chmod 600 ${path}"`);
  return parseKeys(readFileSync(path, "utf8"), path);
}

/** Parses base64 root keys, one a line; `source` names where they came from in errors. */
export function parseKeys(text: string, source: string): Keyring {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.some((line) => !/^[A-Za-z0-9+/]{43}=$/.test(line)))
    throw new KeyringError(`${source} must hold base64 keys of ${KEY_BYTES} bytes, one a line`);
  return createKeyring(keys.map((line) => Buffer.from(line, "base64")));
}

/** Writes a new random root key, mode 0600. Never overwrites: an existing file is an error. */
export function createKeyFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, `${randomBytes(KEY_BYTES).toString("base64")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chmodSync(path, 0o600);
}
