import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sql } from "kysely";
import { secret } from "../lib/secret.ts";
import { testEngines } from "../storage/testing.ts";
import { type AdminSetup, ISSUER, openAdmin, PASSWORD } from "./testing.ts";

for (const engine of testEngines())
  describe(`users of the administrator's API on ${engine.name}`, () => {
    let setup: AdminSetup;
    beforeEach(async () => {
      setup = await openAdmin(engine.open);
    });
    afterEach(() => setup.storage.close());

    const make = (email: string, role: "user" | "admin" = "user") =>
      setup.login.accounts.create({ email, password: secret(PASSWORD), role });
    const eventsOf = async (action: string) => (await setup.audit.list({ action })).events;

    describe("creating", () => {
      it("makes a user who can log in, and the audit names the administrator", async () => {
        const { status, body } = await setup.call("POST", "/users", {
          body: { email: "Anne@example.com", name: "Anne", password: PASSWORD },
        });
        assert.equal(status, 201);
        assert.deepEqual(body, {
          id: body.id,
          email: "Anne@example.com",
          email_verified: false,
          name: "Anne",
          role: "user",
          disabled_at: null,
          created_at: "2026-01-01T00:00:00.000Z",
        });
        const { outcome } = await setup.login.accounts.authenticate("anne@example.com", secret(PASSWORD));
        assert.equal(outcome, "ok");
        const event = (await eventsOf("login.user_created"))[0];
        assert.deepEqual([event?.user_id, event?.actor_id], [body.id, setup.root.id]);
      });

      it("makes an administrator when the role says so", async () => {
        const { body } = await setup.call("POST", "/users", {
          body: { email: "b@example.com", role: "admin" },
        });
        assert.equal(body.role, "admin");
        assert.equal((await setup.call("GET", "/users", { token: await setup.token(body.id) })).status, 200);
      });

      const refused: [string, unknown, string, RegExp][] = [
        ["no address", {}, "request.invalid", /email: /],
        ["an unknown member", { email: "a@b.example", admin: true }, "request.invalid", /admin/],
        ["an unknown role", { email: "a@b.example", role: "root" }, "request.invalid", /role: /],
        ["a malformed address", { email: "nobody" }, "login.email_invalid", /malformed/],
        [
          "a short password",
          { email: "a@b.example", password: "short" },
          "login.password_unfit",
          /12 to 200/,
        ],
        [
          "a known password",
          { email: "a@b.example", password: "password1234" },
          "login.password_breached",
          /known from a leak/,
        ],
      ];
      for (const [name, body, code, detail] of refused)
        it(`refuses ${name}`, async () => {
          const answer = await setup.call("POST", "/users", { body });
          assert.deepEqual([answer.status, answer.body.code], [400, code]);
          assert.match(answer.body.detail, detail);
          assert.equal((await setup.call("GET", "/users")).body.users.length, 1);
        });

      it("refuses an address that has an account, in any case", async () => {
        await make("anne@example.com");
        const { status, body } = await setup.call("POST", "/users", { body: { email: "ANNE@example.com" } });
        assert.deepEqual([status, body.code], [409, "login.email_taken"]);
      });

      it("does not repeat a refused password", async () => {
        const { body } = await setup.call("POST", "/users", {
          body: { email: "a@b.example", password: "canary" },
        });
        assert.ok(!JSON.stringify(body).includes("canary"));
      });
    });

    describe("listing", () => {
      const emails = (body: { users: { email: string }[] }) => body.users.map((user) => user.email);

      it("goes through all users in pages, each once, oldest first", async () => {
        for (const name of ["a", "b", "c", "d"]) await make(`${name}@example.com`);
        const seen: string[] = [];
        let page = "";
        for (;;) {
          const { body } = await setup.call("GET", `/users?limit=2${page}`);
          seen.push(...emails(body));
          if (body.next_page_token === null) break;
          page = `&page_token=${encodeURIComponent(body.next_page_token)}`;
        }
        assert.deepEqual(
          seen,
          ["root", "a", "b", "c", "d"].map((name) => `${name}@example.com`),
        );
      });

      it("has no next page when the last one is exactly full", async () => {
        await make("a@example.com");
        assert.equal((await setup.call("GET", "/users?limit=2")).body.next_page_token, null);
      });

      it("finds addresses that contain a text, in any case", async () => {
        for (const name of ["anne", "hannes", "bob"]) await make(`${name}@example.com`);
        const { body } = await setup.call("GET", "/users?email=ANNE");
        assert.deepEqual(emails(body), ["anne@example.com", "hannes@example.com"]);
      });

      it("takes wildcards and quotes of SQL as plain text", async () => {
        await make("a_b@example.com");
        await make("axb@example.com");
        const found = async (text: string) =>
          emails((await setup.call("GET", `/users?email=${encodeURIComponent(text)}`)).body);
        assert.deepEqual(await found("a_b"), ["a_b@example.com"]);
        for (const text of ["%", "\\", "' or '1'='1", "a%b", "%' --"])
          assert.deepEqual(await found(text), [], text);
      });

      it("shows no password hash", async () => {
        await make("a@example.com");
        const text = JSON.stringify((await setup.call("GET", "/users")).body);
        assert.ok(!/argon2|password/i.test(text), text);
      });

      for (const query of [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "limit=",
        "sort=email",
        "limit=1&limit=2",
        "email=",
        "page_token=",
      ])
        it(`refuses the query ${query}`, async () => {
          const { status, body } = await setup.call("GET", `/users?${query}`);
          assert.deepEqual([status, body.code], [400, "request.invalid"]);
        });

      it("Hydra CVE-2026-33504: refuses page tokens that it did not issue for this list", async () => {
        await make("a@example.com");
        const { body } = await setup.call("GET", "/users?limit=1");
        const issued: string = body.next_page_token;
        const forged = Buffer.from("' or 1=1 --").toString("base64url");
        for (const token of [
          "x",
          ".",
          `${forged}.`,
          `${forged}.${issued.split(".")[1]}`,
          `${issued}x`,
          issued.slice(0, -1),
          Buffer.from(setup.root.id).toString("base64url"),
        ]) {
          const answer = await setup.call("GET", `/users?limit=1&page_token=${encodeURIComponent(token)}`);
          assert.deepEqual([answer.status, answer.body.code], [400, "admin.page_token_invalid"], token);
        }
        const other = await setup.call(
          "GET",
          `/users?limit=1&email=a&page_token=${encodeURIComponent(issued)}`,
        );
        assert.equal(other.body.code, "admin.page_token_invalid", "another search");
      });
    });

    describe("getting one", () => {
      it("answers with the user", async () => {
        const user = await make("anne@example.com");
        assert.equal((await setup.call("GET", `/users/${user.id}`)).body.email, "anne@example.com");
      });

      for (const id of ["usr_none", "%25", "'%20or%20'1'='1"])
        it(`answers 404 for ${id}`, async () => {
          const { status, body } = await setup.call("GET", `/users/${id}`);
          assert.deepEqual([status, body.code], [404, "admin.user_unknown"]);
        });
    });

    describe("switching off", () => {
      it("keeps the user from logging in and ends every session", async () => {
        const user = await make("anne@example.com");
        const cookie = await setup.login.sessions.start(new Request(ISSUER), user, { amr: ["pwd"] });
        const browser = new Request(ISSUER, { headers: { cookie: cookie.split(";")[0] ?? "" } });
        assert.ok(await setup.login.sessions.current(browser));
        const { status, body } = await setup.call("POST", `/users/${user.id}/disable`);
        assert.deepEqual([status, body.disabled_at], [200, "2026-01-01T00:00:00.000Z"]);
        assert.equal(await setup.login.sessions.current(browser), undefined);
        const { outcome } = await setup.login.accounts.authenticate("anne@example.com", secret(PASSWORD));
        assert.equal(outcome, "wrong");
      });

      it("is undone by switching on, and sessions stay ended", async () => {
        const user = await make("anne@example.com");
        const cookie = await setup.login.sessions.start(new Request(ISSUER), user, { amr: ["pwd"] });
        const browser = new Request(ISSUER, { headers: { cookie: cookie.split(";")[0] ?? "" } });
        await setup.call("POST", `/users/${user.id}/disable`);
        const { body } = await setup.call("POST", `/users/${user.id}/enable`);
        assert.equal(body.disabled_at, null);
        assert.equal(await setup.login.sessions.current(browser), undefined);
        const { outcome } = await setup.login.accounts.authenticate("anne@example.com", secret(PASSWORD));
        assert.equal(outcome, "ok");
      });

      it("is recorded once, however often it is asked for", async () => {
        const user = await make("anne@example.com");
        await setup.call("POST", `/users/${user.id}/disable`);
        setup.time.now += 5_000;
        const again = await setup.call("POST", `/users/${user.id}/disable`);
        assert.equal(again.body.disabled_at, "2026-01-01T00:00:00.000Z");
        const events = await eventsOf("admin.user_disabled");
        assert.deepEqual(
          events.map((event) => [event.user_id, event.actor_id, event.outcome]),
          [[user.id, setup.root.id, "done"]],
        );
        await setup.call("POST", `/users/${user.id}/enable`);
        await setup.call("POST", `/users/${user.id}/enable`);
        assert.equal((await eventsOf("admin.user_enabled")).length, 1);
      });

      it("of a user who does not exist answers 404", async () => {
        const { status, body } = await setup.call("POST", "/users/usr_none/disable");
        assert.deepEqual([status, body.code], [404, "admin.user_unknown"]);
      });

      it("of the only administrator is refused", async () => {
        const { status, body } = await setup.call("POST", `/users/${setup.root.id}/disable`);
        assert.deepEqual([status, body.code], [409, "admin.last_administrator"]);
        assert.equal((await eventsOf("admin.user_disabled")).length, 0);
      });

      it("of an administrator is refused when the others are off", async () => {
        const other = await make("other@example.com", "admin");
        await setup.call("POST", `/users/${other.id}/disable`);
        assert.equal((await setup.call("POST", `/users/${setup.root.id}/disable`)).status, 409);
      });

      it("of the last two administrators at once leaves one", async () => {
        const other = await make("other@example.com", "admin");
        const answers = await Promise.all(
          [other.id, setup.root.id].map((id) => setup.call("POST", `/users/${id}/disable`)),
        );
        const refused = answers.filter((answer) => answer.status !== 200);
        assert.equal(refused.length, 1);
        // 401 when the asker had been switched off before the second request was let in.
        assert.ok([401, 409].includes(refused[0]?.status ?? 0), `${refused[0]?.status}`);
        const left = await Promise.all([other.id, setup.root.id].map((id) => setup.login.accounts.find(id)));
        assert.equal(left.filter((user) => user?.disabledAt === undefined).length, 1);
      });

      it("does not happen when it cannot be recorded", async () => {
        const user = await make("anne@example.com");

        await sql`alter table audit_events rename to audit_events_away`.execute(setup.storage.db());
        assert.equal((await setup.call("POST", `/users/${user.id}/disable`)).status, 500);
        assert.equal((await setup.login.accounts.find(user.id))?.disabledAt, undefined);
      });
    });
  });
