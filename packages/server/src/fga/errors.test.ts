import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FGA_ERROR_NUMBERS, FgaError } from "@behalf/fga";
import { openTestStorage } from "../storage/testing.ts";
import { fgaErrors, wireErrorOf } from "./errors.ts";
import { createTestFga, tuple } from "./testing.ts";

/** OpenFGA's ranges. @see openfga `NewEncodedError` */
function statusOf(number: number): number {
  if (number < 2_000) return 401;
  if (number < 3_500) return 400;
  if (number < 4_000) return 422;
  return number < 5_000 ? 500 : 404;
}

describe("errors of the FGA API", () => {
  for (const [code, number] of Object.entries(FGA_ERROR_NUMBERS)) {
    if (!(code in fgaErrors)) continue;
    it(`give ${code} the status of its number`, () => {
      const wire = wireErrorOf(new FgaError(code as keyof typeof FGA_ERROR_NUMBERS, "said so"));
      assert.deepEqual(wire, { status: statusOf(number), code, message: "said so" });
    });
  }

  it("say nothing of what is a fault of ours", () => {
    assert.equal(wireErrorOf(new Error("select secret from table")), undefined);
  });

  it("answer internal_error when the database is gone, log why, and recover nothing from it", async () => {
    const storage = await openTestStorage();
    const fga = createTestFga(storage);
    const store = await fga.store();
    await storage.close();
    const { status, body } = await store.write("document:1#viewer@user:anne");
    assert.equal(status, 500);
    assert.deepEqual(body, { code: "internal_error", message: "Internal Server Error" });
    assert.ok(fga.log.some((line) => line.includes('"level":"error"')));
  });

  it("end a check that runs past its time with deadline_exceeded", async () => {
    const storage = await openTestStorage();
    const fga = createTestFga(storage);
    const store = await fga.store();
    for (let page = 0; page < 30; page++) {
      const numbers = Array.from({ length: 50 }, (_, i) => `${page}-${i}`);
      await store.write(
        ...numbers.map((number) => `document:1#parent@folder:${number}`),
        ...numbers.map((number) => `folder:other-${number}#viewer@user:anne`),
      );
    }
    // Each look at the clock is five seconds later.
    fga.time.step = 5_000;
    const { status, body } = await store.at("check", { tuple_key: tuple("document:1#viewer@user:anne") });
    assert.deepEqual([status, body.code], [500, "deadline_exceeded"]);
    await storage.close();
  });
});
