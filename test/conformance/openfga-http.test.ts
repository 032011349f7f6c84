import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engines } from "../support/engines.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import type { FgaClient } from "./openfga/client.ts";
import { createTally, hasMode, loadMatrix, type Mode, runMatrixTest } from "./openfga/matrix.ts";
import { createHttpClient } from "./openfga/over-http.ts";
import { isEvaluable, loadSampleStores, runSampleStore } from "./openfga/sample-stores.ts";

const dataDir = process.env["BEHALF_CONFORMANCE_DATA"];
const source =
  "github.com/openfga/openfga, commit da9354f7e, assets/tests/; github.com/openfga/sample-stores, commit c310a11";
const modes: readonly Mode[] = ["stored", "contextual"];
const KEY = "conformance-key";

if (dataDir === undefined) {
  test("the HTTP API passes OpenFGA's matrix and sample stores", {
    skip: `BEHALF_CONFORMANCE_DATA is not set; the public data is ${source}`,
  });
} else {
  const [matrix, stores] = await Promise.all([loadMatrix(dataDir), loadSampleStores(dataDir)]);
  for (const engine of engines)
    describe(`OpenFGA's HTTP API on ${engine.name}`, () => {
      let server: TestServer;
      let client: FgaClient;
      const tally = createTally();

      before(async () => {
        const storage = await engine.storage();
        server = await startTestServer(
          (config) => Object.assign(config, { storage, fga: { presharedKeys: [{ env: "FGA_KEY" }] } }),
          { env: { FGA_KEY: KEY } },
        );
        client = createHttpClient(server.url.replace(/\/$/, ""), KEY);
      });
      after(async () => {
        await server.close();
        console.log(`OpenFGA matrix over HTTP on ${engine.name}: ${JSON.stringify(tally)}`);
      });

      for (const mode of modes)
        for (const [index, matrixTest] of matrix.entries()) {
          if (!hasMode(matrixTest, mode)) continue;
          test(`passes ${matrixTest.name} (${index + 1}) with ${mode} tuples`, () =>
            runMatrixTest(client, matrixTest, mode, tally));
        }
      for (const store of stores.filter(isEvaluable))
        test(`passes sample store ${store.path}`, async () => {
          assert.ok((await runSampleStore(client, store)) > 0, "a store without assertions proves nothing");
        });
    });
}
