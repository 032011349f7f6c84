import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { createVerifier } from "@behalf/sdk/verify";
import { protocolEngines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import {
  type Claims,
  CREDENTIALS,
  codeFor,
  createProver,
  decode,
  forge,
  post,
  redeemCode,
  refresh,
} from "./attack.ts";

const ME_SCOPES = "openid offline_access read:me:connected_accounts";
const TWIN = "https://twin.example/";
const ACCOUNTS = "me/v1/connected-accounts/accounts";

/** T20, T25; Hono CVE-2026-22817, node-jws CVE-2025-65945, ZITADEL CVE-2026-27840, -46999, nextjs-auth0 CVE-2025-67490, KC CVE-2026-37979. */
for (const engine of protocolEngines) {
  describe(`access tokens on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    let now = Date.now();

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          const [assistant] = config["clients"] as Record<string, unknown>[];
          const own = assistant?.["apis"] as Record<string, unknown>;
          // An API whose scopes are named as ours: only the audience tells its tokens from ours.
          const scopes = { admin: "Rule", "read:me:connected_accounts": "Read" };
          (config["apis"] as object[]).push({ audience: TWIN, name: "Twin", scopes });
          own[TWIN] = { scopes: Object.keys(scopes) };
          own[`${config["issuer"]}admin/`] = { scopes: ["admin"] };
        },
        { clock: { now: () => now } },
      );
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const get = async (path: string, authorization?: string, headers: Record<string, string> = {}) =>
      (
        await fetch(`${server.url}${path}`, {
          headers: { ...headers, ...(authorization ? { authorization } : {}) },
        })
      ).status;
    const machine = async (audience: string, headers = {}) =>
      (
        await post(
          `${server.url}oauth/token`,
          {
            grant_type: "client_credentials",
            audience,
            scope: "admin read:me:connected_accounts",
            ...CREDENTIALS,
          },
          headers,
        )
      ).body;

    const bareOf = async (token: string) =>
      (
        await refresh(server.url, token, {
          audience: `${server.url}me/`,
          scope: "read:me:connected_accounts",
        })
      ).body;

    /** One token of each kind, and where it is good. */
    async function kinds(): Promise<Record<string, { token: string; good: string[] }>> {
      const me = await logIn(server.url, person.agent, { audience: `${server.url}me/`, scope: ME_SCOPES });
      const plain = await logIn(server.url, person.agent, { scope: "openid offline_access" });
      const twin = await refresh(server.url, plain.refresh_token ?? "", { audience: TWIN });
      return {
        "an opaque token": { token: plain.access_token, good: ["userinfo", "introspection"] },
        "a token for the account API": {
          token: me.access_token,
          good: ["userinfo", ACCOUNTS, "introspection"],
        },
        "a token for the account API without openid": {
          token: (await bareOf(me.refresh_token ?? ""))["access_token"] ?? "",
          good: [ACCOUNTS, "introspection"],
        },
        "a token for another API with our scopes": {
          token: twin.body["access_token"] ?? "",
          good: ["userinfo", "twin", "introspection"],
        },
        "a client's token for the admin API": {
          token: (await machine(`${server.url}admin/`))["access_token"] ?? "",
          good: ["admin/v1/users", "introspection"],
        },
        "a client's token for the account API": {
          token: (await machine(`${server.url}me/`))["access_token"] ?? "",
          good: ["introspection"],
        },
        "a client's token for another API with our scopes": {
          token: (await machine(TWIN))["access_token"] ?? "",
          good: ["twin", "introspection"],
        },
        "an ID token": { token: me.id_token ?? "", good: [] },
        "a refresh token": { token: me.refresh_token ?? "", good: ["introspection", "refresh"] },
        "a code": { token: await codeFor(server.url, person.agent), good: [] },
        "the session cookie": {
          token: /behalf_session=([^;]+)/.exec(person.agent.cookies(server.url))?.[1] ?? "",
          good: [],
        },
        "the client's secret": { token: CREDENTIALS.client_secret, good: [] },
      };
    }

    /** Every place that takes a token of ours, and whether it took this one. */
    const places: Readonly<Record<string, (token: string) => Promise<boolean>>> = {
      userinfo: async (token) => (await get("userinfo", `Bearer ${token}`)) === 200,
      [ACCOUNTS]: async (token) => (await get(ACCOUNTS, `Bearer ${token}`)) === 200,
      "admin/v1/users": async (token) => (await get("admin/v1/users", `Bearer ${token}`)) === 200,
      // An API that verifies by itself.
      twin: (token) =>
        createVerifier({ issuer: server.url, audience: TWIN })
          .verify(token)
          .then(
            () => true,
            (error: unknown) => {
              assert.match(String((error as { code?: string }).code), /^token\./);
              return false;
            },
          ),
      introspection: async (token) => {
        const { status, body } = await post(`${server.url}oauth/introspect`, { token, ...CREDENTIALS });
        assert.equal(status, 200);
        return Boolean(body["active"]);
      },
      refresh: async (token) => (await refresh(server.url, token)).status === 200,
    };

    it("are good where they were issued for, and nowhere else", async () => {
      for (const [name, { token, good }] of Object.entries(await kinds()))
        for (const [place, takes] of Object.entries(places)) {
          assert.notEqual(token, "", name);
          assert.equal(await takes(token), good.includes(place), `${name} at ${place}`);
        }
    });

    it("Hono CVE-2026-22817, CVE-2026-22818, node-jws CVE-2025-65945: are refused with any other signature, key, type, time or claim", async () => {
      const { token } = (await kinds())["a token for the account API"] ?? { token: "" };
      assert.equal(await get(ACCOUNTS, `Bearer ${token}`), 200);
      const { header, claims } = decode(token);
      const jwks = await (await fetch(`${server.url}.well-known/jwks.json`)).json();
      const ours = jwks.keys.find((key: { kid: string }) => key.kid === header["kid"]);
      const pem = createPublicKey({ key: ours, format: "jwk" })
        .export({ type: "spki", format: "pem" })
        .toString();
      const mine = createProver();
      const secrets = [pem, pem.trim(), JSON.stringify(ours), ours.x, "", CREDENTIALS.client_secret].map(
        (text) => Buffer.from(text),
      );
      const signed = (change: Claims) => forge({ ...header, ...change }, claims, mine.privateKey);
      const forged: Record<string, string> = {
        "alg none": forge({ ...header, alg: "none" }, claims, undefined),
        "alg None": forge({ ...header, alg: "None" }, claims, undefined),
        "alg nOnE without kid": forge({ typ: "at+jwt", alg: "nOnE" }, claims, undefined),
        "no alg": forge({ ...header, alg: undefined }, claims, undefined),
        "another key under our kid": signed({}),
        "another key, embedded": signed({ jwk: mine.jwk }),
        "another key, embedded, without kid": signed({ jwk: mine.jwk, kid: undefined }),
        "a key by address": signed({ jku: "https://evil.example/jwks", kid: "x" }),
        "a certificate by address": signed({ x5u: "https://evil.example/x", kid: undefined }),
        "a kid with a path": signed({ kid: "../../../../dev/null" }),
        "a kid with SQL": signed({ kid: "' or 1=1 --" }),
        "a kid that is a list": signed({ kid: [header["kid"]] }),
        "a critical header": signed({ crit: ["exp"] }),
        "unencoded claims": signed({ b64: false, crit: ["b64"] }),
        "compressed claims": signed({ zip: "DEF" }),
        ...Object.fromEntries(
          secrets.map((key, i) => [
            `HS256 with public text ${i}`,
            forge({ ...header, alg: "HS256" }, claims, key),
          ]),
        ),
      };
      for (const [name, it] of Object.entries(forged))
        assert.equal(await get(ACCOUNTS, `Bearer ${it}`), 401, name);
    });

    it("ZITADEL CVE-2026-27840: are refused when cut at any length, spelt otherwise, or sent in another way", async () => {
      const all = await kinds();
      for (const [name, path] of [
        ["a token for the account API", ACCOUNTS],
        ["an opaque token", "userinfo"],
      ] as const) {
        const token = all[name]?.token ?? "";
        for (let length = 0; length < token.length; length += token.length > 100 ? 7 : 1)
          assert.notEqual(await get(path, `Bearer ${token.slice(0, length)}`), 200, `${name} ${length}`);
        for (const spelling of [
          `${token}.`,
          `.${token}`,
          `${token}.x`,
          `${token}A`,
          `"${token}"`,
          `${token},${token}`,
          token.replace(".", ".."),
        ].filter((it) => it !== token))
          assert.notEqual(await get(path, `Bearer ${spelling}`), 200, spelling.slice(-20));
        for (const header of [
          token,
          `Basic ${token}`,
          `DPoP ${token}`,
          `Bearer  ${token}`,
          `Bearer\t${token}`,
          `Token ${token}`,
          `Bearer Bearer ${token}`,
        ])
          assert.notEqual(await get(path, header), 200, header.slice(0, 12));
        assert.notEqual(await get(`${path}?access_token=${token}`), 200);
        assert.notEqual(await get(path, undefined, { cookie: `access_token=${token}` }), 200);
        assert.equal(await get(path, `Bearer ${token}`), 200);
      }
    });

    it("bound to a key are no bearer tokens, here or at our own APIs", async () => {
      const prover = createProver();
      const address = `${server.url}oauth/token`;
      const bound =
        (await machine(`${server.url}admin/`, { dpop: prover.proof("POST", address) }))["access_token"] ?? "";
      assert.ok(decode(bound).claims["cnf"]);
      assert.equal(await get("admin/v1/users", `Bearer ${bound}`), 401);
      const code = await codeFor(server.url, person.agent);
      const answer = await post(
        address,
        {
          grant_type: "authorization_code",
          code,
          redirect_uri: "http://localhost:3999/auth/callback",
          code_verifier: "verifier-of-forty-three-characters-or-more-0123",
          ...CREDENTIALS,
        },
        { dpop: prover.proof("POST", address) },
      );
      const token = answer.body["access_token"] ?? "";
      const userinfo = `${server.url}userinfo`;
      const { createHash } = await import("node:crypto");
      const ath = createHash("sha256").update(token).digest("base64url");
      assert.equal(await get("userinfo", `Bearer ${token}`), 401);
      assert.notEqual(await get("userinfo", `DPoP ${token}`), 200);
      for (const proof of [
        prover.proof("GET", userinfo),
        createProver().proof("GET", userinfo, { ath }),
        prover.proof("POST", userinfo, { ath }),
        prover.proof("GET", address, { ath }),
      ])
        assert.notEqual(await get("userinfo", `DPoP ${token}`, { dpop: proof }), 200);
      assert.equal(
        await get("userinfo", `DPoP ${token}`, { dpop: prover.proof("GET", userinfo, { ath }) }),
        200,
      );
    });

    it("nextjs-auth0 CVE-2025-67490, CVE-2026-40155: say who asked even when many ask at once", async () => {
      const people = await Promise.all(Array.from({ length: 6 }, () => signUp(server.url)));
      const tokens = await Promise.all(
        people.map(async ({ agent }) => (await logIn(server.url, agent)).access_token),
      );
      const asked = Array.from({ length: 120 }, async (_, i) => {
        const authorization = `Bearer ${tokens[i % tokens.length]}`;
        const info = await (await fetch(`${server.url}userinfo`, { headers: { authorization } })).json();
        assert.equal(info.sub, people[i % people.length]?.userId);
      });
      await Promise.all(asked);
    });

    it("end when they expire", async () => {
      const { token } = (await kinds())["a token for the account API"] ?? { token: "" };
      now += 3_700_000;
      assert.equal(await get(ACCOUNTS, `Bearer ${token}`), 401);
      now -= 3_700_000;
    });

    it("ZITADEL CVE-2024-46999: end at once when their user or their client is switched off", async () => {
      const { admin } = server.services;
      const someone = await signUp(server.url);
      const plain = await logIn(server.url, someone.agent);
      const me = await logIn(server.url, someone.agent, { audience: `${server.url}me/`, scope: ME_SCOPES });
      const statuses = async () => [
        await get("userinfo", `Bearer ${plain.access_token}`),
        await get(ACCOUNTS, `Bearer ${me.access_token}`),
        (await refresh(server.url, plain.refresh_token ?? "")).status,
        (await someone.agent.fetch(`${server.url}approvals`)).status,
      ];
      assert.deepEqual(await statuses(), [200, 200, 200, 200]);
      const own = (await machine(`${server.url}admin/`))["access_token"];
      assert.equal(await get("admin/v1/users", `Bearer ${own}`), 200);
      await admin.clients.setDisabled("assistant", true);
      assert.deepEqual(await statuses(), [401, 401, 401, 200]);
      assert.equal(await get("admin/v1/users", `Bearer ${own}`), 401);
      await admin.clients.setDisabled("assistant", false);
      const rule = await logIn(server.url, someone.agent, {
        audience: `${server.url}admin/`,
        scope: "openid admin",
      });
      assert.equal(await get("admin/v1/users", `Bearer ${rule.access_token}`), 403, "no administrator");
      await admin.users.setDisabled(someone.userId, true);
      assert.deepEqual(await statuses(), [401, 401, 400, 303]);
      assert.equal(await get("admin/v1/users", `Bearer ${rule.access_token}`), 401, "nobody");
    });

    it("that live with the browser session end when the person logs out", async () => {
      const someone = await signUp(server.url);
      const code = await codeFor(server.url, someone.agent);
      const { body } = await redeemCode(server.url, code);
      assert.equal(await get("userinfo", `Bearer ${body.access_token}`), 200);
      const asks = await someone.agent.open(`${server.url}oidc/logout`);
      await someone.agent.submit(asks, { logout: "yes" });
      assert.equal(await get("userinfo", `Bearer ${body.access_token}`), 401);
      assert.equal((await someone.agent.fetch(`${server.url}approvals`)).status, 303);
    });
  });
}
