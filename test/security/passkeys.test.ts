import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, it } from "node:test";
import {
  type Authenticator,
  type Change,
  createAuthenticator,
  type RequestOptions,
} from "../support/authenticator.ts";
import { engines } from "../support/engines.ts";
import { logIn, PASSWORD, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page, type UserAgent } from "../support/user-agent.ts";

/** Passkeys against whoever sends an answer that is not theirs, not fresh, or not true. */
for (const engine of engines)
  describe(`passkeys on ${engine.name}`, () => {
    let server: TestServer;
    let origin: string;
    let now = Date.now();
    let people = 0;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
        },
        { clock: { now: () => now } },
      );
      origin = new URL(server.url).origin;
    });
    after(() => server?.close());

    /** Posts what the page's script would post, from the page. */
    async function options<T>(agent: UserAgent, path: string, fields: Record<string, string>): Promise<T> {
      const response = await agent.fetch(new URL(path, server.url).href, {
        method: "POST",
        body: new URLSearchParams(fields),
        headers: { origin, "sec-fetch-site": "same-origin" },
      });
      assert.equal(response.status, 200, await response.clone().text());
      return (await response.json()) as T;
    }

    const formOf = (page: Page, action: string) => {
      const at = page.forms.findIndex((form) => form.action === action);
      const form = page.forms[at];
      assert.ok(form, `no form to ${action}`);
      return { at, fields: form.fields };
    };

    /** A new person whose only way in is a passkey. */
    async function signUpWithPasskey(email = `passkey-${engine.name}-${++people}@example.com`) {
      const agent = createUserAgent();
      const authenticator = createAuthenticator(origin);
      const page = await agent.open(`${server.url}signup`);
      const { at, fields } = formOf(page, "/signup/passkey");
      const profile = { ...fields, name: "Anne Example", email };
      const asked = await options<never>(agent, "/signup/passkey/options", profile);
      const answer = authenticator.create(asked);
      const after = await agent.submit(page, { ...profile, answer }, { form: at });
      return { agent, authenticator, email, page: after, answer, form: page, at, profile };
    }

    /** One log-in on the first page, in a browser of its own. */
    async function start(agent = createUserAgent()) {
      const page = await agent.open(`${server.url}login`);
      const { at, fields } = formOf(page, "/login/passkey/start");
      const asked = await options<RequestOptions & { challenge: string }>(
        agent,
        "/login/passkey/options",
        fields,
      );
      const send = (answer: string) => agent.submit(page, { ...fields, answer }, { form: at });
      return { agent, asked, send };
    }

    const isIn = (page: Page) => page.status === 200 && page.address.endsWith("/approvals");

    async function attack(authenticator: Authenticator, change: Change): Promise<Page> {
      const { asked, send } = await start();
      return send(authenticator.get(asked, change));
    }

    it("sign up and log in, without a word about who it is, and reach the strongest context", async () => {
      const { authenticator, page } = await signUpWithPasskey();
      assert.ok(isIn(page), page.text.slice(0, 500));
      const { agent, asked, send } = await start();
      assert.deepEqual(asked.allowCredentials, []);
      assert.ok(isIn(await send(authenticator.get(asked))));
      const tokens = await logIn(server.url, agent, { scope: "openid" });
      assert.ok(tokens.claims()?.sub);
    });

    it("are refused when anything in the answer is not as it must be", async () => {
      const { authenticator } = await signUpWithPasskey();
      const other = await signUpWithPasskey();
      const foreignKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
      const changes: Record<string, Change> = {
        "another origin": { origin: "https://evil.example" },
        "another port": { origin: "http://localhost:1" },
        "a frame of somebody else": { crossOrigin: true },
        "another relying party": { rpId: "evil.example" },
        "the type of a registration": { type: "webauthn.create" },
        "a challenge of nobody": { challenge: Buffer.alloc(32, 1).toString("base64url") },
        "nobody present": { present: false },
        "nobody verified": { verified: false },
        "a broken signature": { breakSignature: true },
        "another key": { key: foreignKey },
        "another's credential": { credentialId: other.authenticator.credentialId },
        "an unknown credential": { credentialId: Buffer.alloc(32, 2).toString("base64url") },
        "another's handle": { userHandle: other.authenticator.userHandle },
        "no handle": { userHandle: null },
        "a counter that went back": { counter: 1 },
      };
      let text: string | undefined;
      for (const [name, change] of Object.entries(changes)) {
        const page = await attack(authenticator, change);
        assert.equal(page.status, 401, name);
        const alert = /role="alert" id="problem">([^<]+)</.exec(page.text)?.[1];
        text ??= alert;
        assert.ok(alert && alert === text, `${name}: one answer for all`);
      }
      for (const answer of [
        "",
        "{}",
        "[]",
        "x".repeat(15_000),
        '{"id":"a","rawId":"a","type":"public-key"}',
      ]) {
        const { send } = await start();
        assert.equal((await send(answer)).status, 401, answer.slice(0, 20));
      }
      const { asked, send } = await start();
      assert.ok(isIn(await send(authenticator.get(asked))), "the honest one still works");
    });

    it("leave a record of a counter that went back", async () => {
      const { authenticator } = await signUpWithPasskey();
      await attack(authenticator, { counter: 7 });
      await attack(authenticator, { counter: 7 });
      const rows = await server.services.storage
        .db<{ audit_events: { action: string } }>()
        .selectFrom("audit_events")
        .select("action")
        .where("action", "=", "login.passkey_copied")
        .execute();
      assert.ok(rows.length >= 1);
    });

    it("take an authenticator that does not count", async () => {
      const agent = createUserAgent();
      const authenticator = createAuthenticator(origin);
      const page = await agent.open(`${server.url}signup`);
      const { at, fields } = formOf(page, "/signup/passkey");
      const profile = { ...fields, name: "Anne", email: `zero-${engine.name}@example.com` };
      const asked = await options<never>(agent, "/signup/passkey/options", profile);
      const answer = authenticator.create(asked, { counter: 0 });
      assert.ok(isIn(await agent.submit(page, { ...profile, answer }, { form: at })));
      for (let time = 0; time < 2; time++)
        assert.ok(isIn(await attack(authenticator, { counter: 0 })), `time ${time}`);
      assert.ok(isIn(await attack(authenticator, { counter: 5 })));
      assert.equal((await attack(authenticator, { counter: 0 })).status, 401);
    });

    it("answer a challenge once, in its browser, in time", async () => {
      const { authenticator } = await signUpWithPasskey();
      const first = await start();
      const answer = authenticator.get(first.asked);
      const elsewhere = await start();
      assert.equal((await elsewhere.send(answer)).status, 401, "another browser");
      assert.ok(isIn(await first.send(answer)));
      assert.equal((await first.send(answer)).status, 401, "replayed");
      const late = await start();
      now += 5 * 60_000;
      assert.equal((await late.send(authenticator.get(late.asked))).status, 401, "expired");
      const ofSignUp = await start();
      const fields = formOf(await ofSignUp.agent.open(`${server.url}signup`), "/signup/passkey").fields;
      const asked = await options<{ challenge: string }>(ofSignUp.agent, "/signup/passkey/options", {
        ...fields,
        name: "A",
        email: "a@example.com",
      });
      const wrongUse = authenticator.get(ofSignUp.asked, { challenge: asked.challenge });
      assert.equal((await ofSignUp.send(wrongUse)).status, 401, "a challenge of a sign-up");
    });

    it("let one of 64 copies of an answer in", async () => {
      const { authenticator } = await signUpWithPasskey();
      const { asked, send } = await start();
      const answer = authenticator.get(asked, { counter: 0xffff });
      const pages = await Promise.all(Array.from({ length: 64 }, () => send(answer)));
      assert.equal(pages.filter((page) => page.address.endsWith("/approvals")).length, 1);
    });

    it("make no account of a registration that does not hold", async () => {
      const changes: Record<string, Change> = {
        origin: { origin: "https://evil.example" },
        "relying party": { rpId: "evil.example" },
        type: { type: "webauthn.get" },
        challenge: { challenge: Buffer.alloc(32, 3).toString("base64url") },
        presence: { present: false },
        verification: { verified: false },
        algorithm: { algorithm: 0 },
        frame: { crossOrigin: true },
      };
      for (const [name, change] of Object.entries(changes)) {
        const email = `refused-${name.replace(" ", "-")}-${engine.name}@example.com`.toLowerCase();
        const agent = createUserAgent();
        const page = await agent.open(`${server.url}signup`);
        const { at, fields } = formOf(page, "/signup/passkey");
        const profile = { ...fields, name: "Anne", email };
        const asked = await options<never>(agent, "/signup/passkey/options", profile);
        const answer = createAuthenticator(origin).create(asked, change);
        const after = await agent.submit(page, { ...profile, answer }, { form: at });
        assert.equal(after.status, 400, name);
        assert.equal(await server.services.login.accounts.findByEmail(email), undefined, name);
      }
    });

    it("make the account of the address that was asked for, whatever comes with the answer", async () => {
      const agent = createUserAgent();
      const page = await agent.open(`${server.url}signup`);
      const { at, fields } = formOf(page, "/signup/passkey");
      const email = `asked-${engine.name}@example.com`.toLowerCase();
      const asked = await options<never>(agent, "/signup/passkey/options", { ...fields, name: "A", email });
      const answer = createAuthenticator(origin).create(asked);
      const other = `sent-${engine.name}@example.com`.toLowerCase();
      await agent.submit(page, { ...fields, name: "B", email: other, answer }, { form: at });
      assert.ok(await server.services.login.accounts.findByEmail(email));
      assert.equal(await server.services.login.accounts.findByEmail(other), undefined);
    });

    it("make no second account of an address or a credential that is taken, and ask alike for both", async () => {
      const first = await signUpWithPasskey();
      const again = await signUpWithPasskey(first.email);
      assert.equal(again.page.status, 400);
      const { agent, form, at, profile } = again;
      const email = `copy-${engine.name}@example.com`.toLowerCase();
      const asked = await options<never>(agent, "/signup/passkey/options", { ...profile, email });
      const { credentialId } = first.authenticator;
      const answer = createAuthenticator(origin).create(asked, { credentialId });
      const page = await agent.submit(form, { ...profile, email, answer }, { form: at });
      assert.equal(page.status, 400);
      assert.equal(await server.services.login.accounts.findByEmail(email), undefined);
      const { asked: login, send } = await start();
      assert.ok(isIn(await send(first.authenticator.get(login))), "the first one's passkey is still theirs");
    });

    it("give options to nobody who did not open our page", async () => {
      for (const path of ["/login/passkey/options", "/signup/passkey/options", "/profile/passkeys/options"]) {
        const response = await fetch(new URL(path, server.url), {
          method: "POST",
          body: new URLSearchParams({ form_token: "x".repeat(43), csrf: "x" }),
          redirect: "manual",
        });
        assert.ok(response.status >= 400, `${path} ${response.status}`);
      }
    });

    describe("on the profile", () => {
      /** Adds a passkey to somebody who is logged in. */
      async function add(agent: UserAgent, change: Change = {}, authenticator = createAuthenticator(origin)) {
        const page = await agent.open(`${server.url}profile/passkeys/add`);
        const { at, fields } = formOf(page, "/profile/passkeys/add");
        const asked = await options<never>(agent, "/profile/passkeys/options", fields);
        const answer = authenticator.create(asked, change);
        return {
          authenticator,
          answer,
          send: () => agent.submit(page, { ...fields, answer }, { form: at }),
        };
      }
      const idsOf = (page: Page) =>
        [...page.text.matchAll(/href="\/profile\/passkeys\/(pky_[^"]+)"/g)].map(([, id = ""]) => id);
      const profile = (agent: UserAgent) => agent.open(`${server.url}profile`);

      it("are added, renamed and removed by their owner alone", async () => {
        const anne = await signUp(server.url);
        const other = await signUp(server.url);
        const added = await (await add(anne.agent)).send();
        assert.match(added.address, /\/profile#passkeys$/);
        const [id] = idsOf(added);
        assert.ok(id);
        const address = `${server.url}profile/passkeys/${id}`;
        assert.equal((await other.agent.open(address)).status, 404);
        const page = await anne.agent.open(address);
        const named = await anne.agent.submit(page, { name: "Blue <key>" }, { form: 0 });
        assert.match(named.text, /Blue &lt;key&gt;/);
        const own = await other.agent.open(`${server.url}profile`);
        const { csrf = "" } = own.forms[0]?.fields ?? {};
        for (const verb of ["name", "remove"]) {
          const response = await other.agent.fetch(`${address}/${verb}`, {
            method: "POST",
            body: new URLSearchParams({ csrf, name: "Mine" }),
            headers: { origin },
          });
          assert.equal(response.status, 404, verb);
        }
        const forged = await anne.agent.fetch(`${address}/remove`, {
          method: "POST",
          body: new URLSearchParams({ csrf }),
          headers: { origin },
        });
        assert.equal(forged.status, 403, "another session's csrf");
        const gone = await anne.agent.submit(await anne.agent.open(address), {}, { form: 1 });
        assert.deepEqual(idsOf(gone), []);
      });

      it("are added once an answer, in the session that asked, and only with a recent proof", async () => {
        const anne = await signUp(server.url);
        const other = await signUp(server.url);
        const { send, answer } = await add(anne.agent);
        const theirs = await other.agent.open(`${server.url}profile/passkeys/add`);
        const { at, fields } = formOf(theirs, "/profile/passkeys/add");
        assert.equal((await other.agent.submit(theirs, { ...fields, answer }, { form: at })).status, 400);
        assert.equal((await send()).status, 200);
        assert.equal((await send()).status, 400, "replayed");
        assert.equal(idsOf(await profile(anne.agent)).length, 1);
        assert.equal((await (await add(anne.agent, { verified: false })).send()).status, 400);
        const old = await add(anne.agent);
        now += 11 * 60_000;
        const late = await old.send();
        assert.match(late.address, /\/login/);
        assert.equal(idsOf(await profile(anne.agent)).length, 1);
      });

      it("are not removed when nothing else is left, by 64 at once either", async () => {
        const { agent } = await signUpWithPasskey();
        await (await add(agent)).send();
        const ids = idsOf(await profile(agent));
        assert.equal(ids.length, 2);
        const pages = await Promise.all(ids.map((id) => agent.open(`${server.url}profile/passkeys/${id}`)));
        await Promise.all(
          Array.from({ length: 64 }, (_, i) => {
            const page = pages[i % 2];
            assert.ok(page);
            return agent.submit(page, {}, { form: 1 });
          }),
        );
        const [left, ...more] = idsOf(await profile(agent));
        assert.ok(left && more.length === 0);
        const page = await agent.open(`${server.url}profile/passkeys/${left}`);
        assert.equal((await agent.submit(page, {}, { form: 1 })).status, 409);
      });

      it("are asked for after a password, from their owner, and a stranger's does not do", async () => {
        const anne = await signUp(server.url);
        const other = await signUp(server.url);
        const { authenticator, send: keep } = await add(anne.agent);
        await keep();
        const { authenticator: foreign, send: keepForeign } = await add(other.agent);
        await keepForeign();
        const agent = createUserAgent();
        const enter = async () => {
          const page = await agent.open(`${server.url}login`);
          const next = await agent.submit(page, { email: anne.email, password: PASSWORD });
          assert.match(next.address, /\/login\/passkey\?flow=/);
          const { at, fields } = formOf(next, "/login/passkey");
          const path = `/login/passkey/options?flow=${fields["flow"]}`;
          const asked = await options<RequestOptions>(agent, path, fields);
          return { asked, send: (answer: string) => agent.submit(next, { ...fields, answer }, { form: at }) };
        };
        const bad = await enter();
        assert.deepEqual(
          bad.asked.allowCredentials?.map(({ id }) => id),
          [authenticator.credentialId],
        );
        assert.equal((await bad.send(foreign.get(bad.asked))).status, 401);
        const good = await enter();
        assert.ok(isIn(await good.send(authenticator.get(good.asked, { userHandle: null }))));
      });
    });
  });
