import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { describe, it } from "node:test";
import { reveal, secret } from "../lib/secret.ts";
import { createKeyring } from "./keyring.ts";
import { randomBytes } from "./random.ts";
import { createSealer, type SealContext, type SealError } from "./seal.ts";
import { additionalData, deriveBoth, LAYOUT, twoKeyCiphertext } from "./testing.ts";

const owner = { account: "acc_1", user: "usr_1" };
const context = { account: "acc_1", purpose: "refresh_token", version: 3 };
const TOKEN = "1//token-with-ümläut";
const KEY_ID_BYTES = 8;

function setUp(...keys: Buffer[]) {
  const keyring = createKeyring(keys.length > 0 ? keys : [randomBytes(32)]);
  const sealer = createSealer({ keyring });
  const dataKey = sealer.newDataKey(owner);
  const sealed = sealer.seal(dataKey, owner, context, secret(TOKEN));
  return { keyring, sealer, dataKey, sealed };
}

const refusedAs = (message: RegExp) => (error: SealError) => {
  assert.equal(error.name, "SealError");
  assert.match(error.message, message);
  assert.ok(!error.message.includes(TOKEN));
  return true;
};

describe("sealing", () => {
  it("opens what it sealed", () => {
    const { sealer, dataKey, sealed } = setUp();
    assert.equal(reveal(sealer.open(dataKey, owner, context, sealed)), TOKEN);
  });

  it("opens an empty value and one of 64 KiB", () => {
    const { sealer, dataKey } = setUp();
    for (const text of ["", "x".repeat(65_536)]) {
      const sealed = sealer.seal(dataKey, owner, context, secret(text));
      assert.equal(reveal(sealer.open(dataKey, owner, context, sealed)), text);
    }
  });

  it("never seals one value to the same bytes twice", () => {
    const { sealer, dataKey } = setUp();
    const made = Array.from({ length: 50 }, () =>
      sealer.seal(dataKey, owner, context, secret(TOKEN)).toString("hex"),
    );
    assert.equal(new Set(made).size, made.length);
  });

  it("shows nothing of the value in the sealed bytes", () => {
    const { sealed, dataKey } = setUp();
    assert.ok(!sealed.includes(TOKEN) && !dataKey.includes(TOKEN));
  });

  it("follows the documented layout, read here without the code under test", () => {
    const root = randomBytes(32);
    const { keyring } = setUp(root);
    const wrapped = createSealer({ keyring }).newDataKey(owner);
    assert.equal(wrapped.subarray(0, KEY_ID_BYTES).toString("hex"), keyring.primary().id);
    const body = wrapped.subarray(KEY_ID_BYTES);
    assert.equal(body.subarray(0, LAYOUT.header).toString("latin1"), "BHS\u0001\u0001");
    const { messageKey, commitment, nonce, ciphertext, tag } = readLayout(root, body);
    assert.deepEqual(commitment, body.subarray(37, 69));
    const decipher = createDecipheriv("aes-256-gcm", messageKey, nonce, { authTagLength: 16 });
    decipher.setAAD(additionalData(body.subarray(0, 5), { purpose: "data-key", ...owner })).setAuthTag(tag);
    assert.equal(Buffer.concat([decipher.update(ciphertext), decipher.final()]).length, 32);
  });
});

describe("opening refuses", () => {
  it("a sealed value in which any one byte was changed", () => {
    const { sealer, dataKey, sealed } = setUp();
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(i) ^ 0x01, i);
      assert.throws(() => sealer.open(dataKey, owner, context, changed), refusedAs(/./), `byte ${i}`);
    }
  });

  it("a wrapped data key in which any one byte was changed", () => {
    const { sealer, dataKey, sealed } = setUp();
    for (let i = 0; i < dataKey.length; i++) {
      const changed = Buffer.from(dataKey);
      changed.writeUInt8(changed.readUInt8(i) ^ 0x80, i);
      assert.throws(() => sealer.open(changed, owner, context, sealed), refusedAs(/./), `byte ${i}`);
    }
  });

  it("a sealed value cut at any length", () => {
    const { sealer, dataKey, sealed } = setUp();
    for (let length = 0; length < sealed.length; length++)
      assert.throws(
        () => sealer.open(dataKey, owner, context, sealed.subarray(0, length)),
        refusedAs(/./),
        `${length} bytes`,
      );
  });

  it("a tag of four bytes, which AES-GCM in Node would take without a fixed length", () => {
    const { sealer, dataKey } = setUp();
    const long = sealer.seal(dataKey, owner, context, secret("x".repeat(100)));
    const short = long.subarray(0, long.length - 12);
    assert.throws(
      () => sealer.open(dataKey, owner, context, short),
      refusedAs(/another context, or changed/),
    );
  });

  it("a value with a byte added", () => {
    const { sealer, dataKey, sealed } = setUp();
    assert.throws(
      () => sealer.open(dataKey, owner, context, Buffer.concat([sealed, Buffer.from([0])])),
      refusedAs(/another context, or changed/),
    );
  });

  const contexts: [string, SealContext][] = [
    ["another account", { ...context, account: "acc_2" }],
    ["another purpose", { ...context, purpose: "access_token" }],
    ["an older version of the record", { ...context, version: 2 }],
    ["a version given as text", { ...context, version: "3" }],
    ["a field less", { account: "acc_1", purpose: "refresh_token" }],
    ["a field more", { ...context, extra: "" }],
    ["two values swapped", { account: "refresh_token", purpose: "acc_1", version: 3 }],
    ["fields in another order", { purpose: "refresh_token", account: "acc_1", version: 3 }],
    ["a boundary moved between name and value", { accounta: "cc_1", purpose: "refresh_token", version: 3 }],
    ["a boundary moved between values", { account: "acc_1purpose", "": "refresh_token", version: 3 }],
  ];
  for (const [name, other] of contexts)
    it(`a context with ${name}`, () => {
      const { sealer, dataKey, sealed } = setUp();
      assert.throws(
        () => sealer.open(dataKey, owner, other, sealed),
        refusedAs(/another context, or changed/),
      );
    });

  it("the data key of another account", () => {
    const { sealer, sealed } = setUp();
    const other = sealer.newDataKey(owner);
    assert.throws(() => sealer.open(other, owner, context, sealed), refusedAs(/another key/));
  });

  it("a data key that another owner brings", () => {
    const { sealer, dataKey, sealed } = setUp();
    assert.throws(
      () => sealer.open(dataKey, { ...owner, user: "usr_2" }, context, sealed),
      refusedAs(/another context, or changed/),
    );
  });

  it("a data key whose root key is not in the keyring", () => {
    const { dataKey, sealed } = setUp();
    const elsewhere = setUp().sealer;
    assert.throws(
      () => elsewhere.open(dataKey, owner, context, sealed),
      refusedAs(/no root key [0-9a-f]{16}/),
    );
  });

  it("a root key whose id was claimed by another", () => {
    const [mine, other] = [setUp(), setUp()];
    const claimed = Buffer.from(mine.dataKey);
    Buffer.from(other.keyring.primary().id, "hex").copy(claimed);
    assert.throws(() => other.sealer.open(claimed, owner, context, mine.sealed), refusedAs(/another key/));
  });

  it("a version or suite it does not know", () => {
    const { sealer, dataKey, sealed } = setUp();
    for (const at of [3, 4]) {
      const unknown = Buffer.from(sealed);
      unknown.writeUInt8(2, at);
      assert.throws(
        () => sealer.open(dataKey, owner, context, unknown),
        refusedAs(/unknown version or suite/),
      );
    }
  });

  it("plain text where a sealed value belongs", () => {
    const { sealer, dataKey } = setUp();
    const plain = Buffer.from("ya29.plain-text-token".repeat(9));
    assert.throws(() => sealer.open(dataKey, owner, context, plain), refusedAs(/not a sealed value/));
  });
});

