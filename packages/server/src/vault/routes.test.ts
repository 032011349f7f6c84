import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import { connect, createBench, expectJson, ISSUER, testClient } from "./testing.ts";

for (const engine of testEngines()) {
  describe(`the My Account API on ${engine.name}`, () => {
    it("lists the user's accounts and nobody else's, a page at a time", async () => {
      await using bench = await createBench(engine);
      const ids: unknown[] = [];
      for (const account of ["acc_personal", "acc_work", "acc_household"])
        ids.push((await connect(bench, { account }))["id"]);
      await connect(bench, { person: bench.ben });
      const seen: unknown[] = [];
      let query = "?take=2";
      for (let page = 0; page < 5 && query !== ""; page++) {
        const answer = await expectJson(await bench.me({ path: `/accounts${query}` }), 200);
        seen.push(...(answer["accounts"] as { id: string }[]).map(({ id }) => id));
        // The published SDKs of two languages name the cursor differently.
        const name = page % 2 === 0 ? "next" : "from";
        query = answer["next"] === undefined ? "" : `?take=2&${name}=${answer["next"]}`;
      }
      assert.deepEqual(seen, ids);
    });

    it("lists the accounts of one connection", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const listed = async (query: string) =>
        (await expectJson(await bench.me({ path: `/accounts${query}` }), 200))["accounts"] as unknown[];
      assert.equal((await listed("?connection=calendar")).length, 1);
      assert.equal((await listed("?connection=other")).length, 0);
    });

    for (const query of ["?take=0", "?take=21", "?take=x", "?take=1&take=2", "?next=a&from=b", "?next=a%00b"])
      it(`refuses the page ${query}`, async () => {
        await using bench = await createBench(engine);
        const answer = await expectJson(await bench.me({ path: `/accounts${query}` }), 400);
        assert.equal(answer["code"], "request.invalid");
        assert.equal((answer["validation_errors"] as unknown[]).length, 1);
      });

    it("lists the connections that the client may use, with the scopes it may have", async () => {
      await using bench = await createBench(engine);
      const ofReader = await expectJson(await bench.me({ path: "/connections", clientId: "reader" }), 200);
      assert.deepEqual(ofReader["connections"], [
        { name: "calendar", strategy: "oauth2", scopes: ["calendar.read"] },
      ]);
      bench.clients.set("plain", testClient("plain", [], { agent: undefined }));
      const ofPlain = await expectJson(await bench.me({ path: "/connections", clientId: "plain" }), 200);
      assert.deepEqual(ofPlain["connections"], []);
    });

    it("refuses each call without its scope", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench);
      const only = (verb: string) => ({ scopes: [`${verb}:me:connected_accounts`] });
      assert.equal((await bench.me({ path: "/accounts", ...only("delete") })).status, 403);
      assert.equal((await bench.me({ path: "/connections", ...only("create") })).status, 403);
      const call = { method: "DELETE", path: `/accounts/${id}` };
      assert.equal((await bench.me({ ...call, ...only("read") })).status, 403);
    });

    it("disconnects by DELETE, also when it is sent again", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench);
      const call = { method: "DELETE", path: `/accounts/${id}` };
      assert.equal((await bench.me(call)).status, 204);
      assert.equal((await bench.me(call)).status, 204);
      const answer = await expectJson(await bench.me({ path: "/accounts" }), 200);
      assert.deepEqual(answer["accounts"], []);
    });

    it("does not tell a foreign account from one that does not exist", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench, { person: bench.ben });
      const tell = async (path: string) => {
        const { request_id: _id, ...rest } = await expectJson(
          await bench.me({ method: "DELETE", path }),
          404,
        );
        return rest;
      };
      assert.deepEqual(await tell(`/accounts/${id}`), await tell("/accounts/cac_none"));
      assert.equal((await bench.rows("connected_accounts"))[0]?.status, "active");
    });

    it("answers a browser's preflight from any origin, without cookies", async () => {
      await using bench = await createBench(engine);
      const response = await bench.vault.routes.request(`${ISSUER}me/v1/connected-accounts/connect`, {
        method: "OPTIONS",
        headers: {
          origin: "https://spa.example",
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,content-type,auth0-client",
        },
      });
      assert.equal(response.status, 204);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      assert.equal(response.headers.get("access-control-allow-credentials"), null);
    });
  });
}
