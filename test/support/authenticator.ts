import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/**
 * A passkey provider in software: makes and uses P-256 keys as a browser and its authenticator would, and lies where
 * a test asks it to.
 * @see Web Authentication Level 3 sections 5.8.1, 6.1 and 6.5
 */
export interface Authenticator {
  /** Answers `navigator.credentials.create`, as JSON text. */
  create(options: CreationOptions, change?: Change): string;
  /** Answers `navigator.credentials.get` with the passkey made last, as JSON text. */
  get(options: RequestOptions, change?: Change): string;
  /** The credential made last. */
  readonly credentialId: string;
  readonly userHandle: string;
}

/** The members of the options that are used here. */
export interface CreationOptions {
  readonly challenge: string;
  readonly rp: { readonly id?: string; readonly name: string };
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string };
}
export interface RequestOptions {
  readonly challenge: string;
  readonly rpId?: string;
  readonly allowCredentials?: readonly { readonly id: string }[];
}

/** What differs from an honest answer. */
export interface Change {
  readonly origin?: string;
  readonly crossOrigin?: boolean;
  readonly type?: string;
  readonly challenge?: string;
  readonly rpId?: string;
  readonly present?: boolean;
  readonly verified?: boolean;
  readonly counter?: number;
  readonly credentialId?: string;
  /** `null` leaves it out. */
  readonly userHandle?: string | null;
  /** COSE algorithm that a new key claims to have. */
  readonly algorithm?: number;
  /** Another key than the registered one. */
  readonly key?: KeyObject;
  readonly breakSignature?: boolean;
}

const FLAG = { up: 0x01, uv: 0x04, be: 0x08, bs: 0x10, at: 0x40 };

export function createAuthenticator(origin: string): Authenticator {
  let key: KeyObject | undefined;
  let credentialId = "";
  let userHandle = "";
  let counter = 0;

  function clientData(type: string, challenge: string, change: Change): Buffer {
    const crossOrigin = change.crossOrigin ?? false;
    return Buffer.from(
      JSON.stringify({
        type: change.type ?? type,
        challenge: change.challenge ?? challenge,
        origin: change.origin ?? origin,
        crossOrigin,
      }),
    );
  }

  function authenticatorData(rpId: string, change: Change, attested?: Buffer): Buffer {
    const flags =
      (change.present === false ? 0 : FLAG.up) |
      (change.verified === false ? 0 : FLAG.uv) |
      FLAG.be |
      FLAG.bs |
      (attested ? FLAG.at : 0);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(change.counter ?? ++counter);
    return Buffer.concat([sha256(change.rpId ?? rpId), Buffer.of(flags), count, attested ?? Buffer.alloc(0)]);
  }

  return {
    get credentialId() {
      return credentialId;
    },
    get userHandle() {
      return userHandle;
    },
    create(options, change = {}) {
      const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
      key = pair.privateKey;
      credentialId = change.credentialId ?? randomBytes(32).toString("base64url");
      userHandle = options.user.id;
      const id = Buffer.from(credentialId, "base64url");
      const length = Buffer.alloc(2);
      length.writeUInt16BE(id.length);
      const { x = "", y = "" } = pair.publicKey.export({ format: "jwk" });
      const coseKey = new Map<number, number | Buffer>([
        [1, 2],
        [3, change.algorithm ?? -7],
        [-1, 1],
        [-2, Buffer.from(x, "base64url")],
        [-3, Buffer.from(y, "base64url")],
      ]);
      const attested = Buffer.concat([Buffer.alloc(16), length, id, cbor(coseKey)]);
      const authData = authenticatorData(options.rp.id ?? "", change, attested);
      const attestation = new Map<string, Cbor>([
        ["fmt", "none"],
        ["attStmt", new Map()],
        ["authData", authData],
      ]);
      return JSON.stringify({
        id: credentialId,
        rawId: credentialId,
        type: "public-key",
        clientExtensionResults: {},
        authenticatorAttachment: "platform",
        response: {
          clientDataJSON: clientData("webauthn.create", options.challenge, change).toString("base64url"),
          attestationObject: cbor(attestation).toString("base64url"),
          transports: ["internal", "hybrid"],
        },
      });
    },
    get(options, change = {}) {
      const data = clientData("webauthn.get", options.challenge, change);
      const authData = authenticatorData(options.rpId ?? "", change);
      const signer = change.key ?? key;
      if (!signer) throw new Error("no passkey was made");
      const signature = sign("sha256", Buffer.concat([authData, sha256(data)]), signer);
      if (change.breakSignature) signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
      const id = change.credentialId ?? credentialId;
      return JSON.stringify({
        id,
        rawId: id,
        type: "public-key",
        clientExtensionResults: {},
        response: {
          clientDataJSON: data.toString("base64url"),
          authenticatorData: authData.toString("base64url"),
          signature: signature.toString("base64url"),
          ...(change.userHandle === null ? {} : { userHandle: change.userHandle ?? userHandle }),
        },
      });
    },
  };
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest();

type Cbor = number | string | Buffer | Map<number | string, Cbor>;

/** The few types of CBOR that answers are made of (RFC 8949 section 3). */
function cbor(value: Cbor): Buffer {
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string")
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([
    head(5, value.size),
    ...[...value].flatMap(([name, item]) => [cbor(name), cbor(item)]),
  ]);
}

function head(major: number, argument: number): Buffer {
  const type = major << 5;
  if (argument < 24) return Buffer.of(type | argument);
  if (argument < 256) return Buffer.of(type | 24, argument);
  const long = Buffer.alloc(3);
  long[0] = type | 25;
  long.writeUInt16BE(argument, 1);
  return long;
}
