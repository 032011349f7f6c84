import { z } from "zod";
import { type Secret, secret } from "../../lib/secret.ts";

/**
 * The two forms in which a hash stands in an export.
 * @see https://auth0.com/docs/manage-users/user-migration/bulk-user-import-database-schema-and-examples
 * Transcribed 2026-11-24; the defaults of scrypt are not verified by a real export.
 */
const customHash = z.looseObject({
  algorithm: z.string(),
  hash: z.looseObject({ value: z.string(), encoding: z.string().default("utf8") }),
  salt: z.looseObject({ value: z.string(), encoding: z.string().default("utf8") }).optional(),
  password: z.looseObject({ encoding: z.string().default("utf8") }).optional(),
  keylen: z.number().int().optional(),
  cost: z.number().int().default(16_384),
  blockSize: z.number().int().default(8),
  parallelization: z.number().int().default(1),
});

/** Algorithms whose hash is a text that says everything itself. */
const SELF_DESCRIBED = ["bcrypt", "argon2", "pbkdf2"];

/** A hash as the server reads it; `unknown` names the algorithm of one that cannot be used. */
export type GivenHash = { readonly hash: Secret } | { readonly unknown: string } | undefined;

/** Reads `passwordHash`, `password_hash` or `custom_password_hash` of a user. Whether it is fit is not said here. */
export function readPasswordHash(user: Readonly<Record<string, unknown>>): GivenHash {
  const plain = user["passwordHash"] ?? user["password_hash"];
  if (typeof plain === "string" && plain !== "") return { hash: secret(plain) };
  const custom = user["custom_password_hash"];
  if (custom === undefined || custom === null) return undefined;
  const parsed = customHash.safeParse(custom);
  if (!parsed.success) return { unknown: "of no known form" };
  const { algorithm, hash, salt, password } = parsed.data;
  const name = /^[a-z0-9]{1,16}$/.test(algorithm) ? algorithm : "of no known form";
  // The password was put into other bytes before it was hashed; ours are always UTF-8.
  if (password && password.encoding !== "utf8") return { unknown: name };
  if (SELF_DESCRIBED.includes(name) && !salt && hash.encoding === "utf8") return { hash: secret(hash.value) };
  const phc = name === "scrypt" ? scryptAsPhc(parsed.data) : undefined;
  return phc === undefined ? { unknown: name } : { hash: secret(phc) };
}

function scryptAsPhc(given: z.infer<typeof customHash>): string | undefined {
  const hash = bytesOf(given.hash);
  const salt = given.salt && bytesOf(given.salt);
  const log2n = Math.log2(given.cost);
  if (!hash || !salt || !Number.isInteger(log2n)) return undefined;
  if (given.keylen !== undefined && given.keylen !== hash.length) return undefined;
  const parameters = `ln=${log2n},r=${given.blockSize},p=${given.parallelization}`;
  return `$scrypt$${parameters}$${toBase64(salt)}$${toBase64(hash)}`;
}

function bytesOf({ value, encoding }: { value: string; encoding: string }): Buffer | undefined {
  if (encoding !== "hex" && encoding !== "base64" && encoding !== "utf8") return undefined;
  return Buffer.from(value, encoding);
}

const toBase64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
