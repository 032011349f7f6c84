import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import {
  APP_CALLBACK,
  connect,
  connectFlow,
  createBench,
  expectJson,
  ISSUER,
  locationOf,
  testClient,
} from "./testing.ts";

for (const engine of testEngines()) {
  describe(`connecting an account on ${engine.name}`, () => {
    it("stores the account once its user has confirmed it", async () => {
      await using bench = await createBench(engine);
      const account = await connect(bench, { scopes: ["calendar.read"] });
      assert.match(String(account["id"]), /^cac_[0-9a-z]{26}$/);
      assert.equal(account["connection"], "calendar");
      assert.equal(account["access_type"], "offline");
      assert.deepEqual(account["scopes"], ["calendar.read", "email", "offline_access", "profile"]);
      assert.equal(account["created_at"], new Date(bench.clock.now()).toISOString());
      assert.equal(account["expires_at"], undefined);
      const [row] = await bench.rows("connected_accounts");
      assert.equal(row?.external_id, "acc_personal");
      assert.equal(row?.label, "anne.lee@calendar.example");
      assert.deepEqual(await bench.actions(), ["vault.connect_started", "vault.account_connected"]);
    });

    it("tells the application where to send the browser, without a query of its own", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const response = await bench.me({ method: "POST", path: "/connect", body: flow.startBody });
      const answer = await expectJson(response, 201);
      assert.equal(answer["connect_uri"], `${ISSUER}connect`);
      assert.equal(answer["expires_in"], 300);
      assert.ok(String(answer["auth_session"]).length <= 64);
      assert.equal(response.headers.get("cache-control"), "no-store");
    });

    it("sends the browser to the provider with PKCE, state and the one callback address", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench, { body: { authorization_params: { login_hint: "acc_work" } } });
      const { ticket } = await flow.start();
      const { searchParams } = new URL(locationOf(await flow.open(ticket)));
      assert.equal(searchParams.get("redirect_uri"), `${ISSUER}login/callback`);
      assert.equal(searchParams.get("code_challenge_method"), "S256");
      assert.equal(searchParams.get("login_hint"), "acc_work");
      assert.equal(searchParams.get("access_type"), "offline");
      assert.notEqual(searchParams.get("state"), flow.state);
      assert.equal(searchParams.get("scope"), "profile email offline_access calendar.read");
    });

    it("hands the application its code and its state, and nothing else", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      const callback = await flow.atProvider(locationOf(await flow.open(ticket)));
      const parked = locationOf(await bench.get(callback, bench.anne));
      const returned = new URL(locationOf(await flow.confirm(parked)));
      assert.equal(returned.origin + returned.pathname, APP_CALLBACK);
      assert.deepEqual([...returned.searchParams.keys()], ["connect_code", "state"]);
      assert.equal(returned.searchParams.get("state"), "app-state");
      assert.ok((returned.searchParams.get("connect_code") ?? "").length <= 46);
    });

    it("brings an account that is connected already up to date, under the same id", async () => {
      await using bench = await createBench(engine);
      const first = await connect(bench, { scopes: ["calendar.read"] });
      const second = await connect(bench, { scopes: ["calendar.write"] });
      assert.equal(second["id"], first["id"]);
      assert.deepEqual(second["scopes"], [
        "calendar.read",
        "calendar.write",
        "email",
        "offline_access",
        "profile",
      ]);
      assert.equal((await bench.rows("connected_accounts")).length, 1);
    });

    it("keeps the refresh token when the provider issues one at the first consent only", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.provider.switches.set({ refreshTokenOnFirstConsentOnly: true });
      await connect(bench);
      bench.clock.advance(3_600_000);
      await bench.exchange();
      assert.equal(bench.refreshes(), 1);
    });

    it("connects a second account of the same connection beside the first", async () => {
      await using bench = await createBench(engine);
      const first = await connect(bench, { account: "acc_personal" });
      const second = await connect(bench, { account: "acc_work" });
      assert.notEqual(second["id"], first["id"]);
    });

    it("keeps the accounts of two users apart though they are one account at the provider", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { person: bench.anne });
      await connect(bench, { person: bench.ben });
      const rows = await bench.rows("connected_accounts");
      assert.deepEqual(new Set(rows.map((row) => row.user_id)), new Set([bench.anne.id, bench.ben.id]));
    });

    it("sends a browser without a login to log in, and uses nothing up", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      const away = locationOf(await bench.get(`/connect?ticket=${ticket}`));
      assert.match(away, /login/);
      assert.ok(decodeURIComponent(away).includes(`/connect?ticket=${ticket}`));
      assert.match(locationOf(await flow.open(ticket)), /\/authorize\?/);
    });

    it("refuses a link that somebody else opens, and leaves it to the one who started", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      const page = await flow.open(ticket, bench.ben);
      assert.equal(page.status, 403);
      assert.match(await page.text(), /ben@example\.com/);
      assert.equal(bench.provider.log().length, 0);
      assert.match(locationOf(await flow.open(ticket)), /\/authorize\?/);
    });

    it("opens a link once", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      await flow.open(ticket);
      assert.equal((await flow.open(ticket)).status, 400);
    });

    it("lets exactly one of many who open a link at once go on", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      const opened = await Promise.all(Array.from({ length: 16 }, () => flow.open(ticket)));
      assert.equal(opened.filter((response) => response.status === 303).length, 1);
    });

    it("refuses a link that is older than five minutes", async () => {
      await using bench = await createBench(engine);
      const flow = connectFlow(bench);
      const { ticket } = await flow.start();
      bench.clock.advance(300_001);
      assert.equal((await flow.open(ticket)).status, 400);
    });
  });
}

