import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { authorize, PASSWORD, relyingParty, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent } from "../support/user-agent.ts";

for (const engine of engines) {
  describe(`logging in on ${engine.name}`, () => {
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
    after(() => server.close());

    async function tryPassword(email: string, password: string, agent = createUserAgent()) {
      const form = await agent.open(`${server.url}login`);
      return agent.submit(form, { email, password });
    }

    it("lets a person in who gives the right password, and keeps them logged in", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const page = await tryPassword(email, PASSWORD, agent);
      assert.equal(page.status, 200);
      assert.match(page.address, /\/approvals$/);
    });

    it("takes the address in any case, with spaces around it", async () => {
      const { email } = await signUp(server.url);
      assert.equal((await tryPassword(`  ${email.toUpperCase()} `, PASSWORD)).status, 200);
    });

    it("answers a wrong password and an unknown address with the same page", async () => {
      const { email } = await signUp(server.url);
      const strip = (text: string) =>
        text
          .replaceAll(/(name="(form_token|flow)" value="[^"]*"|flow=[\w-]+)/g, "")
          .replaceAll(/[\w.+%-]+(@|%40)example\.com/g, "");
      const wrong = await tryPassword(email, "not the password at all");
      const unknown = await tryPassword("nobody-here@example.com", "not the password at all");
      assert.deepEqual([wrong.status, unknown.status], [401, 401]);
      assert.equal(strip(wrong.text), strip(unknown.text));
    });

    it("locks an address after five failures, known or not, for longer each time", async () => {
      const { email } = await signUp(server.url);
      for (const address of [email, "locked-nobody@example.com"]) {
        for (let i = 0; i < 5; i++)
          assert.equal((await tryPassword(address, `wrong password ${i}`)).status, 401);
        const locked = await tryPassword(address, PASSWORD);
        assert.equal(locked.status, 429);
        assert.match(locked.text, /Too many attempts/);
      }
      now += 31_000;
      assert.equal((await tryPassword(email, PASSWORD)).status, 200);
    });

    it("counts guesses that come in parallel", async () => {
      const { email } = await signUp(server.url);
      await Promise.all(Array.from({ length: 12 }, (_, i) => tryPassword(email, `parallel guess ${i}`)));
      assert.equal((await tryPassword(email, PASSWORD)).status, 429);
    });

    it("refuses a form that another site sent", async () => {
      const agent = createUserAgent();
      const form = await agent.open(`${server.url}login`);
      const body = new URLSearchParams({
        ...form.forms[0]?.fields,
        email: "a@example.com",
        password: PASSWORD,
      });
      const headers = { "content-type": "application/x-www-form-urlencoded", origin: "https://evil.example" };
      assert.equal((await agent.fetch(`${server.url}login`, { method: "POST", body, headers })).status, 403);
    });

    it("refuses a form without this browser's token", async () => {
      const response = await fetch(`${server.url}login`, {
        method: "POST",
        body: new URLSearchParams({ email: "a@example.com", password: PASSWORD, form_token: "x" }),
      });
      assert.equal(response.status, 403);
    });

    it("says what is wrong with a sign-up and makes no account", async () => {
      const agent = createUserAgent();
      const form = await agent.open(`${server.url}signup`);
      const short = await agent.submit(form, { name: "N", email: "short@example.com", password: "short" });
      assert.equal(short.status, 400);
      assert.match(short.text, /at least 12 characters/);
      const bad = await agent.submit(form, { name: "N", email: "not an address", password: PASSWORD });
      assert.match(bad.text, /Enter an e-mail address/);
      assert.equal((await tryPassword("short@example.com", "short")).status, 401);
    });

    it("does not make a second account for one address", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const form = await agent.open(`${server.url}signup`);
      const page = await agent.submit(form, { name: "Twin", email: email.toUpperCase(), password: PASSWORD });
      assert.equal(page.status, 400);
    });

    it("asks who it is first, and then for the password", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const second = await agent.submit(await agent.open(`${server.url}login?return_to=/accounts`), {
        email,
      });
      assert.equal(new URL(second.address).pathname, "/login/password");
      assert.match(second.text, new RegExp(email));
      const wrong = await agent.submit(second, { password: "not the password at all" });
      assert.equal(wrong.status, 401);
      const page = await agent.submit(wrong, { password: PASSWORD });
      assert.equal(new URL(page.address).pathname, "/accounts");
    });

    it("shows the same second page to an address that nobody has", async () => {
      const { email } = await signUp(server.url);
      const pages = await Promise.all(
        [email, "nobody-at-all@example.com"].map(async (address) => {
          const agent = createUserAgent();
          return agent.submit(await agent.open(`${server.url}login`), { email: address });
        }),
      );
      const [known = "", unknown = ""] = pages.map(({ text }) =>
        text.replaceAll(/value="[^"]*"|flow=[\w-]+|login_hint=[^"&]*|<strong>[^<]*/g, ""),
      );
      assert.equal(known, unknown);
    });

    it("goes on with a log-in only in the browser where it began, and only while it lasts", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const second = await agent.submit(await agent.open(`${server.url}login`), { email });
      const other = createUserAgent();
      await other.open(`${server.url}login`);
      assert.equal((await other.open(second.address)).status, 400, "opened elsewhere");
      assert.ok((await other.submit(second, { password: PASSWORD })).status >= 400, "sent elsewhere");
      assert.equal(
        (await agent.open(`${server.url}login/second-factor${new URL(second.address).search}`)).status,
        400,
      );
      assert.equal((await agent.open(`${server.url}login/password?flow=x`)).status, 400);
      now += 31 * 60_000;
      assert.equal((await agent.submit(second, { password: PASSWORD })).status, 400, "too late");
    });

    it("is over once it has let somebody in: of 64 answers one logs in", async () => {
      const { email } = await signUp(server.url);
      const agent = createUserAgent();
      const second = await agent.submit(await agent.open(`${server.url}login`), { email });
      const body = new URLSearchParams({ ...second.forms[0]?.fields, password: PASSWORD }).toString();
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const cookie = agent.cookies(server.url);
      const answers = await Promise.all(
        Array.from({ length: 64 }, () =>
          fetch(`${server.url}login/password`, {
            method: "POST",
            redirect: "manual",
            headers: { ...headers, cookie },
            body,
          }),
        ),
      );
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
    });

    it("goes nowhere else after log-in, whatever return_to says", async () => {
      const { email } = await signUp(server.url);
      for (const target of [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
      ]) {
        const agent = createUserAgent();
        const form = await agent.open(`${server.url}login?return_to=${encodeURIComponent(target)}`);
        const page = await agent.submit(form, { email, password: PASSWORD });
        assert.ok(page.address.startsWith(server.url), `${target} led to ${page.address}`);
      }
    });

    it("changes the session's value at log-in, and the old one is worth nothing", async () => {
      const { agent, email } = await signUp(server.url);
      const old = agent.cookies(server.url);
      await tryPassword(email, PASSWORD, agent);
      assert.notEqual(agent.cookies(server.url), old);
      const response = await fetch(`${server.url}approvals`, {
        headers: { cookie: old },
        redirect: "manual",
      });
      assert.equal(response.status, 303);
    });

    it("answers prompt=none with login_required when nobody is logged in", async () => {
      const party = await relyingParty(server.url);
      const { page } = await authorize(party, createUserAgent(), { prompt: "none" });
      assert.equal(new URL(page.address).searchParams.get("error"), "login_required");
    });

    it("logs out after a question, and only then", async () => {
      const { agent } = await signUp(server.url);
      const party = await relyingParty(server.url);
      const address = `${server.url}oidc/logout?client_id=assistant&post_logout_redirect_uri=${encodeURIComponent(APP_URL)}`;
      const question = await agent.open(address);
      assert.match(question.text, /Log out of this account/);
      const still = await authorize(party, agent);
      assert.ok(new URL(still.page.address).searchParams.get("code"));
      const again = await agent.open(address);
      const done = await agent.submit(again, { logout: "yes" }, { stopAt: (a) => a.startsWith(APP_URL) });
      assert.ok(done.address.startsWith(APP_URL));
      const after = await authorize(party, agent);
      assert.match(after.page.text, /Log in/);
    });

    it("ends the session of a user who was switched off", async () => {
      const { agent, userId } = await signUp(server.url);
      await server.services.storage
        .db<{ users: { id: string; disabled_at: number | null } }>()
        .updateTable("users")
        .set({ disabled_at: now })
        .where("id", "=", userId)
        .execute();
      const page = await agent.open(`${server.url}approvals`);
      assert.match(page.text, /Log in/);
    });
  });
}

