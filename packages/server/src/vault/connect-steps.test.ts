import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import {
  APP_CALLBACK,
  type Bench,
  connect,
  connectFlow,
  createBench,
  expectJson,
  ISSUER,
  locationOf,
  refusal,
  testClient,
} from "./testing.ts";

/** Nothing of a connection exists. */
async function assertNothingConnected(bench: Bench): Promise<void> {
  assert.deepEqual(await bench.rows("connected_accounts"), []);
  await refusal(bench.exchange(), "vault.not_connected");
}

/** The first engine sees every case; what they share with the database, the others see in the first of them. */
function casesFor<T>(engine: { readonly name: string }, cases: readonly T[]): readonly T[] {
  return engine.name === testEngines()[0]?.name ? cases : cases.slice(0, 1);
}

for (const engine of testEngines()) {
  describe(`the provider's answer on ${engine.name}`, () => {
    /** As far as the callback; `change` alters its parameters. */
    async function answered(bench: Bench, change: (params: URLSearchParams) => void = () => undefined) {
      const flow = connectFlow(bench);
      const { ticket, authSession } = await flow.start();
      const callback = new URL(await flow.atProvider(locationOf(await flow.open(ticket))));
      change(callback.searchParams);
      return { flow, authSession, callback: callback.href };
    }

    it("is taken once", async () => {
      await using bench = await createBench(engine);
      const { callback } = await answered(bench);
      assert.match(locationOf(await bench.get(callback, bench.anne)), /^\/connect\/confirm/);
      assert.equal((await bench.get(callback, bench.anne)).status, 400);
    });

    it("Auth.js GHSA-x445-f3h2-j279: is refused in a browser where somebody else is logged in, and stays good where it was started", async () => {
      await using bench = await createBench(engine);
      const { callback } = await answered(bench);
      assert.equal((await bench.get(callback, bench.ben)).status, 403);
      assert.equal((await bench.get(callback)).status, 403);
      assert.equal(bench.provider.grants().length, 0, "the code was not sent");
      assert.match(locationOf(await bench.get(callback, bench.anne)), /^\/connect\/confirm/);
    });

    it("is refused in another login of the same person", async () => {
      await using bench = await createBench(engine);
      const { callback } = await answered(bench);
      const sessions = bench.deps.sessions as unknown as {
        start(request: Request, user: { id: string }, proof: { amr: string[] }): Promise<string>;
      };
      const cookie =
        (await sessions.start(new Request(ISSUER), bench.anne, { amr: ["pwd"] })).split(";")[0] ?? "";
      assert.equal((await bench.get(callback, { ...bench.anne, cookie })).status, 403);
      await assertNothingConnected(bench);
    });

    for (const [what, change] of casesFor(engine, [
      ["a forged state", (params: URLSearchParams) => params.set("state", "forged")],
      ["no state", (params: URLSearchParams) => params.delete("state")],
      ["two states", (params: URLSearchParams) => params.append("state", "x")],
      ["another issuer", (params: URLSearchParams) => params.set("iss", "https://evil.example")],
      ["no issuer although one is expected", (params: URLSearchParams) => params.delete("iss")],
      ["two issuers", (params: URLSearchParams) => params.append("iss", "https://evil.example")],
    ] as const))
      it(`is refused with ${what}, and no code is sent anywhere`, async () => {
        await using bench = await createBench(engine);
        const { callback } = await answered(bench, change);
        assert.equal((await bench.get(callback, bench.anne)).status, 400);
        assert.equal(bench.provider.grants().length, 0);
        await assertNothingConnected(bench);
      });

    it("is refused ten minutes after the start", async () => {
      await using bench = await createBench(engine);
      const { callback } = await answered(bench);
      bench.clock.advance(600_001);
      assert.equal((await bench.get(callback, bench.anne)).status, 400);
      await assertNothingConnected(bench);
    });

    it("leads back to the application when the person said no there", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      const callback = await flow.atProvider(locationOf(await flow.open(ticket)), "deny");
      const back = new URL(locationOf(await bench.get(callback, bench.anne)));
      assert.equal(back.searchParams.get("error"), "access_denied");
      assert.equal(back.searchParams.get("state"), "app-state");
      assert.equal(back.searchParams.get("connect_code"), null);
      await assertNothingConnected(bench);
    });

    it("does not carry the provider's own words to the application", async () => {
      await using bench = await createBench(engine);
      const { callback } = await answered(bench, (params) => {
        params.delete("code");
        params.set("error", "made_up");
        params.set("error_description", "<b>dial this number</b>");
      });
      const back = locationOf(await bench.get(callback, bench.anne));
      assert.equal(new URL(back).searchParams.get("error"), "server_error");
      assert.ok(!back.includes("dial"));
    });

    for (const [fault, error] of casesFor(engine, [
      [{ status500: {} }, "temporarily_unavailable"],
      [{ html: {} }, "temporarily_unavailable"],
      [{ resetConnection: {} }, "temporarily_unavailable"],
      [{ redirect: { location: "https://evil.example/" } }, "temporarily_unavailable"],
      [{ okWithError: { error: "invalid_client" } }, "server_error"],
      [{ status500: { endpoints: ["userinfo"] } }, "server_error"],
    ] as const))
      it(`ends with ${error} when the provider answers with ${JSON.stringify(fault)}`, async () => {
        await using bench = await createBench(engine);
        const { callback } = await answered(bench);
        bench.provider.switches.set(fault);
        const back = new URL(locationOf(await bench.get(callback, bench.anne)));
        assert.equal(back.searchParams.get("error"), error);
        await assertNothingConnected(bench);
      });
  });

  describe(`the user's word on ${engine.name}`, () => {
    async function parked(bench: Bench) {
      const flow = connectFlow(bench);
      const { ticket, authSession } = await flow.start();
      const callback = await flow.atProvider(locationOf(await flow.open(ticket)));
      return { flow, authSession, path: locationOf(await bench.get(callback, bench.anne)) };
    }

    it("is asked for with the provider, the account, the agent and what it may do", async () => {
      await using bench = await createBench(engine);
      const { path } = await parked(bench);
      const page = await (await bench.get(path, bench.anne)).text();
      for (const words of ["Sandbox Calendar", "anne.lee@calendar.example", "agent", "See your events"])
        assert.ok(page.includes(words), words);
      assert.ok(!page.includes("Add events"), "not what was not asked for");
    });

    it("is asked of the person who started alone", async () => {
      await using bench = await createBench(engine);
      const { path, flow } = await parked(bench);
      assert.equal((await bench.get(path, bench.ben)).status, 400);
      assert.equal((await flow.confirm(path, "confirm", bench.ben)).status, 403);
      await assertNothingConnected(bench);
    });

    it("does not count without the form's own token, or from another page", async () => {
      await using bench = await createBench(engine);
      const { path } = await parked(bench);
      const page = await (await bench.get(path, bench.anne)).text();
      const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const transaction = /name="transaction" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const fields = { csrf, transaction, decision: "confirm" };
      const post = (change: object, headers = {}) =>
        bench.post("/connect/confirm", bench.anne, { ...fields, ...change }, headers);
      assert.equal((await post({ csrf: "guess" })).status, 403);
      assert.equal((await post({}, { origin: "https://evil.example" })).status, 403);
      assert.equal((await post({ decision: "maybe" })).status, 400);
      assert.equal((await post({})).status, 303);
    });

    it("throws the tokens away when it is no, and the provider's grant with them", async () => {
      await using bench = await createBench(engine);
      const { path, flow } = await parked(bench);
      const back = new URL(locationOf(await flow.confirm(path, "cancel")));
      assert.equal(back.searchParams.get("error"), "access_denied");
      assert.equal(bench.provider.grants()[0]?.revoked_because, "revoked_by_client");
      await assertNothingConnected(bench);
    });

    it("does not end the grant of a connected account when a second connection is called off", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const { path, flow } = await parked(bench);
      await flow.confirm(path, "cancel");
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at === null));
      await bench.exchange();
    });

    it("never coming, the tokens are revoked once the time is over", async () => {
      await using bench = await createBench(engine);
      await parked(bench);
      bench.clock.advance(700_000);
      await bench.vault.tick();
      assert.deepEqual(await bench.rows("connect_transactions"), []);
      bench.clock.advance(61_000);
      await bench.vault.tick();
      assert.equal(bench.provider.grants()[0]?.revoked_because, "revoked_by_client");
    });

    it("makes one code however often it is given", async () => {
      await using bench = await createBench(engine);
      const { path } = await parked(bench);
      const page = await (await bench.get(path, bench.anne)).text();
      const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const transaction = /name="transaction" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const post = () =>
        bench.post("/connect/confirm", bench.anne, { csrf, transaction, decision: "confirm" });
      const answers = await Promise.all(Array.from({ length: 8 }, post));
      assert.equal(answers.filter((answer) => answer.status === 303).length, 1);
      assert.equal((await post()).status, 400);
    });
  });

  describe(`completing on ${engine.name}`, () => {
    it("is done once, by one of many who try at once", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { authSession, connectCode } = await flow.untilCode();
      const tries = Array.from({ length: 16 }, () => flow.complete(authSession, connectCode));
      const statuses = (await Promise.all(tries)).map((response) => response.status);
      assert.deepEqual(
        statuses.filter((status) => status === 201),
        [201],
      );
      assert.equal((await flow.complete(authSession, connectCode)).status, 400);
      assert.equal((await bench.rows("connected_accounts")).length, 1);
    });

    for (const [what, change] of casesFor(engine, [
      ["a wrong code", { connect_code: "A".repeat(43) }],
      ["a wrong verifier", { code_verifier: "v".repeat(43) }],
      ["another redirect_uri", { redirect_uri: "https://app.example/other" }],
      ["another auth_session", { auth_session: "s".repeat(43) }],
    ] as const))
      it(`is refused with ${what}, and still works with the right one`, async () => {
        await using bench = await createBench(engine);
        const flow = connectFlow(bench);
        const { authSession, connectCode } = await flow.untilCode();
        const answer = await expectJson(await flow.complete(authSession, connectCode, change), 400);
        assert.equal(answer["code"], "vault.connect_invalid");
        await assertNothingConnected(bench);
        assert.equal((await flow.complete(authSession, connectCode)).status, 201);
      });

    it("better-auth GHSA-g38m-r43w-p2q7: is refused to another user and to another client", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { authSession, connectCode } = await flow.untilCode();
      const body = {
        auth_session: authSession,
        connect_code: connectCode,
        redirect_uri: APP_CALLBACK,
        code_verifier: flow.verifier,
      };
      const foreign = [{ person: bench.ben }, { clientId: "reader" }];
      for (const who of foreign)
        assert.equal((await bench.me({ method: "POST", path: "/complete", body, ...who })).status, 400);
      await assertNothingConnected(bench);
    });

    it("is refused before the user has confirmed, and after ten minutes", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { authSession } = await flow.start();
      assert.equal((await flow.complete(authSession, "A".repeat(43))).status, 400);
      const other = connectFlow(bench);
      const { authSession: late, connectCode } = await other.untilCode();
      bench.clock.advance(600_001);
      assert.equal((await other.complete(late, connectCode)).status, 400);
      await assertNothingConnected(bench);
    });

    it("is refused when the agent lost the connection meanwhile", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { authSession, connectCode } = await flow.untilCode();
      bench.clients.set("agent", testClient("agent", [], { agent: undefined }));
      assert.equal((await flow.complete(authSession, connectCode)).status, 403);
    });
  });
}
