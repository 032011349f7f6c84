import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { CALLBACK, type Person, signUp } from "../support/person.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { CREDENTIALS, codeFor, forge, honest, openAuthorize, post, redeemCode, VERIFIER } from "./attack.ts";

const MACHINE = { grant_type: "client_credentials", audience: SHOP, ...CREDENTIALS };
const ENDPOINTS: Readonly<Record<string, Record<string, string>>> = {
  "oauth/token": { ...MACHINE, scope: "orders:read" },
  "oauth/par": { ...honest(), ...CREDENTIALS },
  "oauth/revoke": { token: "x", token_type_hint: "refresh_token", ...CREDENTIALS },
  "bc-authorize": { scope: "openid", login_hint: "x", binding_message: "x", ...CREDENTIALS },
};

/** KC CVE-2026-9689, CVE-2026-9793, CVE-2026-7571; MCP Go SDK CVE-2026-27896; MCP TS SDK duplicates; T25, T26, T27. */
for (const engine of protocolEngines) {
  describe(`parameters on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const send = (body: string | Uint8Array<ArrayBuffer>, type: string, path = "oauth/token") =>
      fetch(`${server.url}${path}`, { method: "POST", headers: { "content-type": type }, body });
    const members = Object.entries(MACHINE).map(
      ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
    );

    it("are refused on the authorization endpoint when any of them comes twice", async () => {
      const named = {
        ...honest(),
        audience: SHOP,
        prompt: "none",
        max_age: "10",
        login_hint: "x",
        response_mode: "query",
      };
      for (const name of Object.keys(named)) {
        const twice: [string, string][] = [...Object.entries(named), [name, "other"]];
        const page = await openAuthorize(server.url, person.agent, twice);
        const error = new URL(page.address).searchParams.get("error");
        assert.ok(page.status === 400 || error === "invalid_request", `${name}: ${page.address}`);
      }
    });

    for (const [path, params] of Object.entries(ENDPOINTS))
      it(`are refused at /${path} when any of them comes twice, known or not`, async () => {
        for (const name of [...Object.keys(params), "unknown"])
          for (const value of [params[name] ?? "1", "other", ""]) {
            const twice: [string, string][] = [...Object.entries({ unknown: "1", ...params }), [name, value]];
            const { status, body } = await post(`${server.url}${path}`, twice);
            assert.deepEqual([status, body["error"]], [400, "invalid_request"], name);
          }
      });

    it("count in the body alone: the query of a POST adds nothing and changes nothing", async () => {
      const response = await post(
        `${server.url}oauth/token?grant_type=password&scope=orders:create`,
        MACHINE,
      );
      assert.equal(response.status, 200);
      assert.equal(response.body["scope"], undefined);
      const bare = await post(`${server.url}oauth/token?${new URLSearchParams(MACHINE)}`, {});
      assert.equal(bare.status, 400);
    });

    it("come as JSON when each is a string", async () => {
      const response = await send(`{${[...members, '"login_hint":null'].join(",")}}`, "application/json");
      assert.equal(response.status, 200);
    });

    for (const [trick, body] of Object.entries({
      "a name twice": `{"grant_type":"password",${members.join(",")}}`,
      "a name twice, once escaped": `{"grant_typ\\u0065":"password",${members.join(",")}}`,
      "a name twice with the same value": `{${[...members, members[0]].join(",")}}`,
      "an array": `{${members.join(",")},"resource":["${SHOP}"]}`,
      "an array around a value": `{${members.slice(1).join(",")},"grant_type":["client_credentials"]}`,
      "an object": `{${members.join(",")},"scope":{"a":"orders:read"}}`,
      "a number": `{${members.join(",")},"scope":1}`,
      true: `{${members.join(",")},"scope":true}`,
      "a prototype": `{"__proto__":{"grant_type":"client_credentials"},${members.slice(1).join(",")}}`,
      "a list of all": `[{${members.join(",")}}]`,
      "text after the end": `{${members.join(",")}}{}`,
      "a comment": `{/**/${members.join(",")}}`,
      "a text alone": '"grant_type=client_credentials"',
      null: "null",
      nothing: "",
      NaN: "NaN",
      "brackets a thousand deep": `${"[".repeat(1_000)}${"]".repeat(1_000)}`,
      "objects a thousand deep": `${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}`,
    }))
      it(`MCP Go SDK CVE-2026-27896: are refused as JSON that holds ${trick}`, async () => {
        const response = await send(body, "application/json");
        assert.deepEqual([response.status, (await response.json()).error], [400, "invalid_request"]);
      });

    it("are refused in a body that is neither form nor JSON, or not UTF-8", async () => {
      const form = new URLSearchParams(MACHINE).toString();
      for (const type of [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "application/jsonp",
        "application/json+x",
        "text/json",
        "x/application/json",
        "*/*",
      ])
        for (const body of [form, `{${members.join(",")}}`])
          assert.equal((await send(body, type)).status, 400, type);
      const broken = new Uint8Array([...Buffer.from(`${form}&unknown=`), 0xc3, 0x28]);
      assert.equal((await send(broken, "application/x-www-form-urlencoded")).status, 400);
      assert.equal((await send(form, "APPLICATION/X-WWW-FORM-URLENCODED ; charset=utf-8")).status, 200);
    });

    it("never break the server, whatever characters they hold", async () => {
      const odd = [
        "\0",
        "a\0b",
        "\ud800",
        "'",
        "' or 1=1 --",
        '"',
        "\\",
        "%",
        "\u202e",
        "x".repeat(4_000),
        "__proto__",
        "constructor",
      ];
      for (const value of odd) {
        const asked = [
          fetch(`${server.url}authorize?${new URLSearchParams({ ...honest(), client_id: value })}`),
          fetch(
            `${server.url}authorize?${new URLSearchParams({ ...honest(), login_hint: value, state: value, nonce: value })}`,
          ),
          fetch(
            `${server.url}login?${new URLSearchParams({ client_id: value, return_to: value, login_hint: value })}`,
          ),
          fetch(`${server.url}oidc/logout?${new URLSearchParams({ client_id: value })}`),
          fetch(
            `${server.url}oidc/logout?${new URLSearchParams({ id_token_hint: forge({ alg: "none" }, { aud: [value] }, undefined) })}`,
          ),
          post(`${server.url}oauth/token`, { ...MACHINE, client_id: value }),
          post(`${server.url}oauth/token`, { ...MACHINE, scope: value }),
          post(`${server.url}oauth/token`, { ...MACHINE, audience: value }),
          post(`${server.url}oauth/token`, { ...CREDENTIALS, grant_type: value }),
          post(`${server.url}oauth/token`, {
            ...CREDENTIALS,
            grant_type: "refresh_token",
            refresh_token: value,
          }),
          post(`${server.url}oauth/revoke`, { ...CREDENTIALS, token: value, token_type_hint: value }),
          post(`${server.url}bc-authorize`, {
            ...ENDPOINTS["bc-authorize"],
            login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: value }),
          }),
        ];
        for (const [i, { status }] of (await Promise.all(asked)).entries())
          assert.ok(status < 500, `request ${i} with ${JSON.stringify(value.slice(0, 20))}: ${status}`);
      }
    });

    it("cannot say by themselves that offline access was asked for", async () => {
      for (const extra of [
        [],
        [
          ["x", "1"],
          ["x", "2"],
        ],
      ] as [string, string][][]) {
        const params: [string, string][] = [...Object.entries(honest()), ["behalf_offline", "1"], ...extra];
        const page = await openAuthorize(server.url, person.agent, params);
        const code = new URL(page.address).searchParams.get("code") ?? "";
        assert.equal((await redeemCode(server.url, code)).body.refresh_token, undefined);
      }
      const pushed = await post(`${server.url}oauth/par`, {
        ...honest(),
        ...CREDENTIALS,
        behalf_offline: "1",
      });
      const page = await openAuthorize(server.url, person.agent, {
        client_id: "assistant",
        request_uri: pushed.body["request_uri"] ?? "",
        behalf_offline: "1",
        scope: "openid offline_access",
      });
      const code = new URL(page.address).searchParams.get("code") ?? "";
      assert.equal((await redeemCode(server.url, code)).body.refresh_token, undefined);
    });

    it("KC CVE-2026-9793: come by value: request objects and other request_uri values are refused unread", async () => {
      const claims = { ...honest(), iss: "assistant", aud: server.url, redirect_uri: CALLBACK };
      const secret = Buffer.from(TEST_SECRET);
      const objects = [
        forge({ alg: "none" }, claims, undefined),
        forge({ alg: "HS256" }, claims, secret),
        JSON.stringify(claims),
        "x.y.z.a.b",
      ];
      for (const request of objects) {
        const page = await openAuthorize(server.url, person.agent, {
          client_id: "assistant",
          redirect_uri: CALLBACK,
          response_type: "code",
          request,
        });
        assert.match(page.address + page.text, /request_not_supported/);
        const pushed = await post(`${server.url}oauth/par`, { ...CREDENTIALS, request });
        assert.deepEqual([pushed.status, pushed.body["error"]], [400, "request_not_supported"]);
      }
      for (const uri of [
        "https://evil.example/r",
        `${server.url}r`,
        "urn:x",
        "urn:ietf:params:oauth:request_uri:",
        "data:,x",
      ]) {
        const page = await openAuthorize(server.url, person.agent, { ...honest(), request_uri: uri });
        assert.match(page.address + page.text, /request_uri_not_supported|invalid_request_uri/, uri);
      }
    });

    it("that were pushed are the client's own, and used once", async () => {
      const push = async () =>
        (await post(`${server.url}oauth/par`, { ...honest(), ...CREDENTIALS })).body["request_uri"] ?? "";
      const uri = await push();
      const open = (client_id: string, request_uri: string) =>
        openAuthorize(server.url, person.agent, { client_id, request_uri });
      assert.match((await open("other", uri)).address, /error=invalid_request/);
      assert.match((await open("assistant", uri)).address, /code=/);
      assert.doesNotMatch((await open("assistant", uri)).address, /code=/);
      const second = await push();
      const both = await Promise.all(Array.from({ length: 8 }, () => open("assistant", second)));
      assert.ok(both.filter(({ address }) => address.includes("code=")).length <= 1);
    });

    it("do nothing at a path that only looks like an endpoint", async () => {
      for (const path of [
        "OAUTH/TOKEN",
        "oauth/Token",
        "oauth/token/",
        "oauth//token",
        "oauth/./token/.",
        "oauth/%74oken",
      ]) {
        const { status } = await fetch(`${server.url}${path}`, {
          method: "POST",
          body: new URLSearchParams(MACHINE),
        });
        assert.ok(
          [404, 200].includes(status) && (status === 404 || path.includes("./")),
          `${path}: ${status}`,
        );
      }
      for (const path of ["authorize/", "Authorize", "authorize//", "AUTHORIZE/"]) {
        const page = await person.agent.open(`${server.url}${path}?${new URLSearchParams(honest())}`);
        assert.equal(page.status, 404, path);
      }
      assert.equal(
        (await redeemCode(server.url, await codeFor(server.url, person.agent), { code_verifier: VERIFIER }))
          .status,
        200,
      );
    });
  });
}