// What is refused before anything is stored needs one engine.
describe("a connect link is refused", () => {
  for (const [what, path] of [
    ["without a ticket", "/connect"],
    ["with two tickets", "/connect?ticket=a&ticket=b"],
    ["with an unknown ticket", "/connect?ticket=unknown"],
    ["with an endless ticket", `/connect?ticket=${"a".repeat(5_000)}`],
  ] as const)
    it(what, async () => {
      await using bench = await createBench();
      assert.equal((await bench.get(path, bench.anne)).status, 400);
    });
});

describe("starting is refused", () => {
  const refused = [
    ["for an unknown connection", { connection: "nowhere" }, 400, "vault.unknown_connection"],
    ["for a scope beyond the policy", { scopes: ["calendar.delete"] }, 403, "vault.scope_not_allowed"],
    [
      "for an unregistered redirect_uri",
      { redirect_uri: `${APP_CALLBACK}/` },
      400,
      "vault.redirect_uri_not_registered",
    ],
    ["with the plain method", { code_challenge_method: "plain" }, 400, "request.invalid"],
    ["without a challenge", { code_challenge: undefined }, 400, "request.invalid"],
    ["with a short challenge", { code_challenge: "short" }, 400, "request.invalid"],
    ["with no scope in the list", { scopes: [] }, 400, "request.invalid"],
    ["with a scope twice", { scopes: ["calendar.read", "calendar.read"] }, 400, "request.invalid"],
    ["with a long state", { state: "s".repeat(4_097) }, 400, "request.invalid"],
    ["with a member nobody knows", { extra: true }, 400, "request.invalid"],
    [
      "with a parameter that is ours to set",
      { authorization_params: { redirect_uri: "https://evil.example" } },
      400,
      "request.invalid",
    ],
  ] as const;
  for (const [what, body, status, code] of refused)
    it(what, async () => {
      await using bench = await createBench();
      const flow = connectFlow(bench, { body });
      const response = await bench.me({ method: "POST", path: "/connect", body: flow.startBody });
      const answer = await expectJson(response, status);
      assert.equal(answer["code"], code);
      assert.deepEqual(await bench.rows("connect_transactions"), []);
    });

  it("with the name and place of each wrong member", async () => {
    await using bench = await createBench();
    const flow = connectFlow(bench, { body: { state: 1, authorization_params: { prompt: "often" } } });
    const response = await bench.me({ method: "POST", path: "/connect", body: flow.startBody });
    const { validation_errors: problems } = await expectJson(response, 400);
    const fields = (problems as { field: string; pointer: string; source: string }[]).map(
      ({ field, pointer, source }) => `${source} ${field} ${pointer}`,
    );
    assert.deepEqual(fields.sort(), [
      "body authorization_params.prompt /authorization_params/prompt",
      "body state /state",
    ]);
  });

  it("for a client that is no agent, and for one that was switched off", async () => {
    await using bench = await createBench();
    const { startBody: body } = connectFlow(bench);
    bench.clients.set("plain", testClient("plain", [], { agent: undefined }));
    const call = { method: "POST", path: "/connect", body };
    assert.equal((await bench.me({ ...call, clientId: "plain" })).status, 403);
    bench.clients.set("agent", testClient("agent", ["calendar.read"], { disabledAt: 1 }));
    assert.equal((await bench.me(call)).status, 401);
  });

  it("without the scope that creates, and without a token", async () => {
    await using bench = await createBench();
    const { startBody: body } = connectFlow(bench);
    const scopes = ["read:me:connected_accounts"];
    const response = await bench.me({ method: "POST", path: "/connect", body, scopes });
    assert.equal(response.status, 403);
    const bare = await bench.vault.routes.request(`${ISSUER}me/v1/connected-accounts/connect`, {
      method: "POST",
    });
    assert.equal(bare.status, 401);
  });

  it("when the user has too many connections under way", async () => {
    await using bench = await createBench();
    for (let i = 0; i < 20; i++) await connectFlow(bench).start();
    const { startBody: body } = connectFlow(bench);
    assert.equal((await bench.me({ method: "POST", path: "/connect", body })).status, 429);
    bench.clock.advance(600_001);
    await connectFlow(bench).start();
  });
});
