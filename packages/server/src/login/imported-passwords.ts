import { pbkdf2, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { verify as verifyArgon2 } from "@node-rs/argon2";
import { hash as hashBcrypt, verify as verifyBcrypt } from "@node-rs/bcrypt";

/** Stands before a hash that was made elsewhere, of the password as it was typed. Ours are of its NFKC form. */
const MARK = "imported:";

/** What one check may cost: whoever may import must not make log-in slow for everybody. */
const BCRYPT_COST = { least: 4, most: 14 };
const MAX_ARGON2 = { memoryKib: 262_144, passes: 10, lanes: 8 };
const MAX_PBKDF2_ITERATIONS = 1_000_000;
const MAX_SCRYPT = { log2n: 17, r: 16, p: 4 };
const MAX_SCRYPT_BYTES = 256 * 1024 * 1024;
/** Of a salt; of a hash. */
const BYTES = { salt: [4, 128], hash: [16, 128] } as const;

const BCRYPT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{53})$/;
const ARGON2 =
  /^(\$argon2(?:id|i|d)\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3}))\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const PBKDF2 =
  /^(\$pbkdf2-(sha1|sha256|sha512)\$i=(\d{1,8}),l=(\d{1,3}))\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const SCRYPT = /^(\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2}))\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

const derivePbkdf2 = promisify(pbkdf2);
const deriveScrypt = promisify<Buffer | string, Buffer, number, object, Buffer>(scrypt);

/** A hash that can be checked here. `form` is its algorithm and cost: equal forms take equal time. */
export interface ImportedHash {
  readonly form: string;
  /** As it is kept in `users.password_hash`. */
  readonly stored: string;
  matches(password: string): Promise<boolean>;
}

/**
 * Reads a hash that was made elsewhere: bcrypt, or argon2, PBKDF2 and scrypt as PHC strings. `undefined` for any
 * other, and for one whose check would cost too much.
 * @see https://github.com/P-H-C/phc-string-format
 */
export function readImportedHash(text: string): ImportedHash | undefined {
  return readBcrypt(text) ?? readArgon2(text) ?? readPbkdf2(text) ?? readScrypt(text);
}

/** The hash in `users.password_hash` when it was made elsewhere. */
export function importedHashOf(stored: string): ImportedHash | undefined {
  return stored.startsWith(MARK) ? readImportedHash(stored.slice(MARK.length)) : undefined;
}

/** A hash of this form that no password matches, for whoever has none: checking it takes as long. */
export async function decoyOf(form: string): Promise<ImportedHash> {
  const cost = /^\$2b\$(\d\d)$/.exec(form)?.[1];
  const text =
    cost === undefined
      ? form.replace(/\$(\d+)\$(\d+)$/, (_all, salt, hash) => `$${zeros(salt)}$${zeros(hash)}`)
      : await hashBcrypt("no user has this password", { cost: Number(cost) });
  const decoy = readImportedHash(text);
  if (!decoy) throw new Error(`no hash has the form ${form}`);
  return { ...decoy, matches: (password) => decoy.matches(password).then(() => false) };
}

/** What every stored hash of a form begins with, as a pattern of SQL. */
export const storedLike = (form: string): string => `${MARK}${form.replace(/\$\d+\$\d+$/, "")}$%`;

const zeros = (bytes: string): string => toBase64(Buffer.alloc(Number(bytes)));

function readBcrypt(text: string): ImportedHash | undefined {
  const [, cost, rest] = BCRYPT.exec(text) ?? [];
  if (cost === undefined || !within(Number(cost), BCRYPT_COST.least, BCRYPT_COST.most)) return undefined;
  // The three letters name faults of old implementations, which none of today's has.
  const hash = `$2b$${cost}$${rest}`;
  return { form: `$2b$${cost}`, stored: MARK + hash, matches: (password) => verifyBcrypt(password, hash) };
}

function readArgon2(text: string): ImportedHash | undefined {
  const [, head = "", memory, passes, lanes, ...encoded] = ARGON2.exec(text) ?? [];
  const parts = readParts(encoded);
  const isFit =
    within(Number(memory), 8, MAX_ARGON2.memoryKib) &&
    within(Number(passes), 1, MAX_ARGON2.passes) &&
    within(Number(lanes), 1, MAX_ARGON2.lanes);
  if (!parts || !isFit) return undefined;
  return {
    form: formOf(head, parts),
    stored: MARK + text,
    // What the library cannot read is a hash that nothing matches.
    matches: (password) => verifyArgon2(text, password).catch(() => false),
  };
}

function readPbkdf2(text: string): ImportedHash | undefined {
  const [, head = "", digest = "", iterations, length, ...encoded] = PBKDF2.exec(text) ?? [];
  const parts = readParts(encoded);
  if (!parts || !within(Number(iterations), 1, MAX_PBKDF2_ITERATIONS)) return undefined;
  if (parts.hash.length !== Number(length)) return undefined;
  return {
    form: formOf(head, parts),
    stored: MARK + text,
    matches: async (password) =>
      timingSafeEqual(
        await derivePbkdf2(password, parts.salt, Number(iterations), parts.hash.length, digest),
        parts.hash,
      ),
  };
}

function readScrypt(text: string): ImportedHash | undefined {
  const [, head = "", log2n, r, p, ...encoded] = SCRYPT.exec(text) ?? [];
  const parts = readParts(encoded);
  const isFit =
    within(Number(log2n), 1, MAX_SCRYPT.log2n) &&
    within(Number(r), 1, MAX_SCRYPT.r) &&
    within(Number(p), 1, MAX_SCRYPT.p);
  if (!parts || !isFit) return undefined;
  const options = { N: 2 ** Number(log2n), r: Number(r), p: Number(p), maxmem: MAX_SCRYPT_BYTES + 1_048_576 };
  if (128 * options.N * options.r > MAX_SCRYPT_BYTES) return undefined;
  return {
    form: formOf(head, parts),
    stored: MARK + text,
    matches: async (password) =>
      timingSafeEqual(await deriveScrypt(password, parts.salt, parts.hash.length, options), parts.hash),
  };
}

interface Parts {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function readParts([salt = "", hash = ""]: readonly string[]): Parts | undefined {
  const parts = { salt: Buffer.from(salt, "base64"), hash: Buffer.from(hash, "base64") };
  const isExact = toBase64(parts.salt) === salt && toBase64(parts.hash) === hash;
  const isFit = within(parts.salt.length, ...BYTES.salt) && within(parts.hash.length, ...BYTES.hash);
  return isExact && isFit ? parts : undefined;
}

const formOf = (head: string, { salt, hash }: Parts): string => `${head}$${salt.length}$${hash.length}`;

const toBase64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

const within = (value: number, least: number, most: number): boolean => value >= least && value <= most;