describe("key commitment", () => {
  it("AWS ESDK CVE-2020-8897: refuses the second key of a ciphertext that AES-GCM accepts under two keys", () => {
    const roots = [randomBytes(32), randomBytes(32)] as const;
    const keyring = createKeyring([...roots]);
    const header = Buffer.from("BHS\u0001\u0001", "latin1");
    const [salt, nonce] = [randomBytes(32), randomBytes(12)];
    const [first, second] = [deriveBoth(roots[0], salt), deriveBoth(roots[1], salt)];
    const aad = additionalData(header, { purpose: "data-key", ...owner });
    const { ciphertext, tag } = twoKeyCiphertext([first.messageKey, second.messageKey], nonce, aad);
    for (const { messageKey } of [first, second]) {
      const decipher = createDecipheriv("aes-256-gcm", messageKey, nonce, { authTagLength: 16 });
      decipher.setAAD(aad).setAuthTag(tag);
      assert.doesNotThrow(
        () => [decipher.update(ciphertext), decipher.final()],
        "the attack works on AES-GCM",
      );
    }

    const body = Buffer.concat([header, salt, first.commitment, nonce, ciphertext, tag]);
    const [firstId, secondId] = keyring.ids().map((id) => Buffer.from(id, "hex"));
    assert.ok(firstId && secondId);
    const sealer = createSealer({ keyring });
    assert.doesNotThrow(() => sealer.rewrap(Buffer.concat([firstId, body]), owner));
    assert.throws(
      () => sealer.rewrap(Buffer.concat([secondId, body]), owner),
      refusedAs(/sealed with another key/),
    );
  });
});

describe("rotation of root keys", () => {
  it("opens after a new primary was put first, and seals new data keys under it", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const before = setUp(old);
    const after = createSealer({ keyring: createKeyring([fresh, old]) });
    assert.equal(reveal(after.open(before.dataKey, owner, context, before.sealed)), TOKEN);
    const id = createKeyring([fresh]).primary().id;
    assert.equal(after.newDataKey(owner).subarray(0, KEY_ID_BYTES).toString("hex"), id);
  });

  it("opens with the new key alone once the data key was wrapped again", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const before = setUp(old);
    const rewrapped = createSealer({ keyring: createKeyring([fresh, old]) }).rewrap(before.dataKey, owner);
    const alone = createSealer({ keyring: createKeyring([fresh]) });
    assert.equal(reveal(alone.open(rewrapped, owner, context, before.sealed)), TOKEN);
    assert.throws(() => alone.open(before.dataKey, owner, context, before.sealed), refusedAs(/no root key/));
  });

  it("does not wrap a data key again for another owner", () => {
    const { sealer, dataKey } = setUp();
    assert.throws(
      () => sealer.rewrap(dataKey, { account: "acc_2", user: "usr_1" }),
      refusedAs(/another context/),
    );
  });
});

function readLayout(key: Buffer, body: Buffer) {
  let at = LAYOUT.header;
  const take = (length: number) => {
    at += length;
    return body.subarray(at - length, at);
  };
  const salt = take(LAYOUT.salt);
  take(LAYOUT.commitment);
  const nonce = take(LAYOUT.nonce);
  const ciphertext = take(body.length - at - LAYOUT.tag);
  return { ...deriveBoth(key, salt), nonce, ciphertext, tag: take(LAYOUT.tag) };
}
