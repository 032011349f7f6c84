import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { breachedFileProblem, createBreachedPasswords } from "./breached.ts";

const OWNER = { email: "anne.example@mail.example", name: "Anne Example" };

describe("the list of known passwords", () => {
  const list = createBreachedPasswords();

  it("has those that everybody knows, whatever is put around them and however they are written", async () => {
    for (const password of [
      "password1234",
      "PASSWORD1234",
      "passwordpassword",
      "Password!!!!",
      "123456123456",
      "!!qwertyuiop!!",
      "ｐａｓｓｗｏｒｄ1234",
      "  letmein123456  ",
    ])
      assert.equal(await list.has(password), true, password);
  });

  it("has none that somebody made up", async () => {
    for (const password of [
      "correct horse battery staple",
      "kettle-orbit-plaid-seven",
      "日本語のながいあいことばです",
    ])
      assert.equal(await list.has(password, OWNER), false, password);
    for (let i = 0; i < 500; i++)
      assert.equal(await list.has(randomBytes(12).toString("base64url"), OWNER), false);
  });

  it("has the address and the name of the person, in any case", async () => {
    for (const password of [
      "anne.example@mail.example",
      "ANNE.EXAMPLE@mail.example",
      "Anne Example",
      "anneexample!1",
    ])
      assert.equal(await list.has(password, OWNER), true, password);
    assert.equal(await list.has("Anne Example", { email: "other@mail.example" }), false);
  });
});

describe("a file of hashes", () => {
  const write = (t: TestContext, text: string) => {
    const folder = mkdtempSync(join(tmpdir(), "behalf-breached-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "hashes.txt");
    writeFileSync(file, text);
    return file;
  };
  const sha1 = (text: string) => hash("sha1", text, "hex").toUpperCase();
  const words = Array.from({ length: 300 }, (_, i) => `made up password number ${i}`);

  for (const [name, line, end] of [
    ["with counts and CRLF", (word: string, i: number) => `${sha1(word)}:${i * 977}`, "\r\n"],
    ["without counts", sha1, "\n"],
    ["in lower case", (word: string) => sha1(word).toLowerCase(), "\n"],
  ] as const)
    it(`${name} is searched from its first line to its last`, async (t) => {
      for (const size of [1, 2, 3, words.length]) {
        const lines = words.slice(0, size).map(line).sort();
        const list = createBreachedPasswords({ file: write(t, lines.join(end)) });
        for (const word of words.slice(0, size)) assert.equal(await list.has(word), true, `${size} ${word}`);
        for (let i = 0; i < 60; i++) assert.equal(await list.has(`nobody took number ${i}`), false);
      }
    });

  it("that is none is named", (t) => {
    const good = words.map(sha1).sort().join("\n");
    assert.equal(breachedFileProblem(write(t, good)), undefined);
    assert.match(breachedFileProblem(join(tmpdir(), "behalf-no-such-file")) ?? "", /cannot be read/);
    for (const bad of ["", "password\nqwerty\n", words.map(sha1).sort().reverse().join("\n")])
      assert.match(breachedFileProblem(write(t, bad)) ?? "", /must hold SHA-1/);
  });
});
