import { createCipheriv, hkdfSync } from "node:crypto";

/**
 * A sealed value read or made by the documented layout alone, without the code under test:
 * `magic 3 | version 1 | suite 1 | salt 32 | commitment 32 | nonce 12 | ciphertext n | tag 16`.
 */
export const LAYOUT = { header: 5, salt: 32, commitment: 32, nonce: 12, tag: 16 } as const;

/** Message key and commitment that belong to a key and a salt. */
export function deriveBoth(key: Uint8Array, salt: Uint8Array): { messageKey: Buffer; commitment: Buffer } {
  const derive = (info: string) => Buffer.from(hkdfSync("sha512", key, salt, info, 32));
  return { messageKey: derive("behalf/seal/v1/encrypt"), commitment: derive("behalf/seal/v1/commit") };
}

/** Additional data of a context: each name and value with its type and length. */
export function additionalData(header: Uint8Array, context: Readonly<Record<string, string>>): Buffer {
  const field = (type: string, text: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(text));
    return Buffer.concat([Buffer.from(type), length, Buffer.from(text)]);
  };
  const fields = Object.entries(context).flatMap(([name, value]) => [field("n", name), field("s", value)]);
  return Buffer.concat([header, ...fields]);
}

/**
 * One ciphertext of three blocks and one tag that AES-256-GCM accepts under two keys. The last block is
 * solved for: GHASH is linear in it, so one value makes both tags equal.
 * @see NIST SP 800-38D section 6.4 and 7.1
 */
export function twoKeyCiphertext(
  keys: readonly [Buffer, Buffer],
  nonce: Buffer,
  additional: Buffer,
): { ciphertext: Buffer; tag: Buffer } {
  const blocks = [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(16)];
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64BE(BigInt(additional.length * 8));
  lengths.writeBigUInt64BE(BigInt(3 * 128), 8);
  const padding = Buffer.alloc((16 - (additional.length % 16)) % 16);
  const hashed = Buffer.concat([additional, padding, ...blocks, lengths]);
  const [first, second] = keys.map((key) => {
    const subkey = toBigInt(encryptBlock(key, Buffer.alloc(16)));
    const mask = toBigInt(encryptBlock(key, Buffer.concat([nonce, Buffer.from([0, 0, 0, 1])])));
    return { subkey, tag: ghash(subkey, hashed) ^ mask };
  });
  if (!first || !second) throw new TypeError("two keys are needed");
  const weight = multiply(first.subkey, first.subkey) ^ multiply(second.subkey, second.subkey);
  const last = multiply(first.tag ^ second.tag, invert(weight));
  const tag = first.tag ^ multiply(last, multiply(first.subkey, first.subkey));
  return { ciphertext: Buffer.concat([...blocks.slice(0, 2), toBlock(last)]), tag: toBlock(tag) };
}

function encryptBlock(key: Buffer, block: Buffer): Buffer {
  return createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(block);
}

function ghash(subkey: bigint, bytes: Buffer): bigint {
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 16)
    sum = multiply(sum ^ toBigInt(bytes.subarray(at, at + 16)), subkey);
  return sum;
}

/** Multiplication in GF(2^128); the first bit is the coefficient of x^0 (SP 800-38D section 6.3). */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((a >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
  }
  return product;
}

/** x^(2^128 - 2): the inverse, because the field has 2^128 - 1 units. */
function invert(value: bigint): bigint {
  let result = 1n << 127n;
  let power = value;
  for (let i = 0; i < 127; i++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}

const toBigInt = (bytes: Buffer) => BigInt(`0x${bytes.toString("hex")}`);
const toBlock = (value: bigint) => Buffer.from(value.toString(16).padStart(32, "0"), "hex");
