import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import { createKeyFile, createKeyring, parseKeys, readKeyFile } from "./keyring.ts";
import { randomBytes } from "./random.ts";

const refusal = (message: RegExp) => ({ name: "KeyringError", message });
const base64 = (fill: number) => Buffer.alloc(32, fill).toString("base64");

describe("keyring", () => {
  it("takes the first key as primary and finds every key by its id", () => {
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const keyring = createKeyring([first, second]);
    assert.equal(keyring.primary().id, createKeyring([first]).primary().id);
    assert.deepEqual(keyring.ids(), [
      createKeyring([first]).primary().id,
      createKeyring([second]).primary().id,
    ]);
    for (const id of keyring.ids()) assert.equal(keyring.find(id)?.id, id);
  });

  it("does not find a key that it does not hold", () => {
    assert.equal(createKeyring([Buffer.alloc(32, 1)]).find("0000000000000000"), undefined);
  });

  it("names a key by 16 hexadecimal digits that say nothing of it", () => {
    const key = randomBytes(32);
    const { id } = createKeyring([key]).primary();
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.ok(!key.toString("hex").includes(id));
  });

  it("derives the same key for the same purpose and another for another", () => {
    const keyring = createKeyring([Buffer.alloc(32, 1)]);
    assert.deepEqual(keyring.derive("client-secret"), keyring.derive("client-secret"));
    assert.notDeepEqual(keyring.derive("client-secret"), keyring.derive("cookies"));
    assert.equal(keyring.derive("cookies").length, 32);
  });

  it("still derives what the older root keys gave, after the primary's", () => {
    const [fresh, old] = [Buffer.alloc(32, 2), Buffer.alloc(32, 1)];
    const before = createKeyring([old]).derive("client-secret");
    const rotated = createKeyring([fresh, old]);
    assert.notDeepEqual(rotated.derive("client-secret"), before);
    assert.deepEqual(rotated.deriveAll("client-secret"), [rotated.derive("client-secret"), before]);
  });

  it("does not print its keys", () => {
    const key = Buffer.alloc(32, 0xab);
    const text = inspect(createKeyring([key]).primary(), { depth: 9 });
    assert.ok(!/ab ab|abab|q6ur/.test(text), text);
  });

  it("refuses to be empty", () => {
    assert.throws(() => createKeyring([]), refusal(/holds no key/));
  });

  for (const length of [0, 16, 31, 33, 64])
    it(`refuses a key of ${length} bytes`, () => {
      assert.throws(() => createKeyring([Buffer.alloc(length)]), refusal(/32 bytes/));
    });
});

describe("keys as text", () => {
  it("reads one key a line, leaving out comments and empty lines", () => {
    const keyring = parseKeys(`# new since spring\r\n${base64(1)}\r\n\n  ${base64(2)}  \n`, "root.key");
    assert.equal(keyring.ids().length, 2);
    assert.equal(keyring.primary().id, createKeyring([Buffer.alloc(32, 1)]).primary().id);
  });

  const malformed: [string, string][] = [
    ["hexadecimal", Buffer.alloc(32, 1).toString("hex")],
    ["base64url", Buffer.alloc(32, 0xff).toString("base64url")],
    ["a key too short", Buffer.alloc(16, 1).toString("base64")],
    ["a key too long", Buffer.alloc(33, 1).toString("base64")],
    ["two keys in one line", `${base64(1)} ${base64(2)}`],
    ["one good key and one bad", `${base64(1)}\nsecret`],
  ];
  for (const [name, text] of malformed)
    it(`refuses ${name} and does not repeat it`, () => {
      assert.throws(
        () => parseKeys(text, "root.key"),
        (error: Error) => {
          assert.equal(error.name, "KeyringError");
          assert.match(error.message, /^root\.key must hold base64 keys of 32 bytes/);
          assert.ok(!error.message.includes(text));
          return true;
        },
      );
    });

  for (const text of ["", "\n\n", "# nothing yet\n"])
    it(`refuses ${JSON.stringify(text)}, which holds no key`, () => {
      assert.throws(() => parseKeys(text, "root.key"), refusal(/no key/));
    });
});

describe("key file", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "behalf-keyring-"));
  });
  after(() => rmSync(folder, { recursive: true }));
  const posix = process.platform === "win32" ? { skip: "Windows has no file modes" } : {};

  it("is created with one random key that can be read back", () => {
    const [one, two] = [join(folder, "one.key"), join(folder, "two.key")];
    createKeyFile(one);
    createKeyFile(two);
    assert.notEqual(readKeyFile(one).primary().id, readKeyFile(two).primary().id);
  });

  it("is created in a folder that does not exist yet", () => {
    const path = join(folder, "deep", "er", "root.key");
    createKeyFile(path);
    assert.ok(existsSync(path));
  });

  it("is created readable by its owner alone", posix, () => {
    const path = join(folder, "mode.key");
    createKeyFile(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("is never overwritten", () => {
    const path = join(folder, "kept.key");
    writeFileSync(path, "kept");
    assert.throws(() => createKeyFile(path), { code: "EEXIST" });
    assert.equal(readFileSync(path, "utf8"), "kept");
  });

  for (const mode of [0o644, 0o640, 0o604, 0o660, 0o601])
    it(`is refused with mode ${mode.toString(8)}`, posix, () => {
      const path = join(folder, `mode-${mode.toString(8)}.key`);
      createKeyFile(path);
      chmodSync(path, mode);
      assert.throws(() => readKeyFile(path), refusal(/readable by other users; run "chmod 600/));
    });

  it("is accepted with mode 400", posix, () => {
    const path = join(folder, "mode-400.key");
    createKeyFile(path);
    chmodSync(path, 0o400);
    assert.equal(readKeyFile(path).ids().length, 1);
  });

  it("that is missing is named with the command that makes it", () => {
    assert.throws(() => readKeyFile(join(folder, "none.key")), refusal(/does not exist; run "behalf init"/));
  });

  it("with something else inside is refused", () => {
    const path = join(folder, "wrong.key");
    writeFileSync(path, "not a key\n", { mode: 0o600 });
    assert.throws(() => readKeyFile(path), refusal(/must hold base64 keys/));
  });
});
