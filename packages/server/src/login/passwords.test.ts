import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { secret } from "../lib/secret.ts";
import { createPasswords } from "./passwords.ts";

describe("passwords", async () => {
  const passwords = await createPasswords();

  it("match their own hash and no other", async () => {
    const stored = await passwords.hash(secret("correct horse battery"));
    assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.equal(await passwords.matches(stored, secret("correct horse battery")), true);
    assert.equal(await passwords.matches(stored, secret("correct horse batterz")), false);
  });

  it("are the same in any Unicode form of the same characters", async () => {
    const stored = await passwords.hash(secret("pássword-pássword"));
    assert.equal(await passwords.matches(stored, secret("pássword-pássword".normalize("NFD"))), true);
  });

  it("never match when there is no hash, not even the text that is hashed in its place", async () => {
    assert.equal(await passwords.matches(undefined, secret("no user has this password")), false);
  });

  it("are refused while too many wait, and taken again afterwards", async () => {
    const short = await createPasswords(3);
    const asked = Array.from({ length: 20 }, (_, i) => short.matches(undefined, secret(`password ${i}`)));
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter((it) => it.status === "rejected").map(({ reason }) => reason.code);
    // Four run, three wait.
    assert.deepEqual(refused, Array(13).fill("login.busy"));
    assert.equal(await short.matches(undefined, secret("password")), false);
  });

  it("are hashed in turn when many come at once", async () => {
    const hashes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => passwords.hash(secret(`password ${i}`))),
    );
    assert.equal(new Set(hashes).size, 12);
  });
});
