import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type AdminSetup, ISSUER, openAdmin } from "./testing.ts";

describe("access to the administrator's API", () => {
  let setup: AdminSetup;
  before(async () => {
    setup = await openAdmin();
  });
  after(() => setup.storage.close());

  const get = async (token: string | null) => {
    const { status, body } = await setup.call("GET", "/connections", { token });
    return [status, body.code];
  };

  it("is given to an administrator's token", async () => {
    assert.deepEqual(await get(await setup.token(setup.root.id)), [200, undefined]);
  });

  it("is given to a client's own token with the scope, and the audit names the client", async () => {
    const token = await setup.token("console");
    const { status } = await setup.call("POST", "/clients/assistant/disable", { token });
    assert.equal(status, 200);
    const [event] = (await setup.audit.list({ action: "admin.client_disabled" })).events;
    assert.equal(event?.actor_id, "console");
    await setup.call("POST", "/clients/assistant/enable", { token });
  });

  it("is refused without a token", async () => {
    assert.deepEqual(await get(null), [401, "auth.token_missing"]);
  });

  it("is refused to what is no token", async () => {
    assert.deepEqual(await get("nonsense"), [401, "auth.token_invalid"]);
  });

  it("is refused to a token for another API", async () => {
    const token = await setup.token(setup.root.id, { audience: `${ISSUER}me/` });
    assert.deepEqual(await get(token), [401, "auth.token_invalid"]);
  });

  it("is refused to a token without the scope", async () => {
    const token = await setup.token(setup.root.id, { scope: "openid administrator" });
    assert.deepEqual(await get(token), [403, "auth.insufficient_scope"]);
  });

  it("is refused to an expired token", async () => {
    const token = await setup.token(setup.root.id);
    setup.time.now += 61_000;
    assert.deepEqual(await get(token), [401, "auth.token_invalid"]);
    setup.time.now -= 61_000;
  });

  it("is refused to a user who is no administrator, whatever the token says", async () => {
    const user = await setup.login.accounts.create({ email: "anne@example.com" });
    assert.deepEqual(await get(await setup.token(user.id)), [403, "admin.forbidden"]);
  });

  it("is refused to a user who does not exist", async () => {
    assert.deepEqual(await get(await setup.token("usr_none")), [401, "auth.token_invalid"]);
  });

  it("is refused to an administrator who was switched off", async () => {
    const other = await setup.login.accounts.create({ email: "other@example.com", role: "admin" });
    const token = await setup.token(other.id);
    assert.deepEqual(await get(token), [200, undefined]);
    await setup.call("POST", `/users/${other.id}/disable`);
    assert.deepEqual(await get(token), [401, "auth.token_invalid"]);
  });

  it("is refused to a token of a client that was switched off", async () => {
    const token = await setup.token(setup.root.id, { clientId: "assistant" });
    assert.deepEqual(await get(token), [200, undefined]);
    await setup.call("POST", "/clients/assistant/disable");
    assert.deepEqual(await get(token), [401, "auth.token_invalid"]);
    await setup.call("POST", "/clients/assistant/enable");
  });

  it("is checked before anything is said of an address, known or not", async () => {
    for (const path of ["/users", "/nothing/here", "/clients/assistant"])
      assert.equal((await setup.call("GET", path, { token: null })).status, 401, path);
  });

  it("answers 404 at an address that does not exist", async () => {
    const { status, body } = await setup.call("GET", "/nothing/here");
    assert.deepEqual([status, body.code], [404, "request.not_found"]);
  });

  it("answers are never cached", async () => {
    for (const token of [undefined, null]) {
      const { headers } = await setup.call("GET", "/users", token === undefined ? {} : { token });
      assert.equal(headers.get("cache-control"), "no-store");
    }
  });
});
