import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { PASSWORD, type Person, signUp } from "../support/person.ts";
import { startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { rawRequest } from "./attack.ts";

/** Every address that takes a body, and how it refuses one that is too long from a stranger: at the size, or before. */
const POSTS: Readonly<Record<string, readonly number[]>> = {
  "oauth/token": [413],
  "oauth/par": [413],
  "oauth/revoke": [413],
  "bc-authorize": [413],
  authorize: [413],
  userinfo: [413],
  "oidc/logout": [413],
  "oidc/logout/confirm": [413],
  "oidc/register": [413],
  login: [413],
  signup: [413],
  logout: [413],
  "interaction/x": [400, 413],
  "approvals/apr_01m871g11ka8daz5krkjxhbpf2": [413],
  "connect/confirm": [413],
  "accounts/disconnect": [413],
  "me/v1/connected-accounts/connect": [401],
  "me/v1/connected-accounts/complete": [401],
  "admin/v1/users": [401],
  "admin/v1/clients": [401],
  stores: [401],
  nothing: [404],
};
const FORM = "application/x-www-form-urlencoded";

/** T26; Vault CVE-2025-6203, CVE-2025-12044; request smuggling. */
for (const engine of engines) {
  describe(`bodies on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["registration"] = { dynamic: true };
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const head = (path: string, more: readonly string[]) =>
      [
        `POST /${path} HTTP/1.1`,
        "Host: localhost",
        `Cookie: ${person.agent.cookies(`${server.url}${path}`)}`,
        ...more,
        "",
        "",
      ].join("\r\n");
    const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
    const rows = async () => {
      const { storage } = server.services;
      const db = storage.db<Record<"users" | "clients" | "oauth_models" | "approvals", object>>();
      const counts = (["users", "clients", "oauth_models", "approvals"] as const).map(
        async (table) => (await db.selectFrom(table).selectAll().execute()).length,
      );
      return Promise.all(counts);
    };

    it("that announce more than an address takes are refused, and their connection is closed", async () => {
      const before = await rows();
      const asked = Object.entries(POSTS).map(async ([path, expected]) => {
        const type = path === "oidc/register" ? "application/json" : FORM;
        const text = head(path, [`Content-Type: ${type}`, "Content-Length: 100000000"]);
        const answer = await rawRequest(server.url, `${text}${"a".repeat(1_000)}`, 3_000);
        assert.ok(expected.includes(statusOf(answer.text)), `${path}: ${answer.text.slice(0, 40)}`);
        assert.ok(answer.closed, path);
      });
      await Promise.all(asked);
      assert.deepEqual(await rows(), before);
    });

    it("that come in pieces are counted as they come, and their connection is closed", async () => {
      const before = await rows();
      const asked = Object.entries(POSTS).map(async ([path, expected]) => {
        const type = path === "oidc/register" ? "application/json" : FORM;
        const text = head(path, [`Content-Type: ${type}`, "Transfer-Encoding: chunked"]);
        const answer = await rawRequest(
          server.url,
          `${text}${`4000\r\n${"a".repeat(16_384)}\r\n`.repeat(30)}`,
          3_000,
        );
        assert.ok(expected.includes(statusOf(answer.text)), `${path}: ${answer.text.slice(0, 40)}`);
        assert.ok(answer.closed, path);
      });
      await Promise.all(asked);
      assert.deepEqual(await rows(), before);
    });

    it("whose length is said twice, or in two ways, are refused by the parser", async () => {
      const body = `grant_type=client_credentials&client_id=assistant&client_secret=${TEST_SECRET}`;
      for (const headers of [
        ["Content-Length: 5", `Content-Length: ${body.length}`],
        ["Transfer-Encoding: chunked", `Content-Length: ${body.length}`],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Content-Length: -1"],
        ["Content-Length: 1e2"],
        ["Content-Length: 0x10"],
        ["Content-Length : 5"],
      ]) {
        const { text } = await rawRequest(
          server.url,
          `${head("oauth/token", [`Content-Type: ${FORM}`, ...headers])}${body}`,
        );
        assert.equal(statusOf(text), 400, headers.join());
        assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1, "one answer");
      }
    });

    it("that never end do nothing, and hold nobody else up", async () => {
      const before = await rows();
      const fields = new URLSearchParams({
        name: "x",
        email: "half@example.com",
        password: PASSWORD,
      }).toString();
      const slow = Array.from({ length: 50 }, (_, i) =>
        rawRequest(
          server.url,
          `${head(["signup", "oauth/token"][i % 2] ?? "", [`Content-Type: ${FORM}`, `Content-Length: ${fields.length + 1}`])}${fields}`,
          1_000,
        ),
      );
      const started = Date.now();
      assert.equal((await fetch(`${server.url}healthz`)).status, 200);
      assert.ok(Date.now() - started < 900);
      for (const { text } of await Promise.all(slow)) assert.equal(text, "");
      assert.deepEqual(await rows(), before);
      assert.equal((await fetch(`${server.url}healthz`)).status, 200);
      assert.ok(!server.log.some((line) => line.includes("unhandled")), server.log.join(""));
    });

    it("Vault CVE-2025-6203, CVE-2025-12044: that are deep, wide or repeated are answered within a second", async () => {
      const bombs: Record<string, [string, string]> = {
        "deep JSON": ["application/json", `${"[".repeat(28_000)}${"]".repeat(28_000)}`],
        "deep objects": ["application/json", `${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}`],
        "many JSON names": [
          "application/json",
          `{${Array.from({ length: 5_000 }, (_, i) => `"${i}":""`).join(",")}}`,
        ],
        "many quotes": ["application/json", `{"a":"${'\\"'.repeat(27_000)}"}`],
        "open quotes": ["application/json", `{"${"\\".repeat(50_000)}`],
        "many fields": [FORM, Array.from({ length: 9_000 }, (_, i) => `${i}=`).join("&")],
        "one field": [FORM, `scope=${"a+".repeat(25_000)}`],
        ampersands: [FORM, "&".repeat(50_000)],
        "percent signs": [FORM, "%".repeat(50_000)],
      };
      for (const [name, [type, body]] of Object.entries(bombs))
        for (const path of ["oauth/token", "login", "oidc/register"]) {
          const started = performance.now();
          const response = await fetch(`${server.url}${path}`, {
            method: "POST",
            headers: { "content-type": type },
            body,
          });
          assert.ok(response.status >= 400 && response.status < 500, `${name} ${path}: ${response.status}`);
          assert.ok(performance.now() - started < 1_000, `${name} ${path}`);
        }
    });
  });
}
