import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createInProcessClient } from "./in-process.ts";
import { hasConditions, loadSampleStores, runSampleStore, writeSampleStore } from "./sample-stores.ts";

const dataDir = process.env["BEHALF_CONFORMANCE_DATA"];
const source = "github.com/openfga/sample-stores, commit c310a11, stores/";

if (dataDir === undefined) {
  test("the engine passes OpenFGA's sample stores", {
    skip: `BEHALF_CONFORMANCE_DATA is not set; the public data is ${source}`,
  });
} else {
  const stores = await loadSampleStores(dataDir);
  let held = 0;
  for (const store of stores) {
    const skip =
      store.model === undefined
        ? "its model is made of modules"
        : hasConditions(store) && "it needs conditions";
    test(`the engine passes sample store ${store.path}`, { skip }, async () => {
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
  test("all 32 sample stores were found", () => assert.equal(stores.length, 32));
  after(() => console.log(`OpenFGA sample stores: ${held} assertions`));
}