describe("the pages of log-in", () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.close());

  it("asks again when the app insists with prompt=login", async () => {
    const { agent, email } = await signUp(server.url);
    const party = await relyingParty(server.url);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const asked = await authorize(party, agent, { prompt: "login" });
    assert.match(asked.page.text, /Log in/);
    const back = await agent.submit(
      asked.page,
      { email, password: PASSWORD },
      { stopAt: (a) => a.startsWith(APP_URL) },
    );
    assert.ok(new URL(back.address).searchParams.get("code"));
  });

  it("speak Japanese to a browser that asks for it, and keep to a choice", async () => {
    const japanese = await fetch(`${server.url}login`, { headers: { "accept-language": "ja,en;q=0.5" } });
    assert.match(await japanese.text(), /<html lang="ja">[\s\S]*メールアドレス/);
    const chosen = await fetch(`${server.url}login?lang=en`, { headers: { "accept-language": "ja" } });
    assert.match(await chosen.text(), /<html lang="en">/);
  });

  it("say to a person that there is nothing at an address, and to a program as a problem document", async () => {
    const page = await fetch(`${server.url}nothing-here`, { headers: { accept: "text/html" } });
    assert.equal(page.status, 404);
    assert.match(await page.text(), /<h1>/);
    const problem = await fetch(`${server.url}nothing-here`, { headers: { accept: "application/json" } });
    assert.equal((await problem.json()).code, "request.not_found");
  });

  it("allow no script but their own, no frame, nothing from elsewhere, and are not cached", async () => {
    for (const path of ["login", "signup", "nowhere"]) {
      const response = await fetch(`${server.url}${path}`, { headers: { accept: "text/html" } });
      const policy = response.headers.get("content-security-policy") ?? "";
      const scripts = [...(await response.text()).matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];
      const hashes = scripts.map(
        ([, , text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
      );
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe/);
      assert.equal(/script-src ([^;]*)/.exec(policy)?.[1] ?? "", hashes.join(" "), path);
      assert.equal(hashes.length, path === "nowhere" ? 0 : 1);
      assert.ok(scripts.every(([, attributes]) => attributes === ""));
      assert.equal(response.headers.get("cache-control"), "no-store");
    }
  });

  it("show text that somebody typed as text", async () => {
    const agent = createUserAgent();
    const form = await agent.open(`${server.url}login`);
    const page = await agent.submit(form, {
      email: '"><img src=x onerror=alert(1)>',
      password: "x".repeat(12),
    });
    assert.doesNotMatch(page.text, /<img src=x/);
  });

  it("refuse a form that is too long", async () => {
    const response = await fetch(`${server.url}login`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `email=${"a".repeat(20_000)}`,
    });
    assert.equal(response.status, 413);
  });

  it("take no address from the request's headers", async () => {
    const response = await fetch(`${server.url}.well-known/openid-configuration`, {
      headers: {
        "x-forwarded-host": "evil.example",
        forwarded: "host=evil.example",
        "x-forwarded-proto": "https",
      },
    });
    assert.doesNotMatch(await response.text(), /evil\.example/);
  });
});
