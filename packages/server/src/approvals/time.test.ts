import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { duration, pointInTime } from "./time.ts";

describe("time on pages", () => {
  for (const [ms, english, japanese] of [
    [0, "0 seconds", "0 秒"],
    [-5_000, "0 seconds", "0 秒"],
    [1_999, "1 second", "1 秒"],
    [119_999, "119 seconds", "119 秒"],
    [299_999, "4 minutes", "4 分"],
    [7_200_000, "2 hours", "2 時間"],
    [259_200_000, "3 days", "3 日"],
  ] as const)
    it(`never promises more than is left of ${ms} ms`, () => {
      assert.deepEqual([duration(ms, "en"), duration(ms, "ja")], [english, japanese]);
    });

  it("says that a point in time is UTC", () => {
    assert.equal(pointInTime(Date.UTC(2030, 0, 1, 12, 5), "ja"), "2030/01/01 12:05 UTC");
  });
});
