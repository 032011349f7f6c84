import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createInProcessClient } from "./in-process.ts";
import { createTally, hasMode, loadMatrix, type Mode, runMatrixTest } from "./matrix.ts";

const dataDir = process.env["BEHALF_CONFORMANCE_DATA"];
const source = "github.com/openfga/openfga, commit da9354f7e, assets/tests/";
const modes: readonly Mode[] = ["stored", "contextual"];

if (dataDir === undefined) {
  test("the engine passes OpenFGA's schema 1.1 matrix", {
    skip: `BEHALF_CONFORMANCE_DATA is not set; the public data is ${source}`,
  });
} else {
  const tests = await loadMatrix(dataDir);
  const tally = createTally();
  for (const mode of modes) {
    for (const [index, matrixTest] of tests.entries()) {
      if (!hasMode(matrixTest, mode)) continue;
      test(`the engine passes ${matrixTest.name} (${index + 1}) with ${mode} tuples`, async () => {
        await runMatrixTest(createInProcessClient(), matrixTest, mode, tally);
      });
    }
  }
  test("the matrix is whole: 137 tests with 925 assertions on stored tuples alone", () => {
    const count = (of: "checkAssertions" | "listObjectsAssertions" | "listUsersAssertions"): number =>
      tests.flatMap(({ stages }) => stages).reduce((sum, stage) => sum + (stage[of] ?? []).length, 0);
    assert.equal(tests.length, 137);
    assert.deepEqual(
      [count("checkAssertions"), count("listObjectsAssertions"), count("listUsersAssertions")],
      [360, 270, 295],
    );
  });
  after(() => console.log(`OpenFGA matrix: ${JSON.stringify(tally)}`));
}
