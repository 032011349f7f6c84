import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { randomBytes } from "../crypto/random.ts";
import { createIds } from "./ids.ts";

const at = (times: number[]) => ({ now: () => times.shift() ?? 0 });

describe("ids", () => {
  it("spells time and random bits as a ULID", () => {
    const random = (length: number) => new Uint8Array(length);
    // 1469918176385 is the time of the example in the ULID specification: it begins with 01ARYZ6S41.
    assert.equal(createIds({ clock: at([1469918176385]), random }).ulid(), "01ARYZ6S410000000000000000");
  });

  it("uses the random bytes it is given, most significant first", () => {
    const random = (length: number) => Uint8Array.from({ length }, (_, i) => (i === length - 1 ? 33 : 0));
    assert.equal(createIds({ clock: at([0]), random }).ulid(), "00000000000000000000000011");
  });

  it("has 26 characters of Crockford's alphabet", () => {
    const ids = createIds({ clock: { now: () => Date.UTC(2026, 0, 1) }, random: randomBytes });
    for (let i = 0; i < 100; i++) assert.match(ids.ulid(), /^[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it("counts up within one millisecond, so that order of making is order of sorting", () => {
    const ids = createIds({ clock: { now: () => 5 }, random: randomBytes });
    const made = Array.from({ length: 1_000 }, () => ids.ulid());
    assert.deepEqual(made, made.toSorted());
    assert.equal(new Set(made).size, made.length);
  });

  it("keeps counting up when the clock goes back", () => {
    const ids = createIds({ clock: at([10, 9, 1]), random: randomBytes });
    const made = [ids.ulid(), ids.ulid(), ids.ulid()];
    assert.deepEqual(made, made.toSorted());
  });

  it("sorts a later millisecond after an earlier one even when every random bit was set", () => {
    const ids = createIds({ clock: at([1, 1, 2]), random: (length) => new Uint8Array(length).fill(255) });
    const made = [ids.ulid(), ids.ulid(), ids.ulid()];
    assert.deepEqual(made, made.toSorted());
    assert.ok(made.every((id) => id.length === 26));
  });

  it("puts the prefix before a lower-case ULID", () => {
    const ids = createIds({ clock: { now: () => 5 }, random: randomBytes });
    assert.match(ids.prefixed("usr"), /^usr_[0-9a-hjkmnp-tv-z]{26}$/);
  });
});
