import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { PASSWORD, type Person, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page } from "../support/user-agent.ts";

const NEW_PASSWORD = "a quite different battery staple";

for (const engine of engines)
  describe(`the profile on ${engine.name}`, () => {
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

    const profile = (person: Pick<Person, "agent">) => person.agent.open(`${server.url}profile`);
    const isLoggedIn = async ({ agent }: Pick<Person, "agent">) =>
      (await agent.fetch(`${server.url}profile`)).status === 200;
    const formTo = (page: Page, path: string, field = "") =>
      page.forms.findIndex(
        (form) => form.action === path && Object.values(form.fields).join().includes(field),
      );
    async function logInElsewhere(email: string, password = PASSWORD) {
      const agent = createUserAgent();
      const page = await agent.submit(await agent.open(`${server.url}login`), { email, password });
      return { agent, status: page.status };
    }

    it("asks somebody who is not logged in to log in, and comes back", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const form = await agent.open(`${server.url}profile`);
      assert.equal(new URL(form.address).pathname, "/login");
      const page = await agent.submit(form, { email, password: PASSWORD });
      assert.equal(new URL(page.address).pathname, "/profile");
      assert.match(page.text, new RegExp(email));
    });

    it("changes the name, and keeps it when nothing of the new one can be seen", async () => {
      const person = await signUp(server.url);
      const page = await profile(person);
      const changed = await person.agent.submit(
        page,
        { name: "Another Name" },
        { form: formTo(page, "/profile") },
      );
      assert.match(changed.text, /value="Another Name"/);
      const kept = await person.agent.submit(
        changed,
        { name: " \u0007 " },
        { form: formTo(changed, "/profile") },
      );
      assert.match(kept.text, /value="Another Name"/);
    });

    it("lists where one is logged in, and ends one of them", async () => {
      const person = await signUp(server.url);
      const other = await logInElsewhere(person.email);
      const page = await profile(person);
      const end = formTo(page, "/profile/sessions/end", "ses_");
      assert.notEqual(end, -1);
      const after = await person.agent.submit(page, {}, { form: end });
      assert.equal(after.status, 200);
      assert.equal(await isLoggedIn(other), false);
      assert.equal(await isLoggedIn(person), true);
    });

    it("ends no session of somebody else", async () => {
      const [person, other] = [await signUp(server.url), await signUp(server.url)];
      await logInElsewhere(other.email);
      const theirs = await profile(other);
      const id = theirs.forms[formTo(theirs, "/profile/sessions/end", "ses_")]?.fields["session"] ?? "";
      assert.match(id, /^ses_/);
      await logInElsewhere(person.email);
      const page = await profile(person);
      const form = formTo(page, "/profile/sessions/end", "ses_");
      assert.equal((await person.agent.submit(page, { session: id }, { form })).status, 404);
      assert.match((await profile(other)).text, new RegExp(id));
    });

    it("changes the password after a recent proof, and logs out everywhere else", async () => {
      const person = await signUp(server.url);
      const other = await logInElsewhere(person.email);
      const form = await person.agent.open(`${server.url}profile/password`);
      const short = await person.agent.submit(form, { password: "short" });
      assert.equal(short.status, 400);
      const done = await person.agent.submit(short, { password: NEW_PASSWORD });
      assert.equal(new URL(done.address).pathname, "/profile");
      assert.equal(await isLoggedIn(other), false);
      assert.equal((await logInElsewhere(person.email)).status, 401, "the old one");
      assert.equal((await logInElsewhere(person.email, NEW_PASSWORD)).status, 200);
    });

    it("asks who it is again when the proof is old, and takes nobody else's", async () => {
      const [person, mallory] = [await signUp(server.url), await signUp(server.url)];
      const open = await person.agent.open(`${server.url}profile/password`);
      now += 11 * 60_000;
      const stale = await person.agent.submit(open, { password: NEW_PASSWORD });
      assert.equal(new URL(stale.address).pathname, "/login/password", "the old form changes nothing");
      assert.match(stale.text, new RegExp(person.email));
      const wrong = await person.agent.submit(stale, { email: mallory.email, password: "wrong" });
      assert.equal(wrong.status, 401);
      const before = person.agent.cookies(server.url);
      const back = await person.agent.submit(wrong, { password: PASSWORD });
      assert.equal(new URL(back.address).pathname, "/profile/password");
      assert.notEqual(person.agent.cookies(server.url), before, "the session's cookie is a new one");
      assert.match((await profile(person)).text, /This browser/);
    });

    it("logs out after the time without use, and after the longest life", async () => {
      const person = await signUp(server.url);
      now += 2 * 86_400_000;
      assert.equal(await isLoggedIn(person), true);
      now += 3 * 86_400_000 + 1_000;
      assert.equal(await isLoggedIn(person), false);
      const again = await logInElsewhere(person.email);
      for (let day = 0; day < 13; day++) {
        now += 86_400_000;
        assert.equal(await isLoggedIn(again), true, `day ${day}`);
      }
      now += 86_400_000 + 1_000;
      assert.equal(await isLoggedIn(again), false);
    });
  });
