import assert from "node:assert/strict";
import { test } from "node:test";
import { createSealer } from "./seal.ts";

const KEY = "a-key-of-more-than-thirty-two-characters";
const OTHER = "another-key-of-more-than-thirty-two-chars";

test("a sealed text opens under its label and does not show what it holds", () => {
  const sealer = createSealer([KEY]);
  const sealed = sealer.seal("secret token", "label");
  assert.equal(sealer.open(sealed, "label"), "secret token");
  assert.doesNotMatch(sealed + Buffer.from(sealed, "base64url").toString("latin1"), /secret|token/);
});

test("one text is sealed differently each time", () => {
  const sealer = createSealer([KEY]);
  assert.notEqual(sealer.seal("text", "label"), sealer.seal("text", "label"));
});

test("a sealed text does not open under another label or with another key", () => {
  const sealed = createSealer([KEY]).seal("text", "label");
  assert.equal(createSealer([KEY]).open(sealed, "label2"), undefined);
  assert.equal(createSealer([OTHER]).open(sealed, "label"), undefined);
});

test("a sealed text with any one byte changed does not open", () => {
  const sealer = createSealer([KEY]);
  const sealed = sealer.seal("text", "label");
  const bytes = Buffer.from(sealed.slice("v1.".length), "base64url");
  for (let i = 0; i < bytes.length; i += 1) {
    const changed = Buffer.from(bytes);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.equal(sealer.open(`v1.${changed.toString("base64url")}`, "label"), undefined, `byte ${i}`);
  }
});

test("what is no sealed text does not open", () => {
  const sealer = createSealer([KEY]);
  for (const text of ["", "v1.", "v1.AAAA", "v2.AAAA", "v1.!!!"])
    assert.equal(sealer.open(text, "label"), undefined);
});

test("after a rotation the new key seals and the former one still opens", () => {
  const former = createSealer([OTHER]).seal("text", "label");
  const rotated = createSealer([KEY, OTHER]);
  assert.equal(rotated.open(former, "label"), "text");
  assert.equal(createSealer([KEY]).open(rotated.seal("text", "label"), "label"), "text");
});

test("a proof holds for its text, also after a rotation, and for nothing else", () => {
  const proof = createSealer([OTHER]).prove("call");
  const rotated = createSealer([KEY, OTHER]);
  assert.equal(rotated.isProof(proof, "call"), true);
  assert.equal(rotated.isProof(proof, "call2"), false);
  assert.equal(createSealer([KEY]).isProof(proof, "call"), false);
  for (const other of ["", proof.slice(1), `${proof}AA`]) assert.equal(rotated.isProof(other, "call"), false);
});
