import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

/** Seals what the host keeps, and proves which values it made. */
export interface Sealer {
  /** AES-256-GCM; `label` says where the value belongs and must be the same when it is opened. */
  seal(text: string, label: string): string;
  /** The text, or undefined when it was sealed with another key, for another label, or was changed. */
  open(sealed: string, label: string): string | undefined;
  /** A proof that only a holder of the key can make: 43 characters of base64url. */
  prove(text: string): string;
  /** Whether `prove(text)` made this proof, with the current key or a former one. Takes equal time. */
  isProof(proof: string, text: string): boolean;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "v1";

/**
 * @param keys high-entropy secrets; the first one seals, all of them open. The key derivation is HKDF
 * (RFC 5869), which does not slow down guessing: a password is no key.
 */
export function createSealer(keys: readonly [string, ...string[]]): Sealer {
  const [current, ...former] = keys.map(deriveKeys) as [Keys, ...Keys[]]; // as many as there are keys
  const all = [current, ...former];
  return {
    seal(text, label) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", current.sealing, nonce).setAAD(Buffer.from(label));
      const body = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return `${VERSION}.${body.toString("base64url")}`;
    },
    open(sealed, label) {
      const [version, body = ""] = sealed.split(".", 2);
      if (version !== VERSION) return undefined;
      const bytes = Buffer.from(body, "base64url");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      return firstDefined(all, (key) => tryOpen(key.sealing, bytes, label));
    },
    prove(text) {
      return mac(current.proving, text).toString("base64url");
    },
    isProof(proof, text) {
      const given = Buffer.from(proof, "base64url");
      return all.some((key) => {
        const expected = mac(key.proving, text);
        return given.length === expected.length && timingSafeEqual(given, expected);
      });
    },
  };
}

interface Keys {
  sealing: Buffer;
  proving: Buffer;
}

function deriveKeys(secret: string): Keys {
  const derive = (info: string) => Buffer.from(hkdfSync("sha256", secret, "", `behalf-sdk ${info}`, 32));
  return { sealing: derive("store sealing v1"), proving: derive("resume proof v1") };
}

function mac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function tryOpen(key: Buffer, bytes: Buffer, label: string): string | undefined {
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(label)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const body = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([body, decipher.final()]).toString("utf8");
  } catch {
    return undefined; // another key, another label, or changed: the caller treats all three alike
  }
}

function firstDefined<T, R>(values: readonly T[], find: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const found = find(value);
    if (found !== undefined) return found;
  }
  return undefined;
}
