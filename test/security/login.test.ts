import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { authorize, PASSWORD, type Person, relyingParty, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page } from "../support/user-agent.ts";
import { askApproval, codeFor, honest, isApp, openAuthorize, poll, redeemCode } from "./attack.ts";

/** T06, T14, T19; Auth.js GHSA-7rqj, Vault CVE-2025-6014, nextjs-auth0 CVE-2025-46344, FastMCP GHSA-rww4, GHSA-c2jp, better-auth CVE-2025-61928. */
for (const engine of engines) {
  describe(`the log-in on ${engine.name}`, () => {
    let server: TestServer;
    let now = Date.now();

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
        },
        { clock: { now: () => now } },
      );
    });
    after(() => server?.close());

    const tryPassword = async (email: string, password: string, agent = createUserAgent()) =>
      agent.submit(await agent.open(`${server.url}login`), { email, password });
    const isLoggedIn = async ({ agent }: Pick<Person, "agent">) =>
      (await agent.fetch(`${server.url}approvals`)).status === 200;

    /** Sends a page's form as an attacker's page, tool or tricked browser would; nothing of it may count. */
    async function sendForged(victim: Person, page: Page, fields: Record<string, string>, token: string) {
      const form = page.forms[0];
      assert.ok(form, page.text);
      const address = new URL(form.action || page.address, page.address).href;
      const honest = { ...form.fields, ...fields };
      const origin = server.url.slice(0, -1);
      const type = "application/x-www-form-urlencoded";
      const forgeries: [string, Record<string, string>, Record<string, string>][] = [
        ["another origin", honest, { "content-type": type, origin: "https://evil.example" }],
        ["a null origin", honest, { "content-type": type, origin: "null" }],
        ["a sibling origin", honest, { "content-type": type, origin: `${origin}0` }],
        ["another site", honest, { "content-type": type, "sec-fetch-site": "cross-site" }],
        ["a sibling site", honest, { "content-type": type, "sec-fetch-site": "same-site" }],
        ["text", honest, { "content-type": "text/plain", origin }],
        ["no type", honest, { origin }],
        ["no token", { ...honest, [token]: "" }, { "content-type": type, origin }],
        ["a wrong token", { ...honest, [token]: "x".repeat(43) }, { "content-type": type, origin }],
      ];
      for (const [name, values, headers] of forgeries) {
        const body = new TextEncoder().encode(new URLSearchParams(values).toString());
        const answer = await victim.agent.fetch(address, { method: "POST", body, headers });
        assert.ok(answer.status >= 400 && answer.status < 500, `${form.action} ${name}: ${answer.status}`);
      }
      const twice = `${new URLSearchParams(honest)}&${new URLSearchParams(fields)}`;
      const headers = { "content-type": type, origin };
      if (Object.keys(fields).length > 0)
        assert.ok(
          (await victim.agent.fetch(address, { method: "POST", body: twice, headers })).status >= 400,
          "twice",
        );
    }

    it("takes no form that the page in front of the person did not send", async () => {
      const victim = await signUp(server.url);
      await sendForged(victim, await victim.agent.open(`${server.url}logout`), {}, "csrf");
      const anonymous = { ...victim, agent: createUserAgent() };
      await sendForged(
        anonymous,
        await anonymous.agent.open(`${server.url}login`),
        { email: victim.email, password: PASSWORD },
        "form_token",
      );
      const fresh = { email: "forged-sign-up@example.com", password: PASSWORD, name: "x" };
      await sendForged(anonymous, await anonymous.agent.open(`${server.url}signup`), fresh, "form_token");
      assert.equal(await isLoggedIn(anonymous), false);
      assert.equal((await tryPassword("forged-sign-up@example.com", PASSWORD)).status, 401);
      const consent = await authorize(await relyingParty(server.url, "other"), victim.agent);
      await sendForged(victim, consent.page, { decision: "allow" }, "csrf");
      const id = (await askApproval(server.url, victim.userId)).body["auth_req_id"] ?? "";
      const path =
        /\/approvals\/apr_[0-9a-z]+/.exec((await victim.agent.open(`${server.url}approvals`)).text)?.[0] ??
        "";
      await sendForged(
        victim,
        await victim.agent.open(new URL(path, server.url).href),
        { decision: "approve" },
        "csrf",
      );
      assert.equal((await poll(server.url, id)).body["error"], "authorization_pending");
      assert.equal(await isLoggedIn(victim), true);
    });

    it("takes no other person's form token for one's own", async () => {
      const [victim, mallory] = [await signUp(server.url), await signUp(server.url)];
      const theirs = await mallory.agent.open(`${server.url}logout`);
      assert.ok((await victim.agent.submit(theirs, {})).status >= 400);
      assert.equal(await isLoggedIn(victim), true);
    });

    it("never takes over a session that was there before", async () => {
      const { email, agent: mallory } = await signUp(server.url);
      const planted = /behalf_session=([^;]+)/.exec(mallory.cookies(server.url))?.[1] ?? "";
      for (const value of [planted, "x", "x".repeat(43)]) {
        const form = await fetch(`${server.url}login`);
        const cookie = form.headers.getSetCookie()[0]?.split(";")[0] ?? "";
        const form_token = /name="form_token" value="([^"]+)"/.exec(await form.text())?.[1] ?? "";
        const response = await fetch(`${server.url}login`, {
          method: "POST",
          redirect: "manual",
          headers: { cookie: `${cookie}; behalf_session=${value}` },
          body: new URLSearchParams({ form_token, email, password: PASSWORD }),
        });
        assert.equal(response.status, 303);
        const session = response.headers.getSetCookie().find((it) => it.startsWith("behalf_session="));
        assert.notEqual(session?.split(";")[0], `behalf_session=${value}`);
        assert.ok(session);
        const old = await fetch(`${server.url}approvals`, {
          headers: { cookie: `behalf_session=${value}` },
          redirect: "manual",
        });
        assert.equal(old.status, 303, "the planted one is worth nothing");
      }
    });

    it("Vault CVE-2025-6014, CVE-2025-6015, OpenBao CVE-2025-55003: counts guesses at one address together, however it is spelt", async () => {
      const { email } = await signUp(server.url);
      const spellings = [
        email.toUpperCase(),
        ` ${email}`,
        `${email}\t`,
        `\u00a0${email}`,
        email.replace("e", "\uff45"),
        `${email}\u3000`,
      ];
      for (const spelling of spellings.slice(0, 5)) await tryPassword(spelling, "a wrong password");
      for (const spelling of [email, ...spellings])
        assert.equal((await tryPassword(spelling, PASSWORD)).status, 429, JSON.stringify(spelling));
      now += 31_000;
      assert.equal((await tryPassword(email, PASSWORD)).status, 200);
    });

    it("Auth.js GHSA-7rqj-j65f-68wh: makes no account whose address only looks like another one, and none that cannot be stored", async () => {
      const { email } = await signUp(server.url);
      const [name = "", host = ""] = email.split("@");
      const agent = createUserAgent();
      const refusedOnes = [
        email.replace("e", "\uff45"),
        email.toUpperCase(),
        ...[
          "\u200b",
          "\u200d",
          "\u2060",
          "\ufeff",
          "\u00ad",
          "\u202e",
          "\u2066",
          "\u180e",
          "\0",
          "\u0001",
          "\u007f",
        ].flatMap((hidden) => [
          `${name}${hidden}@${host}`,
          `${hidden}${name}@${host}`,
          `${name}@${hidden}${host}`,
        ]),
        `${name}@${host}\u200b`,
        `${name}@@${host}`,
        `${name}@`,
        `"${name}"@${host}`,
        `${"a".repeat(250)}@${host}`,
        "",
      ];
      for (const address of refusedOnes) {
        const form = await agent.open(`${server.url}signup`);
        const page = await agent.submit(form, { name: "Twin", email: address, password: PASSWORD });
        assert.equal(page.status, 400, JSON.stringify(address));
      }
    });

    it("says the same of a known and an unknown address, locked or not", async () => {
      const { email } = await signUp(server.url);
      const strip = ({ text }: Page) =>
        text.replaceAll(/value="[^"]*"|login_hint=[^"&]*|flow=[\w-]+|<strong>[^<]*/g, "");
      const unknown = "nobody-at-all@example.com";
      for (let i = 0; i < 7; i++) {
        const [known, other] = [
          await tryPassword(email, `guess ${i}`),
          await tryPassword(unknown, `guess ${i}`),
        ];
        assert.equal(known.status, other.status);
        assert.equal(strip(known), strip(other));
      }
    });

    it("better-auth CVE-2025-61928: lets the account in that the form names, whatever else is in the form", async () => {
      const [anne, mallory] = [await signUp(server.url), await signUp(server.url)];
      const agent = createUserAgent();
      const form = await agent.open(`${server.url}login`);
      await agent.submit(form, {
        email: mallory.email,
        password: PASSWORD,
        user_id: anne.userId,
        userId: anne.userId,
        sub: anne.userId,
        role: "admin",
      });
      const page = await agent.open(`${server.url}logout`);
      assert.ok(page.text.includes(mallory.email) && !page.text.includes(anne.email));
    });

    it("nextjs-auth0 CVE-2025-46344: ends with the log-out: cookie, request in between and tokens of the browser", async () => {
      const person = await signUp(server.url);
      const old = person.agent.cookies(`${server.url}authorize`);
      const { body } = await redeemCode(server.url, await codeFor(server.url, person.agent));
      const consent = await authorize(await relyingParty(server.url, "other"), person.agent);
      await person.agent.submit(await person.agent.open(`${server.url}logout`), {});
      const info = await fetch(`${server.url}userinfo`, {
        headers: { authorization: `Bearer ${body.access_token}` },
      });
      assert.equal(info.status, 401);
      const again = await fetch(
        `${server.url}authorize?${new URLSearchParams({ ...honest(), prompt: "none" })}`,
        { headers: { cookie: old }, redirect: "manual" },
      );
      assert.match(again.headers.get("location") ?? "", /error=login_required/);
      assert.equal(
        (await fetch(`${server.url}approvals`, { headers: { cookie: old }, redirect: "manual" })).status,
        303,
      );
      assert.equal(
        (await person.agent.submit(consent.page, { decision: "allow" }, { stopAt: isApp })).status,
        400,
      );
    });

    it("FastMCP GHSA-c2jp-c369-7pvx: asks nobody to consent for the person who used the browser before", async () => {
      const [anne, ben] = [await signUp(server.url), await signUp(server.url)];
      const consent = await authorize(await relyingParty(server.url, "other"), anne.agent);
      assert.match(consent.page.text, /Allow Other agent\?/);
      await tryPassword(ben.email, PASSWORD, anne.agent);
      assert.equal((await anne.agent.open(consent.page.address)).status, 400);
      // Even with a token of Ben's own forms, the form that Anne was shown counts for nobody now.
      const csrf = (await anne.agent.open(`${server.url}logout`)).forms[0]?.fields["csrf"] ?? "";
      for (const fields of [{ decision: "allow" }, { decision: "allow", csrf }] as Record<string, string>[])
        assert.ok((await anne.agent.submit(consent.page, fields, { stopAt: isApp })).status >= 400);
      const later = await authorize(await relyingParty(server.url, "other"), anne.agent);
      assert.match(later.page.text, new RegExp(`Signed in as ${ben.email}`));
    });

    it("goes on with whoever logs in when a request asks for it, and logs in once", async () => {
      const [anne, ben] = [await signUp(server.url), await signUp(server.url)];
      now += 1_000;
      const asks = await openAuthorize(server.url, anne.agent, { ...honest(), prompt: "login" });
      const between = await anne.agent.submit(
        asks,
        { email: ben.email, password: PASSWORD },
        { stopAt: isApp },
      );
      const done = await anne.agent.submit(between, {}, { stopAt: isApp });
      const code = new URL(done.address).searchParams.get("code") ?? "";
      const { body } = await redeemCode(server.url, code);
      const claims = JSON.parse(Buffer.from(body.id_token.split(".")[1], "base64url").toString());
      assert.equal(claims.sub, ben.userId);
    });

    it("is not ended by a link, with or without a login at an app", async () => {
      const person = await signUp(server.url);
      const fresh = { ...person, agent: createUserAgent() };
      await tryPassword(person.email, PASSWORD, fresh.agent);
      for (const who of [person, fresh])
        for (const query of [
          "",
          `?client_id=assistant&post_logout_redirect_uri=${encodeURIComponent(APP_URL)}`,
          "?logout=yes",
          "?id_token_hint=x",
        ]) {
          const page = await who.agent.open(`${server.url}oidc/logout${query}`);
          // A page that sends its form by itself is as good as a link.
          if (/<script>/.test(page.text)) await who.agent.submit(page, {}, { stopAt: isApp });
          assert.equal(await isLoggedIn(who), true, query);
        }
    });
  });
}
