import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { decode, honest } from "../security/attack.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

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

  describe("log-out by the older address", () => {
    const logout = (agent: Person["agent"], params: Record<string, string>) =>
      agent.open(`${server.url}v2/logout?${new URLSearchParams(params)}`, {
        stopAt: (target) => !target.startsWith(server.url),
      });
    const isLoggedIn = async ({ agent }: Person) =>
      (await agent.fetch(`${server.url}profile`)).status === 200;

    for (const more of [{}, { federated: "" }, { federated: "1" }, { auth0Client: "e30=", logout_hint: "x" }])
      it(`asks, ends the session and goes back, with ${JSON.stringify(more)} beside`, async () => {
        const one = await signUp(server.url);
        const page = await logout(one.agent, { client_id: "assistant", returnTo: APP_URL, ...more });
        assert.equal(page.status, 200);
        assert.ok(await isLoggedIn(one), "a link alone ends nothing");
        const back = await one.agent.submit(
          page,
          { logout: "yes" },
          { stopAt: (to) => to.startsWith(APP_URL) },
        );
        assert.equal(new URL(back.address).origin, APP_URL);
        assert.ok(!(await isLoggedIn(one)));
      });

    it("without a client goes nowhere but to its own page", async () => {
      for (const returnTo of ["", APP_URL, "https://evil.example/", "//evil.example", "javascript:1"]) {
        const one = await signUp(server.url);
        const page = await logout(one.agent, returnTo ? { returnTo } : {});
        assert.equal(page.status, 200, returnTo);
        assert.doesNotMatch(page.headers.get("content-security-policy") ?? "", /evil|3999/);
        const done = await one.agent.submit(page, { logout: "yes" });
        assert.deepEqual([done.status, new URL(done.address).origin], [200, new URL(server.url).origin]);
        assert.ok(!(await isLoggedIn(one)));
      }
    });

    it("refuses an address of another client", async () => {
      const page = await logout(person.agent, { client_id: "other", returnTo: APP_URL });
      assert.equal(page.status, 400);
    });
  });

  describe("at the token endpoint", () => {
    const MACHINE = { grant_type: "client_credentials", audience: SHOP, scope: "orders:read" };
    const send = async (body: RequestInit["body"], headers: Record<string, string> = {}) => {
      const init = { method: "POST", body, headers, duplex: "half" } as RequestInit;
      const response = await fetch(`${server.url}oauth/token`, init);
      return { status: response.status, body: await response.json() };
    };
    const basic = (id: string) => ({
      authorization: `Basic ${Buffer.from(`${id}:${TEST_SECRET}`).toString("base64")}`,
    });

    it("takes the id beside HTTP Basic when it is the same, and refuses another", async () => {
      const form = (id: string) => new URLSearchParams({ ...MACHINE, client_id: id });
      assert.equal((await send(form("assistant"), basic("assistant"))).status, 200);
      for (const [inBody, inHeader] of [
        ["other", "assistant"],
        ["assistant", "other"],
        ["", "nobody"],
      ] as const) {
        const { status, body } = await send(form(inBody), basic(inHeader));
        assert.ok(status >= 400 && status < 500, `${inBody} ${inHeader}`);
        assert.ok(["invalid_client", "invalid_request"].includes(body.error), body.error);
      }
    });

    it("takes JSON in pieces of unknown length", async () => {
      const text = JSON.stringify({ ...MACHINE, client_id: "assistant", client_secret: TEST_SECRET });
      const pieces = [text.slice(0, 7), text.slice(7, 40), text.slice(40)];
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
          controller.close();
        },
      });
      const { status, body } = await send(stream, { "content-type": "application/json" });
      assert.deepEqual([status, typeof body.access_token], [200, "string"]);
    });

    for (const audience of ["", "None"])
      it(`takes the audience ${JSON.stringify(audience)} for none`, async () => {
        const { status, body } = await send(
          new URLSearchParams({
            grant_type: "refresh_token",
            client_id: "assistant",
            client_secret: TEST_SECRET,
            audience,
            refresh_token: (await logIn(server.url, person.agent)).refresh_token ?? "",
          }),
        );
        assert.equal(status, 200);
        assert.ok(!body.access_token.includes("."), "a token for no API");
      });

    it("switches the audience at a refresh within the client's policy, and to nothing else", async () => {
      const { refresh_token = "" } = await logIn(server.url, person.agent);
      const refresh = (audience: string) =>
        send(
          new URLSearchParams({
            grant_type: "refresh_token",
            client_id: "assistant",
            client_secret: TEST_SECRET,
            refresh_token,
            audience,
          }),
        );
      const { body } = await refresh(SHOP);
      assert.ok([decode(body.access_token).claims["aud"]].flat().includes(SHOP));
      assert.equal((await refresh("https://none.example/")).body.error, "invalid_target");
    });
  });
});
