import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Person, signUp, tokenRequest } from "../support/person.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

const CIBA = "urn:openid:params:grant-type:ciba";
const PURCHASE = { type: "purchase", item: "kettle", quantity: 1, amount: "39.90", currency: "EUR" };

describe("approvals through CIBA", () => {
  let server: TestServer;
  let person: Person;

  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  async function ask(params: Record<string, string> = {}, clientId = "assistant"): Promise<Response> {
    return fetch(`${server.url}bc-authorize`, {
      method: "POST",
      body: new URLSearchParams({
        client_id: clientId,
        client_secret: TEST_SECRET,
        scope: "openid orders:create",
        audience: SHOP,
        login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: person.userId }),
        binding_message: "Buy a kettle?",
        authorization_details: JSON.stringify([PURCHASE]),
        ...params,
      }),
    });
  }

  const poll = (id: string, clientId = "assistant") =>
    tokenRequest(server.url, {
      grant_type: CIBA,
      auth_req_id: id,
      client_id: clientId,
      client_secret: TEST_SECRET,
    });

  /** Opens the newest request in the inbox and answers it. */
  async function answer(who: Person, decision: "approve" | "deny") {
    const inbox = await who.agent.open(`${server.url}approvals`);
    const path = /href="(\/approvals\/apr_[^"]+)"/.exec(inbox.text)?.[1];
    assert.ok(path, inbox.text);
    const page = await who.agent.open(new URL(path, server.url).href);
    return { page, result: await who.agent.submit(page, { decision }) };
  }

  async function fresh(): Promise<string> {
    person = await signUp(server.url);
    const response = await ask();
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(body.interval, 5);
    return body.auth_req_id;
  }

  it("answers the first poll with authorization_pending and a hasty one with slow_down", async () => {
    const id = await fresh();
    const first = await poll(id);
    assert.deepEqual([first.status, (await first.json()).error], [400, "authorization_pending"]);
    const hasty = await poll(id);
    assert.equal((await hasty.json()).error, "slow_down");
    assert.ok(Number(hasty.headers.get("retry-after")) >= 5);
  });

  it("shows the exact details, and gives a token that carries them once the person approves", async () => {
    const id = await fresh();
    const { page } = await answer(person, "approve");
    assert.match(page.text, /kettle/);
    assert.match(page.text, /39\.90/);
    const response = await poll(id);
    const tokens = await response.json();
    assert.equal(response.status, 200, JSON.stringify(tokens));
    const claims = JSON.parse(Buffer.from(tokens.access_token.split(".")[1], "base64url").toString());
    assert.deepEqual(claims.authorization_details, [PURCHASE]);
    assert.deepEqual(tokens.authorization_details, [PURCHASE]);
    assert.equal(claims.aud, SHOP);
    assert.equal(claims.sub, person.userId);
    assert.match(claims.approval_digest, /^[0-9a-f]{64}$/);
    assert.equal(tokens.refresh_token, undefined);
    assert.ok(tokens.id_token);
  });

  it("gives the token of one approval to exactly one of 64 callers", async () => {
    const id = await fresh();
    await answer(person, "approve");
    const responses = await Promise.all(Array.from({ length: 64 }, () => poll(id)));
    const winners = responses.filter((response) => response.status === 200);
    assert.equal(winners.length, 1);
    const losers = await Promise.all(responses.filter((r) => r.status !== 200).map((r) => r.json()));
    assert.ok(
      losers.every((body) => body.error === "invalid_grant"),
      JSON.stringify(losers[0]),
    );
  });

  it("tells the agent that the person said no", async () => {
    const id = await fresh();
    await answer(person, "deny");
    const body = await (await poll(id)).json();
    assert.deepEqual([body.error, body.code], ["access_denied", "approval.denied"]);
  });

  it("tells the agent that nobody answered in time", async () => {
    person = await signUp(server.url);
    const { auth_req_id: id } = await (await ask({ requested_expiry: "1" })).json();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const body = await (await poll(id)).json();
    assert.deepEqual([body.error, body.code], ["access_denied", "approval.expired"]);
  });

  it("does not tell another client that a request exists", async () => {
    const id = await fresh();
    const body = await (await poll(id, "other")).json();
    assert.deepEqual([body.error, body.code], ["invalid_grant", "approval.unknown"]);
  });

  it("shows another person nothing", async () => {
    const id = await fresh();
    const inbox = await person.agent.open(`${server.url}approvals`);
    const path = /href="(\/approvals\/apr_[^"]+)"/.exec(inbox.text)?.[1] ?? "";
    const stranger = await signUp(server.url);
    const page = await stranger.agent.open(new URL(path, server.url).href);
    assert.equal(page.status, 404);
    assert.equal((await (await poll(id)).json()).error, "authorization_pending");
  });

  it("refuses a request for an API that insists on details when it has none", async () => {
    person = await signUp(server.url);
    const body = await (await ask({ authorization_details: "" })).json();
    assert.deepEqual([body.error, body.code], ["invalid_authorization_details", "approval.details_required"]);
  });

  it("refuses a message that cannot be shown", async () => {
    person = await signUp(server.url);
    const body = await (await ask({ binding_message: "Go to https://example.com now" })).json();
    assert.equal(body.error, "invalid_binding_message");
  });

  it("refuses a user it does not know", async () => {
    const hint = JSON.stringify({ format: "iss_sub", iss: server.url, sub: "usr_nobody" });
    assert.equal((await (await ask({ login_hint: hint })).json()).error, "unknown_user_id");
  });

  it("refuses an audience that the client may not use", async () => {
    person = await signUp(server.url);
    const body = await (await ask({ audience: "https://elsewhere.example/" })).json();
    assert.equal(body.error, "invalid_target");
  });

  it("lets an action be approved that no API takes part in", async () => {
    person = await signUp(server.url);
    const details = JSON.stringify([{ type: "tool_call", tool: "sendReport", arguments: { to: "team" } }]);
    const response = await ask({ audience: "", scope: "openid", authorization_details: details });
    const { auth_req_id: id } = await response.json();
    await answer(person, "approve");
    const tokens = await (await poll(id)).json();
    assert.equal(tokens.authorization_details?.[0]?.tool, "sendReport", JSON.stringify(tokens));
  });
});
