import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { honest } from "../security/attack.ts";
import { type Person, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, type TestServer } from "../support/server.ts";

describe("what published SDKs send beside the protocol", () => {
  let server: TestServer;
  let person: Person;

  before(async () => {
    server = await startTestServer();
    person = await signUp(server.url);
  });
  after(() => server.close());

  const open = (params: Record<string, string>) =>
    person.agent.open(`${server.url}authorize?${new URLSearchParams(params)}`, {
      stopAt: (target) => target.startsWith(APP_URL),
    });

  it("changes nothing at the authorization endpoint", async () => {
    const telemetry = JSON.stringify({ name: "nextjs-auth0", version: "4.30.0" });
    const page = await open({
      ...honest(),
      auth0Client: Buffer.from(telemetry).toString("base64"),
      connection: "google-oauth2",
      "ext-plan": "gold",
      protocol: "oauth2",
      realm: "x",
    });
    assert.ok(new URL(page.address).searchParams.get("code"), page.text.slice(0, 300));
  });

  it("takes an authorization request as a form", async () => {
    const response = await person.agent.fetch(`${server.url}authorize`, {
      method: "POST",
      body: new URLSearchParams(honest()),
    });
    assert.equal(response.status, 303);
    const location = new URL(response.headers.get("location") ?? "", server.url);
    assert.equal(location.origin + location.pathname, `${server.url}authorize`);
    const page = await open(Object.fromEntries(location.searchParams));
    assert.ok(new URL(page.address).searchParams.get("code"));
  });

  it("refuses a form that names a parameter twice", async () => {
    const body = new URLSearchParams([...Object.entries(honest()), ["scope", "openid email"]]);
    const response = await fetch(`${server.url}authorize`, { method: "POST", body, redirect: "manual" });
    assert.deepEqual([response.status, (await response.json()).error], [400, "invalid_request"]);
  });
});
