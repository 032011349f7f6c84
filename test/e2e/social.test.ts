import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { authorize, PASSWORD, relyingParty, signUp } from "../support/person.ts";
import { buttonOf, callbackOf, logInWith, pressButton, startSocialServer, whoIs } from "../support/social.ts";
import { createUserAgent, type Page, type UserAgent } from "../support/user-agent.ts";

const ANNE = "anne.lee@calendar.example";

/** Follows the first link of a page whose address begins with `path`. */
async function follow(agent: UserAgent, page: Page, path: string): Promise<Page> {
  const link = [...page.text.matchAll(/href="([^"]+)"/g)].map((match) => match[1] ?? "");
  const target = link.find((address) => address.startsWith(path));
  assert.ok(target, `no link to ${path}:\n${page.text}`);
  return agent.open(new URL(target.replaceAll("&amp;", "&"), page.address).href);
}

for (const engine of engines) {
  describe(`log-in at another provider, on ${engine.name}`, () => {
    it("makes an account at the first time and finds it at the second", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const first = createUserAgent();
      assert.equal((await logInWith(server, first)).status, 200);
      assert.equal(await whoIs(server, first), ANNE);
      const second = createUserAgent();
      await logInWith(server, second);
      assert.equal(await whoIs(server, second), ANNE);
      const { events } = await server.services.audit.list({ action: "login.user_created", limit: 10 });
      assert.equal(events.length, 1);
      const user = await server.services.login.accounts.findByEmail(ANNE);
      assert.equal(user?.emailVerified, true);
      assert.equal(user?.name, "Anne Lee");
    });

    it("goes straight to the connection that the app names, and on to the app", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const party = await relyingParty(at.server.url);
      const agent = createUserAgent();
      const { page } = await authorize(party, agent, {
        connection: "sandbox",
        login_hint: "anne.lee@work.example",
      });
      assert.ok(page.address.startsWith(at.providers["sandbox"]?.url ?? "?"), page.address);
      assert.equal(new URL(page.address).searchParams.get("login_hint"), "anne.lee@work.example");
      const callback = await callbackOf(agent, page, "acc_work");
      const app = await agent.open(callback, {
        stopAt: (address) => address.startsWith("http://localhost:3999"),
      });
      assert.match(app.address, /[?&]code=/);
    });

    it("leads whoever types an address of an organization's domain to its one connection", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const { manage, settings } = server.services.organizations;
      const lab = await manage.create({ name: "lab", display_name: "Lab", branding: {}, metadata: {} });
      await settings.setConnections(lab.id, [{ connection: "sandbox", auto_membership: true }]);
      await settings.addDomain(lab.id, { domain: "calendar.example", verified: true });
      await signUp(server.url, "known@calendar.example");
      const provider = at.providers["sandbox"]?.url ?? "?";
      for (const email of ["known@calendar.example", ANNE]) {
        const agent = createUserAgent();
        const page = await agent.submit(await agent.open(`${server.url}login`), { email });
        assert.ok(page.address.startsWith(provider), `${email}: ${page.address}`);
      }
      const agent = createUserAgent();
      const first = await agent.open(`${server.url}login?organization=lab`);
      assert.match(first.text, /For Lab/);
      await agent.submit(first, { email: ANNE });
      await agent.open(
        await callbackOf(agent, await pressButton(server, agent, "sandbox", "?organization=lab")),
      );
      assert.equal(await whoIs(server, agent), ANNE);
      // And not where the organization logs in otherwise.
      await settings.setConnections(lab.id, [{ connection: "passkey", auto_membership: false }]);
      const page = await createUserAgent().open(`${server.url}login?organization=lab`);
      assert.doesNotMatch(page.text, /The sandbox provider/);
      const forms = [
        { action: "/login/connection/sandbox", method: "post", fields: first.forms[0]?.fields ?? {} },
      ];
      assert.equal((await agent.submit({ ...first, forms }, {})).status, 403);
    });

    it("counts the connection as well once an account was linked in a log-in to an organization", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const { manage, settings } = server.services.organizations;
      const lab = await manage.create({ name: "lab", display_name: "Lab", branding: {}, metadata: {} });
      await settings.setConnections(lab.id, [{ connection: "sandbox", auto_membership: true }]);
      await signUp(server.url, ANNE);
      const agent = createUserAgent();
      const prove = await logInWith(server, agent, { query: "?organization=lab" });
      assert.match(prove.text, /Is this your account\?/);
      await agent.submit(await follow(agent, prove, "/login/password"), { password: PASSWORD });
      const request = new Request(server.url, { headers: { cookie: agent.cookies(server.url) } });
      const session = await server.services.login.sessions.current(request);
      assert.deepEqual(session?.methods, ["password", "connection:sandbox"]);
    });

    it("never merges by address: the account's owner proves it, and only then it is linked", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const owner = await signUp(server.url, ANNE);
      const agent = createUserAgent();
      const prove = await logInWith(server, agent);
      assert.match(prove.text, /Is this your account\?/);
      assert.equal(await whoIs(server, agent), undefined, "nobody is logged in yet");
      const password = await follow(agent, prove, "/login/password");
      const wrong = await agent.submit(password, { password: "not the password at all" });
      assert.equal(wrong.status, 401);
      assert.equal(await whoIs(server, agent), undefined);
      // Nothing came of it: the next try asks again.
      assert.match((await logInWith(server, createUserAgent())).text, /Is this your account\?/);
      await agent.submit(wrong, { password: PASSWORD });
      assert.equal(await whoIs(server, agent), ANNE);
      const later = createUserAgent();
      await logInWith(server, later);
      assert.equal(await whoIs(server, later), ANNE);
      const { events } = await server.services.audit.list({ action: "login.identity_linked", limit: 10 });
      assert.deepEqual(
        events.map((event) => event.user_id),
        [owner.userId],
      );
    });

    it("links nothing when somebody else proves who they are", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      await signUp(server.url, ANNE);
      const other = await signUp(server.url, "mallory@example.com");
      const agent = createUserAgent();
      const prove = await logInWith(server, agent);
      const password = await follow(agent, prove, "/login/password");
      // The identifier of the flow is the account's: a changed field changes nothing.
      const page = await agent.submit(password, { email: other.email, password: "x".repeat(20) });
      assert.equal(page.status, 401);
      assert.equal(await whoIs(server, agent), undefined);
    });

    it("gives an account to the first of two browsers that come with one identity", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const agents = Array.from({ length: 8 }, () => createUserAgent());
      const callbacks: string[] = [];
      for (const agent of agents) callbacks.push(await callbackOf(agent, await pressButton(server, agent)));
      await Promise.all(agents.map((agent, i) => agent.open(callbacks[i] ?? "")));
      for (const agent of agents) assert.equal(await whoIs(server, agent), ANNE);
      const { events } = await server.services.audit.list({ action: "login.user_created", limit: 10 });
      assert.equal(events.length, 1);
    });

    it("adds an account in the profile, shows it, and removes it unless it is the last way in", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      const person = await signUp(server.url);
      const add = await person.agent.open(`${server.url}profile/connections/add/sandbox`);
      const asks = await person.agent.submit(
        add,
        {},
        { form: buttonOf(add, "/profile/connections/add/sandbox") },
      );
      const profile = await person.agent.open(await callbackOf(person.agent, asks, "acc_work"));
      assert.match(profile.text, /anne\.lee@work\.example/);
      const agent = createUserAgent();
      await logInWith(server, agent, { account: "acc_work" });
      assert.equal(await whoIs(server, agent), person.email);
      const remove = await follow(person.agent, profile, "/profile/connections/idn_");
      const after = await person.agent.submit(remove, {});
      assert.doesNotMatch(after.text, /anne\.lee@work\.example/);
      const only = createUserAgent();
      await logInWith(server, only);
      const own = await only.open(`${server.url}profile`);
      const refused = await only.submit(await follow(only, own, "/profile/connections/idn_"), {});
      assert.equal(refused.status, 409);
      assert.match(refused.text, /only way/);
    });

    it("refuses to add what logs in somebody else", async () => {
      await using at = await startSocialServer({ storage: await engine.storage() });
      const { server } = at;
      await logInWith(server, createUserAgent());
      const person = await signUp(server.url);
      const add = await person.agent.open(`${server.url}profile/connections/add/sandbox`);
      const asks = await person.agent.submit(add, {});
      const page = await person.agent.open(await callbackOf(person.agent, asks));
      assert.equal(page.status, 403);
      assert.match(page.text, /belongs to somebody else/);
      assert.equal(await whoIs(server, person.agent), person.email);
    });
  });
}
