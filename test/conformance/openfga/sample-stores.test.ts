import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createInProcessClient } from "./in-process.ts";
import {
  hasConditions,
  isEvaluable,
  loadSampleStores,
  runSampleStore,
  writeSampleStore,
} from "./sample-stores.ts";

const dataDir = process.env["BEHALF_CONFORMANCE_DATA"];
const source = "github.com/openfga/sample-stores, commit c310a11, stores/";

if (dataDir === undefined) {
  test("the engine passes OpenFGA's sample stores", {
    skip: `BEHALF_CONFORMANCE_DATA is not set; the public data is ${source}`,
  });
} else {
  const stores = await loadSampleStores(dataDir);
  let held = 0;
  for (const store of stores.filter(isEvaluable)) {
    test(`the engine passes sample store ${store.path}`, async () => {
      const assertions = await runSampleStore(createInProcessClient(), store);
      assert.ok(assertions > 0, "a store without assertions proves nothing");
      held += assertions;
    });
  }
  for (const store of stores.filter(hasConditions)) {
    test(`the engine reads the conditioned model and tuples of ${store.path}`, async () => {
      await writeSampleStore(createInProcessClient(), store);
    });
  }
  test("of the 32 sample stores 11 wait for conditions and 4 for modules", () => {
    assert.equal(stores.length, 32);
    assert.equal(stores.filter(hasConditions).length, 11);
    assert.equal(stores.filter(({ model }) => model === undefined).length, 4);
  });
  after(() => console.log(`OpenFGA sample stores: ${held} assertions`));
}
