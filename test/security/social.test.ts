import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { signUp } from "../support/person.ts";
import { callbackOf, logInWith, pressButton, startSocialServer, whoIs } from "../support/social.ts";
import { createUserAgent } from "../support/user-agent.ts";

const ANNE = "anne.lee@calendar.example";
const HOUR = 3_600;
const now = () => Math.floor(Date.now() / 1_000);

/** What is wrong with an answer, as switches of the sandbox provider. None of it logs anybody in. */
const LIES: readonly (readonly [string, Record<string, unknown>])[] = [
  ["another issuer", { idTokenClaims: { iss: "https://evil.example" } }],
  ["an issuer with a slash more", { idTokenClaims: { iss: "http://127.0.0.1/" } }],
  ["no issuer", { idTokenClaims: { iss: null } }],
  ["another audience", { idTokenClaims: { aud: "another-client" } }],
  ["an audience beside ours", { idTokenClaims: { aud: ["behalf", "another-client"] } }],
  ["no audience", { idTokenClaims: { aud: null } }],
  ["another authorized party", { idTokenClaims: { azp: "another-client" } }],
  ["another nonce", { idTokenClaims: { nonce: "of-another-log-in" } }],
  ["no nonce", { idTokenClaims: { nonce: null } }],
  ["an expiry in the past", { idTokenClaims: { exp: now() - HOUR } }],
  ["no expiry", { idTokenClaims: { exp: null } }],
  ["an issue time of yesterday", { idTokenClaims: { iat: now() - 24 * HOUR } }],
  ["an issue time of tomorrow", { idTokenClaims: { iat: now() + 24 * HOUR } }],
  ["no issue time", { idTokenClaims: { iat: null } }],
  ["no subject", { idTokenClaims: { sub: null } }],
  ["an empty subject", { idTokenClaims: { sub: "" } }],
  ["a number for a subject", { idTokenClaims: { sub: 7 } }],
  ["a subject of 256 characters", { idTokenClaims: { sub: "s".repeat(256) } }],
  ["a subject that userinfo does not know", { idTokenClaims: { sub: "acc_work" } }],
  ["userinfo of somebody else", { userinfoClaims: { sub: "acc_work" } }],
  ["userinfo of nobody", { userinfoClaims: { sub: null } }],
  ["the hash of another access token", { idTokenClaims: { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" } }],
  ["no signature", { idTokenSignature: "none" }],
  ["a signature by the shared secret", { idTokenSignature: "shared_secret" }],
  ["a signature by an unknown key", { idTokenSignature: "other_key" }],
  ["no ID token", { omitIdToken: true }],
  ["an answer of another issuer", { authorizationIssuer: "https://evil.example" }],
  ["an answer without the issuer that was promised", { authorizationIssuer: "" }],
  ["an address that is none", { userinfoClaims: { email: "anne\u202e@calendar.example" } }],
  ["no address", { userinfoClaims: { email: null } }],
];

for (const engine of engines) {
  describe(`log-in at a provider that lies, on ${engine.name}`, () => {
    it("logs nobody in, and makes no account (ZITADEL CVE-2026-55669)", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      for (const [what, switches] of LIES) {
        at.providers["sandbox"]?.switches.set(switches);
        const agent = createUserAgent();
        const page = await logInWith(server, agent);
        assert.equal(page.status, 403, `${what}: ${page.status}`);
        assert.equal(await whoIs(server, agent), undefined, what);
      }
      assert.equal(await server.services.login.accounts.findByEmail(ANNE), undefined);
      at.providers["sandbox"]?.switches.set({});
      const honest = createUserAgent();
      await logInWith(server, honest);
      assert.equal(await whoIs(server, honest), ANNE);
    });

    it("takes an address as confirmed only by the word true, of a provider that is trusted", async () => {
      await using at = await startSocialServer({
        storage: await engine.storage(),
        connections: {
          sandbox: { login: { trustEmail: true } },
          distrusted: { login: true },
          elsewhere: { login: { trustEmail: true, domains: ["example.org"] } },
        },
      });
      const cases = [
        ["sandbox", true, true],
        ["sandbox", false, false],
        ["sandbox", null, false],
        ["sandbox", "true", false],
        ["sandbox", 1, false],
        ["distrusted", true, false],
        ["elsewhere", true, false],
      ] as const;
      for (const [i, [name, said, confirmed]] of cases.entries()) {
        const email = `person-${i}@calendar.example`;
        const provider = at.providers[name];
        const sub = `sub-${i}`;
        provider?.switches.set({
          idTokenClaims: { sub },
          userinfoClaims: { sub, email, email_verified: said },
        });
        await logInWith(at.server, createUserAgent(), { name });
        const user = await at.server.services.login.accounts.findByEmail(email);
        assert.equal(user?.emailVerified, confirmed, `${name} ${said}`);
      }
    });

    it("makes no account where sign-up is off", async () => {
      await using at = await startSocialServer({
        storage: await engine.storage(),
        connections: { sandbox: { login: { signUp: false } } },
      });
      const page = await logInWith(at.server, createUserAgent());
      assert.equal(page.status, 403);
      assert.equal(await at.server.services.login.accounts.findByEmail(ANNE), undefined);
    });
  });

  describe(`the way back from a provider, on ${engine.name}`, () => {
    it("counts once of 64 (ZITADEL CVE-2025-46815)", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const agent = createUserAgent();
      const callback = await callbackOf(agent, await pressButton(server, agent));
      const answers = await Promise.all(Array.from({ length: 64 }, () => agent.fetch(callback)));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.ok(answers.every(({ status }) => status === 303 || status === 400));
      assert.equal(at.providers["sandbox"]?.grants().length, 1, "one code was sent to the provider");
      assert.equal((await agent.fetch(callback)).status, 400, "nor later");
    });

    it("is another browser's to no end: neither logs in nor uses the state up", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const mallory = createUserAgent();
      const callback = await callbackOf(mallory, await pressButton(server, mallory));
      const victim = createUserAgent();
      assert.equal((await victim.open(callback)).status, 400, "no cookie");
      await victim.open(`${server.url}login`);
      assert.equal((await victim.open(callback)).status, 400, "a cookie of its own");
      assert.equal(await whoIs(server, victim), undefined);
      await mallory.open(callback);
      assert.equal(await whoIs(server, mallory), ANNE);
    });

    it("refuses a code that belongs to another log-in", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const [victim, thief] = [createUserAgent(), createUserAgent()];
      const stolen = new URL(await callbackOf(victim, await pressButton(server, victim)));
      const own = new URL(await callbackOf(thief, await pressButton(server, thief), "acc_work"));
      own.searchParams.set("code", stolen.searchParams.get("code") ?? "");
      assert.equal((await thief.open(own.href)).status, 403);
      assert.equal(await whoIs(server, thief), undefined);
    });

    it("is bound to its connection (Auth.js GHSA-x445-f3h2-j279)", async () => {
      await using at = await startSocialServer({
        storage: await engine.storage(),
        connections: { honest: { login: true }, hostile: { login: true } },
      });
      const { server } = at;
      for (const [from, to] of [
        ["honest", "hostile"],
        ["hostile", "honest"],
      ] as const) {
        const agent = createUserAgent();
        const callback = await callbackOf(agent, await pressButton(server, agent, from));
        const before = at.providers[to]?.log().length;
        const page = await agent.open(callback.replace(`/login/callback/${from}`, `/login/callback/${to}`));
        assert.equal(page.status, 400);
        assert.equal(at.providers[to]?.log().length, before, "no code went to the other provider");
        assert.equal(await whoIs(server, agent), undefined);
      }
    });

    it("refuses parameters that come twice, a state that is none, and a connection that is none", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      for (const change of [
        (url: URL) => url.searchParams.append("state", "second"),
        (url: URL) => url.searchParams.append("code", "second"),
        (url: URL) => url.searchParams.append("iss", url.searchParams.get("iss") ?? ""),
        (url: URL) => url.searchParams.delete("state"),
        (url: URL) => url.searchParams.set("state", "x".repeat(43)),
        (url: URL) => url.searchParams.delete("code"),
      ]) {
        const agent = createUserAgent();
        const url = new URL(await callbackOf(agent, await pressButton(server, agent)));
        change(url);
        const { status } = await agent.open(url.href);
        assert.ok(status === 400 || status === 403, url.search);
        assert.equal(await whoIs(server, agent), undefined, url.search);
      }
      const agent = createUserAgent();
      assert.equal((await agent.open(`${server.url}login/callback/nobody?state=x`)).status, 404);
    });

    it("says in words that the person said no, repeats nothing of the provider's, and leads back", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const agent = createUserAgent();
      const asks = await pressButton(at.server, agent);
      const stop = { stopAt: (address: string) => address.includes("/login/callback/") };
      const denied = new URL((await agent.submit(asks, { decision: "deny" }, stop)).address);
      denied.searchParams.set("error_description", "<b>call this number</b>");
      const page = await agent.open(denied.href);
      assert.match(page.text, /was cancelled/);
      assert.doesNotMatch(page.text, /call this number/);
      assert.match(page.text, /href="\/login\?return_to=/);
    });

    it("leads to no other site, whatever the first page was told", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      for (const evil of ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"]) {
        const agent = createUserAgent();
        const query = `?return_to=${encodeURIComponent(evil)}`;
        const page = await logInWith(at.server, agent, { query });
        assert.ok(page.address.startsWith(at.server.url), page.address);
      }
    });

    it("takes no start from a page that is not ours", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const agent = createUserAgent();
      await agent.open(`${at.server.url}login`);
      const answer = await agent.fetch(`${at.server.url}login/connection/sandbox`, {
        method: "POST",
        body: new URLSearchParams({ form_token: "x".repeat(43) }),
      });
      assert.equal(answer.status, 403);
      const link = await agent.fetch(`${at.server.url}login/connection/sandbox?flow=${"x".repeat(43)}`);
      assert.equal(link.status, 400);
    });
  });

  describe(`adding an account elsewhere, on ${engine.name} (better-auth GHSA-g38m-r43w-p2q7)`, () => {
    it("counts for the session that left alone: not for another user who has the browser by then", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const mallory = await signUp(server.url);
      const add = await mallory.agent.open(`${server.url}profile/connections/add/sandbox`);
      const callback = await callbackOf(mallory.agent, await mallory.agent.submit(add, {}));
      const victim = await signUp(server.url);
      assert.equal((await victim.agent.open(callback)).status, 400, "in the victim's browser");
      const logout = await mallory.agent.open(`${server.url}logout`);
      await mallory.agent.submit(logout, {});
      await logInWith(server, mallory.agent, { account: "acc_work" });
      const page = await mallory.agent.open(callback);
      assert.equal(page.status, 400);
      const { events } = await server.services.audit.list({ action: "login.identity_linked", limit: 10 });
      assert.equal(events.length, 0);
    });

    it("links an identity to one of two users who add it at once", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const people = [await signUp(server.url), await signUp(server.url)];
      const callbacks: string[] = [];
      for (const { agent } of people) {
        const add = await agent.open(`${server.url}profile/connections/add/sandbox`);
        callbacks.push(await callbackOf(agent, await agent.submit(add, {})));
      }
      const pages = await Promise.all(people.map(({ agent }, i) => agent.open(callbacks[i] ?? "")));
      assert.deepEqual(pages.map(({ status }) => status).sort(), [200, 403]);
      const { events } = await server.services.audit.list({ action: "login.identity_linked", limit: 10 });
      assert.equal(events.length, 1);
    });
  });
}
