import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { equalInConstantTime, keyedHash, sha256, tokenHash } from "./hash.ts";
import { randomToken } from "./random.ts";

describe("hashes", () => {
  it('hash a token with SHA-256, the vector of FIPS 180-4 for "abc"', () => {
    const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.equal(tokenHash("abc"), Buffer.from(hex, "hex").toString("base64url"));
    assert.equal(sha256("abc"), tokenHash("abc"));
  });

  it("hash with a key by HMAC-SHA-256, test case 2 of RFC 4231", () => {
    const hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const made = keyedHash(Buffer.from("Jefe"), "what do ya want for nothing?");
    assert.equal(made, Buffer.from(hex, "hex").toString("base64url"));
  });

  it("give another value under another key", () => {
    assert.notEqual(keyedHash(Buffer.alloc(32, 1), "x"), keyedHash(Buffer.alloc(32, 2), "x"));
  });

  it("compare equal texts as equal and others as different, whatever their length", () => {
    assert.equal(equalInConstantTime("secret", "secret"), true);
    for (const other of ["secres", "secret ", "secre", "", "SECRET"])
      assert.equal(equalInConstantTime("secret", other), false, other);
  });
});

describe("random tokens", () => {
  it("are 43 characters of base64url, 256 bits", () => {
    assert.match(randomToken(), /^[A-Za-z0-9_-]{43}$/);
  });

  it("do not repeat", () => {
    assert.equal(new Set(Array.from({ length: 1_000 }, randomToken)).size, 1_000);
  });
});
