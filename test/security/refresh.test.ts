import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { SHOP, startTestServer, type TestServer } from "../support/server.ts";
import { codeFor, createProver, decode, honest, openAuthorize, post, refresh, VERIFIER } from "./attack.ts";

const SPA_URI = "http://localhost:3999/spa";
/** As in rotation.ts, which the outside cannot see. */
const GRACE_MS = 10_000;

/** T11, T20; KC CVE-2026-9802, ZITADEL CVE-2024-46999, CVE-2026-55672, better-auth CVE-2026-53517, FastMCP GHSA-78c8. */
for (const engine of engines) {
  describe(`refresh tokens on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    let now = Date.now();
    let storage: string;
    const folder = mkdtempSync(join(tmpdir(), "behalf-refresh-"));

    const start = () =>
      startTestServer(
        (config) => {
          config["storage"] = storage;
          const [assistant, other, spa] = config["clients"] as Record<string, unknown>[];
          Object.assign(assistant ?? {}, { rotateRefreshTokens: true });
          Object.assign(other ?? {}, { grantTypes: ["authorization_code", "refresh_token"] });
          Object.assign(spa ?? {}, { firstParty: true });
        },
        { clock: { now: () => now } },
      );

    before(async () => {
      storage = engine.name === "SQLite" ? `sqlite:${join(folder, "test.db")}` : await engine.storage();
      server = await start();
      person = await signUp(server.url);
    });
    after(async () => {
      await server?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const login = async (params: Record<string, string> = {}, id = "assistant") =>
      (await logIn(server.url, person.agent, params, id)).refresh_token ?? "";
    const errorOf = async (answer: ReturnType<typeof refresh>) => (await answer).body["error"];

    it("ZITADEL CVE-2026-55672: work for their own client, unless it is named by another or by none", async () => {
      const token = await login();
      for (const change of [
        { client_id: "other" },
        { client_id: "spa", client_secret: "" },
        { client_secret: "" },
        { client_secret: "x".repeat(43) },
        { client_id: "" },
        { client_id: "nobody" },
      ] as Record<string, string>[])
        assert.match(
          String(await errorOf(refresh(server.url, token, change))),
          /^invalid_/,
          JSON.stringify(change),
        );
      assert.equal((await refresh(server.url, token)).status, 200);
    });

    it("never bring more scopes than were granted", async () => {
      const token = await login({ scope: "openid offline_access", audience: SHOP }, "other");
      const as = (change: Record<string, string>) =>
        refresh(server.url, token, { client_id: "other", ...change });
      for (const scope of ["openid email", "orders:read", "orders:create", "openid admin"])
        assert.equal(await errorOf(as({ scope })), "invalid_scope", scope);
      for (const audience of [
        `${server.url}me/`,
        `${server.url}admin/`,
        `${server.url}fga/`,
        "https://api.example/",
        "x",
      ])
        assert.equal(await errorOf(as({ audience })), "invalid_target", audience);
      assert.equal((await as({})).status, 200);
    });

    it("never bring a first-party client more than its own policy", async () => {
      const token = await login({ scope: "openid offline_access" });
      for (const audience of [`${server.url}admin/`, `${server.url}fga/`, "https://api.example/"])
        assert.equal(await errorOf(refresh(server.url, token, { audience })), "invalid_target", audience);
      const asked = await refresh(server.url, token, {
        audience: SHOP,
        scope: "orders:read admin create:me:connected_accounts",
      });
      assert.equal(decode(asked.body["access_token"] ?? "").claims["scope"], "orders:read");
    });

    it("are for one audience at a time, and refuse any parameter twice", async () => {
      const token = await login();
      const twice = (more: [string, string][]) =>
        post(`${server.url}oauth/token`, [
          ...Object.entries({
            grant_type: "refresh_token",
            refresh_token: token,
            client_id: "assistant",
            client_secret: "x",
          }),
          ...more,
        ]);
      assert.equal(
        (
          await twice([
            ["resource", SHOP],
            ["resource", SHOP],
          ])
        ).body["error"],
        "invalid_request",
      );
      assert.equal((await twice([["refresh_token", "x"]])).body["error"], "invalid_request");
      const json = await fetch(`${server.url}oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ grant_type: "refresh_token", refresh_token: token, resource: [SHOP] }),
      });
      assert.equal(json.status, 400);
    });

    it("bound to a key work with that key alone", async () => {
      const prover = createProver();
      const address = `${server.url}oauth/token`;
      const page = await openAuthorize(server.url, person.agent, {
        ...honest(),
        client_id: "spa",
        redirect_uri: SPA_URI,
        scope: "openid offline_access",
      });
      const code = new URL(page.address).searchParams.get("code") ?? "";
      const params = {
        client_id: "spa",
        grant_type: "authorization_code",
        code,
        redirect_uri: SPA_URI,
        code_verifier: VERIFIER,
      };
      const issued = await post(address, params, { dpop: prover.proof("POST", address) });
      assert.equal(issued.body["token_type"], "DPoP");
      const again = (headers: Record<string, string>) =>
        post(
          address,
          {
            client_id: "spa",
            grant_type: "refresh_token",
            refresh_token: issued.body["refresh_token"] ?? "",
          },
          headers,
        );
      const used = prover.proof("POST", address);
      for (const [name, headers] of Object.entries({
        "no proof": {},
        "another key": { dpop: createProver().proof("POST", address) },
        "another address": { dpop: prover.proof("POST", `${server.url}userinfo`) },
        "another method": { dpop: prover.proof("GET", address) },
        "an old proof": { dpop: prover.proof("POST", address, { iat: 1 }) },
        "no proof id": { dpop: prover.proof("POST", address, { jti: undefined }) },
      } as Record<string, Record<string, string>>))
        assert.equal((await again(headers)).status, 400, name);
      assert.equal((await again({ dpop: used })).status, 200);
      assert.equal((await again({ dpop: used })).status, 400, "the same proof again");
    });

    it("take one of 32 parallel requests that all show the same proof", async () => {
      const address = `${server.url}oauth/token`;
      const dpop = createProver().proof("POST", address);
      const params = {
        grant_type: "client_credentials",
        client_id: "assistant",
        client_secret: "test-secret-0123456789abcdefghijklmnopqrstuvw",
        audience: SHOP,
      };
      const answers = await Promise.all(Array.from({ length: 32 }, () => post(address, params, { dpop })));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    });

    it("come back with the same successor at the end of the grace period, and end the family after it", async () => {
      const token = await login();
      const first = (await refresh(server.url, token)).body["refresh_token"];
      now += GRACE_MS;
      assert.equal((await refresh(server.url, token)).body["refresh_token"], first);
      now += 1;
      assert.equal(await errorOf(refresh(server.url, token)), "invalid_grant");
      assert.equal(await errorOf(refresh(server.url, first ?? "")), "invalid_grant");
    });

    it("KC CVE-2026-9802: stay used after a restart", async () => {
      const token = await login();
      const next = (await refresh(server.url, token)).body["refresh_token"] ?? "";
      await server.close();
      server = await start();
      now += GRACE_MS + 1;
      assert.equal(await errorOf(refresh(server.url, token)), "invalid_grant");
      assert.equal(await errorOf(refresh(server.url, next)), "invalid_grant");
    });

    it("end with the grant: a code that came twice, or a revoked sibling, ends them all", async () => {
      const code = await codeFor(server.url, person.agent, { scope: "openid offline_access" });
      const params = {
        grant_type: "authorization_code",
        code,
        redirect_uri: honest()["redirect_uri"] ?? "",
        code_verifier: VERIFIER,
      };
      const credentials = {
        client_id: "assistant",
        client_secret: "test-secret-0123456789abcdefghijklmnopqrstuvw",
      };
      const issued = await post(`${server.url}oauth/token`, { ...params, ...credentials });
      await post(`${server.url}oauth/token`, { ...params, ...credentials });
      assert.equal(await errorOf(refresh(server.url, issued.body["refresh_token"] ?? "")), "invalid_grant");
    });

    it("ZITADEL CVE-2024-46999, CVE-2024-47000, CVE-2024-47060: are dead a second after their user or client is switched off, and no sooner", async () => {
      const { admin } = server.services;
      const token = await login();
      const alive = async () => {
        const answer = await refresh(server.url, latest);
        latest = answer.body["refresh_token"] ?? latest;
        return answer.status;
      };
      let latest = token;
      assert.equal(await alive(), 200);
      await admin.clients.setDisabled("assistant", true);
      assert.equal(await alive(), 401);
      await admin.clients.setDisabled("assistant", false);
      assert.equal(await alive(), 200);
      await admin.users.setDisabled(person.userId, true);
      assert.equal(await alive(), 400);
    });
  });
}
