import { createCipheriv, createDecipheriv, hkdfSync, timingSafeEqual } from "node:crypto";
import { reveal, type Secret, secret } from "../lib/secret.ts";
import type { Keyring } from "./keyring.ts";
import { randomBytes } from "./random.ts";

/**
 * Envelope encryption of third-party secrets: root key → data key (one per account) → AES-256-GCM.
 *
 * Layout of a sealed value, all lengths in bytes:
 *   magic 3 | version 1 | suite 1 | salt 32 | commitment 32 | nonce 12 | ciphertext n | tag 16
 * The key of each message is derived from the data key and a fresh salt, so a nonce never repeats under
 * a key. The commitment is derived beside it and compared before decrypting: AES-GCM alone lets one
 * ciphertext open under two keys, and a commitment closes that.
 */
export interface Sealer {
  /** A new data key for one owner, wrapped by the root key. Destroying the returned bytes erases all it sealed. */
  newDataKey(owner: SealContext): Buffer;
  /** Seals `plaintext` so that it opens only with the same data key and the same context. */
  seal(dataKey: Uint8Array, owner: SealContext, context: SealContext, plaintext: Secret): Buffer;
  /** @throws SealError when key, context or any bit differs, or the format is unknown. */
  open(dataKey: Uint8Array, owner: SealContext, context: SealContext, sealed: Uint8Array): Secret;
  /** Wraps a data key under the primary root key again; its content stays as it is. */
  rewrap(dataKey: Uint8Array, owner: SealContext): Buffer;
}

/** What a sealed value belongs to. Order and names count; values may hold any character. */
export type SealContext = Readonly<Record<string, string | number>>;

/** A sealed value that does not open. Says which check failed, never what is inside. */
export class SealError extends Error {
  override readonly name = "SealError";
}

const MAGIC = Buffer.from("BHS");
const VERSION = 1;
const SUITE_AES_256_GCM_HKDF_SHA_512 = 1;
const HEADER_BYTES = MAGIC.length + 2;
const SALT_BYTES = 32;
const COMMITMENT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
/** One letter for the type of a field, four bytes for its length. */
const FIELD_HEAD_BYTES = 5;

export function createSealer(deps: { keyring: Keyring }): Sealer {
  const { keyring } = deps;

  function newDataKey(owner: SealContext): Buffer {
    return wrap(randomBytes(KEY_BYTES), owner);
  }

  function wrap(dataKey: Buffer, owner: SealContext): Buffer {
    const root = keyring.primary();
    const sealed = encrypt(reveal(root.key), encodeContext({ purpose: "data-key", ...owner }), dataKey);
    return Buffer.concat([Buffer.from(root.id, "hex"), sealed]);
  }

  function unwrap(wrapped: Uint8Array, owner: SealContext): Buffer {
    const bytes = Buffer.from(wrapped);
    const id = bytes.subarray(0, KEY_ID_BYTES).toString("hex");
    const root = keyring.find(id);
    if (!root) throw new SealError(`no root key ${id} in the keyring`);
    return decrypt(
      reveal(root.key),
      encodeContext({ purpose: "data-key", ...owner }),
      bytes.subarray(KEY_ID_BYTES),
    );
  }

  return {
    newDataKey,
    seal: (dataKey, owner, context, plaintext) =>
      encrypt(unwrap(dataKey, owner), encodeContext(context), Buffer.from(reveal(plaintext), "utf8")),
    open: (dataKey, owner, context, sealed) =>
      secret(decrypt(unwrap(dataKey, owner), encodeContext(context), Buffer.from(sealed)).toString("utf8")),
    rewrap: (dataKey, owner) => wrap(unwrap(dataKey, owner), owner),
  };
}

function encrypt(key: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const { messageKey, commitment } = derive(key, salt);
  const cipher = createCipheriv("aes-256-gcm", messageKey, nonce, { authTagLength: TAG_BYTES });
  const header = Buffer.from([...MAGIC, VERSION, SUITE_AES_256_GCM_HKDF_SHA_512]);
  cipher.setAAD(Buffer.concat([header, aad]));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, salt, commitment, nonce, ciphertext, cipher.getAuthTag()]);
}

function decrypt(key: Buffer, aad: Buffer, sealed: Buffer): Buffer {
  const smallest = HEADER_BYTES + SALT_BYTES + COMMITMENT_BYTES + NONCE_BYTES + TAG_BYTES;
  if (sealed.length < smallest) throw new SealError("sealed value is too short");
  const header = sealed.subarray(0, HEADER_BYTES);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw new SealError("not a sealed value");
  if (header[MAGIC.length] !== VERSION || header[MAGIC.length + 1] !== SUITE_AES_256_GCM_HKDF_SHA_512)
    throw new SealError("unknown version or suite of a sealed value");

  let at = HEADER_BYTES;
  const take = (length: number) => {
    at += length;
    return sealed.subarray(at - length, at);
  };
  const salt = take(SALT_BYTES);
  const commitment = take(COMMITMENT_BYTES);
  const nonce = take(NONCE_BYTES);
  const ciphertext = take(sealed.length - at - TAG_BYTES);
  const tag = take(TAG_BYTES);

  const derived = derive(key, salt);
  if (!timingSafeEqual(derived.commitment, commitment)) throw new SealError("sealed with another key");
  // Without authTagLength Node accepts a tag cut to four bytes.
  const decipher = createDecipheriv("aes-256-gcm", derived.messageKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.concat([header, aad]));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (cause) {
    throw new SealError("sealed for another context, or changed", { cause });
  }
}

function derive(key: Buffer, salt: Buffer): { messageKey: Buffer; commitment: Buffer } {
  const output = (info: string, length: number) => Buffer.from(hkdfSync("sha512", key, salt, info, length));
  return {
    messageKey: output("behalf/seal/v1/encrypt", KEY_BYTES),
    commitment: output("behalf/seal/v1/commit", COMMITMENT_BYTES),
  };
}

/** Every name and value carries its type and length, so no two contexts share an encoding. */
function encodeContext(context: SealContext): Buffer {
  const fields = Object.entries(context).flatMap(([name, value]): [string, string][] => [
    ["n", name],
    [typeof value === "number" ? "i" : "s", String(value)],
  ]);
  const size = fields.reduce((sum, [, text]) => sum + FIELD_HEAD_BYTES + Buffer.byteLength(text), 0);
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const [type, text] of fields) {
    const length = bytes.write(text, at + FIELD_HEAD_BYTES, "utf8");
    bytes.write(type, at, "latin1");
    bytes.writeUInt32BE(length, at + 1);
    at += FIELD_HEAD_BYTES + length;
  }
  return bytes;
}
