import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { authorize, CALLBACK, type Person, redeem, relyingParty, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { isApp } from "./attack.ts";

/** Addresses that lead to this machine, to its network or to its cloud; none may ever be asked. */
function privateHosts(port: number): string[] {
  const hosts = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "localhost.",
    "LOCALHOST",
    "foo.localhost",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "[::ffff:a9fe:a9fe]",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
  ];
  return hosts.flatMap((host) => [`http://${host}:${port}/client`, `https://${host}:${port}/client`]);
}

/** T12, T13, T14, T19; ZITADEL CVE-2025-67494, Spring CVE-2026-45609, CVE-2026-59354, better-auth CVE-2026-41427, ssrfcheck CVE-2026-43929. */
for (const engine of engines) {
  describe(`strangers on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    let canary: Server;
    let allowed: Server;
    let hits = 0;

    before(async () => {
      canary = createServer((_request, response) => {
        hits += 1;
        response.end("{}");
      });
      await new Promise<void>((resolve) => canary.listen(0, "localhost", resolve));
      const { port } = canary.address() as AddressInfo;
      allowed = createServer((request, response) => {
        if (request.url === "/redirect")
          return void response.writeHead(302, { location: `http://localhost:${port}/` }).end();
        if (request.url === "/huge") return void response.end(`{"client_name":"${"x".repeat(100_000)}"}`);
        if (request.url === "/page") return void response.end("<html></html>");
        const own = `http://localhost:${(allowed.address() as AddressInfo).port}${request.url}`;
        const twin = { client_id: own, client_name: "Assist\u200bant\u202e", redirect_uris: [CALLBACK] };
        response.end(JSON.stringify(twin));
      });
      await new Promise<void>((resolve) => allowed.listen(0, "localhost", resolve));
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["registration"] = { dynamic: true, clientIdDocuments: true };
        config["egress"] = { allow: [`localhost:${(allowed.address() as AddressInfo).port}`] };
      });
      person = await signUp(server.url);
    });
    after(async () => {
      canary.close();
      allowed.close();
      await server?.close();
    });

    const documentAt = (path: string) => `http://localhost:${(allowed.address() as AddressInfo).port}${path}`;
    const register = async (body: object | string) => {
      const response = await fetch(`${server.url}oidc/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    };

    it("ZITADEL CVE-2025-67494, CVE-2024-49753, Spring CVE-2026-45609, ssrfcheck CVE-2026-43929: cannot make the server ask for anything on its own side", async () => {
      const { port } = canary.address() as AddressInfo;
      const asked = privateHosts(port).map(async (id) => {
        for (const path of ["authorize", "login"]) {
          const response = await fetch(
            `${server.url}${path}?${new URLSearchParams({ client_id: id, response_type: "code" })}`,
          );
          assert.equal(response.status, path === "login" ? 200 : 400, id);
        }
      });
      await Promise.all(asked);
      for (const path of ["/redirect", "/huge", "/page"]) {
        const response = await fetch(
          `${server.url}authorize?${new URLSearchParams({ client_id: documentAt(path), response_type: "code" })}`,
        );
        assert.equal(response.status, 400, path);
      }
      for (const id of [
        "file:///etc/passwd",
        "data:application/json,{}",
        "ftp://localhost/x",
        "http://u:p@localhost/x",
        "https://app.example/#x",
      ])
        assert.equal(
          (await fetch(`${server.url}authorize?${new URLSearchParams({ client_id: id })}`)).status,
          400,
        );
      assert.equal(hits, 0);
    });

    it("are shown as strangers, by a name without tricks, and with the host one goes back to", async () => {
      const party = await relyingParty(server.url, documentAt("/twin"), null);
      const { page } = await authorize(party, person.agent, { scope: "openid" });
      assert.match(page.text, /Allow Assistant\?/);
      assert.doesNotMatch(page.text, /[\u200b\u202e]/);
      assert.match(page.text, /Assistant registered itself, and nobody has checked who it is/);
      assert.match(page.text, /<strong>Afterwards you go back to localhost:3999/);
      const vouched = await authorize(await relyingParty(server.url, "other"), person.agent);
      assert.doesNotMatch(vouched.page.text, /registered itself/);
    });

    it("on the person's own machine are asked about each time", async () => {
      const party = await relyingParty(server.url, documentAt("/loopback"), null);
      for (let i = 0; i < 2; i++) {
        const { page, verifier } = await authorize(party, person.agent, { scope: "openid email" });
        assert.match(page.text, /Allow Assistant\?/, `time ${i}`);
        assert.match(page.text, /See your e-mail address/);
        const done = await person.agent.submit(page, { decision: "allow" }, { stopAt: isApp });
        assert.ok((await redeem(party, done.address, verifier)).access_token);
      }
      const silent = await authorize(party, person.agent, { scope: "openid", prompt: "none" });
      assert.match(silent.page.address, /error=(interaction|consent)_required/);
    });

    it("get no token for an API of ours, not even the person's own accounts", async () => {
      const party = await relyingParty(server.url, documentAt("/greedy"), null);
      for (const audience of ["me/", "admin/", "fga/", "approvals/"]) {
        const { page } = await authorize(party, person.agent, {
          audience: `${server.url}${audience}`,
          scope: "openid admin read:me:connected_accounts",
        });
        assert.match(page.address, /error=invalid_target/, audience);
      }
    });

    it("better-auth CVE-2026-41427: cannot give themselves anything when they register", async () => {
      const { body } = await register({
        client_name: "Greedy",
        redirect_uris: ["https://app.example/cb"],
        firstParty: true,
        first_party: true,
        apis: { "https://shop.sandbox.example/": { scopes: ["orders:create"] } },
        grant_types: ["client_credentials"],
        agent: { owner: "x", purpose: "y" },
        client_id: "assistant",
        unverified: false,
      });
      const client = await server.services.clients.find(body.client_id);
      assert.match(body.client_id, /^tpc_/);
      assert.deepEqual(
        [client?.firstParty, client?.apis, client?.agent, client?.unverified, client?.confidential],
        [false, {}, undefined, true, false],
      );
    });

    it("Spring CVE-2026-59354: cannot register an address that runs code, hides its host, or changes a header of ours", async () => {
      for (const uri of [
        "javascript:alert(1)",
        "data:text/html,x",
        "custom:/x",
        "http://app.example/cb",
        "https://user@app.example/cb",
        "https://app.example/cb#",
        "https://a;script-src.example/cb",
        "https://a'b.example/",
        "https://a,b.example/",
        "https://*.example/cb",
        "https://app.example\\@evil.example/",
        "https://\u0430pp.example/cb",
        " https://app.example/cb",
        "https:app.example",
        "https://app.example/\u202e",
      ]) {
        const { status, body } = await register({ redirect_uris: [uri] });
        assert.ok(status === 400 && /^invalid_/.test(body.error), `${uri} ${status}`);
      }
    });

    it("are limited in number, and their limit is not renewed by each address of one network", async () => {
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => register({ redirect_uris: [CALLBACK] })),
      );
      assert.ok(answers.some(({ status }) => status === 429));
      assert.ok(answers.filter(({ status }) => status === 201).length <= 20);
    });
  });
}
