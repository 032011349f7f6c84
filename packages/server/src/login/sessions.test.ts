import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAudit } from "../audit/index.ts";
import { createKeyring } from "../crypto/keyring.ts";
import { randomBytes } from "../crypto/random.ts";
import { createSealer } from "../crypto/seal.ts";
import { ApiError } from "../http/errors.ts";
import { createIds } from "../lib/ids.ts";
import { endTokensOf } from "../oauth/store.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { createLogin } from "./create.ts";
import type { BrowserSession } from "./index.ts";
import type { LoginTables } from "./store.ts";

const ISSUER = "https://id.example/";
const ORIGIN = "https://id.example";
const DAY_MS = 86_400_000;

async function setUp(open: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  const time = { now: Date.UTC(2026, 0, 1) };
  const clock = { now: () => time.now };
  const ids = createIds({ clock, random: randomBytes });
  const keyring = createKeyring([Buffer.alloc(32, 1)]);
  const audit = createAudit({ storage, clock });
  const login = await createLogin({
    endTokens: endTokensOf,
    storage,
    audit,
    clock,
    ids,
    keyring,
    sealer: createSealer({ keyring }),
    issuer: ISSUER,
    signUp: true,
  });
  const user = await login.accounts.create({ email: "anne@example.com" });
  /** A browser that is logged in: its cookie and its session. */
  const enter = async (former = "") => {
    const before = new Request(ISSUER, { headers: { cookie: former } });
    const cookie = (await login.sessions.start(before, user, { amr: ["pwd"] })).split(";")[0] ?? "";
    const session = await login.sessions.current(requestOf(cookie));
    assert.ok(session);
    return { cookie, session };
  };
  return { storage, time, user, enter, ...login };
}

function requestOf(cookie: string, headers: Record<string, string> = {}): Request {
  return new Request(`${ISSUER}approvals`, { method: "POST", headers: { cookie, ...headers } });
}

function formOf(session: Pick<BrowserSession, "csrf"> | undefined): FormData {
  const form = new FormData();
  if (session) form.set("csrf", session.csrf);
  return form;
}

/** Status and code of what a check of a form threw. */
function refusalOf(check: () => void): [status: number, code: string] | undefined {
  try {
    check();
  } catch (error) {
    assert.ok(ApiError.is(error));
    return [error.status, error.code];
  }
  return undefined;
}

for (const engine of testEngines())
  describe(`a browser session on ${engine.name}`, () => {
    it("is found by its cookie, and by no other", async (t) => {
      const { storage, enter, sessions, user } = await setUp(engine.open);
      t.after(() => storage.close());
      const { cookie, session } = await enter();
      assert.equal(session.userId, user.id);
      for (const other of ["", `${cookie}x`, cookie.replace("__Host-", ""), "__Host-behalf_session="])
        assert.equal(await sessions.current(requestOf(other)), undefined);
    });

    it("takes a form that its own page sent", async (t) => {
      const { storage, enter, sessions } = await setUp(engine.open);
      t.after(() => storage.close());
      const { cookie, session } = await enter();
      for (const headers of [
        {},
        { origin: ORIGIN },
        { origin: ORIGIN, "sec-fetch-site": "same-origin" },
      ] as Record<string, string>[])
        assert.equal(
          refusalOf(() => sessions.checkForm(requestOf(cookie, headers), session, formOf(session))),
          undefined,
        );
    });

    it("refuses a form without its token, or with the token of another session", async (t) => {
      const { storage, enter, sessions } = await setUp(engine.open);
      t.after(() => storage.close());
      const { cookie, session } = await enter();
      const other = await enter();
      assert.notEqual(other.session.csrf, session.csrf);
      for (const form of [formOf(undefined), formOf({ csrf: "" }), formOf(other.session)])
        assert.deepEqual(
          refusalOf(() => sessions.checkForm(requestOf(cookie), session, form)),
          [403, "login.form_forged"],
        );
    });

    it("refuses a form with the right token that another site sent", async (t) => {
      const { storage, enter, sessions } = await setUp(engine.open);
      t.after(() => storage.close());
      const { cookie, session } = await enter();
      for (const headers of [
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: "http://id.example" },
        { origin: ORIGIN, "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ] as Record<string, string>[])
        assert.deepEqual(
          refusalOf(() => sessions.checkForm(requestOf(cookie, headers), session, formOf(session))),
          [403, "login.form_forged"],
          JSON.stringify(headers),
        );
    });

    it("does not survive a new log-in of the same browser", async (t) => {
      const { storage, enter, sessions } = await setUp(engine.open);
      t.after(() => storage.close());
      const former = await enter();
      const { cookie } = await enter(former.cookie);
      assert.equal(await sessions.current(requestOf(former.cookie)), undefined);
      assert.ok(await sessions.current(requestOf(cookie)));
    });

    it("ends three days after its last use, and fourteen days after the log-in at the latest", async (t) => {
      const { storage, time, enter, sessions } = await setUp(engine.open);
      t.after(() => storage.close());
      const idle = await enter();
      time.now += 3 * DAY_MS;
      assert.equal(await sessions.current(requestOf(idle.cookie)), undefined);
      const used = await enter();
      for (let day = 0; day < 13; day++) {
        time.now += DAY_MS;
        assert.ok(await sessions.current(requestOf(used.cookie)), `day ${day}`);
      }
      time.now += DAY_MS;
      assert.equal(await sessions.current(requestOf(used.cookie)), undefined);
    });

    it("is none once the user is switched off", async (t) => {
      const { storage, time, enter, sessions, user } = await setUp(engine.open);
      t.after(() => storage.close());
      const { cookie } = await enter();
      const disabled = { disabled_at: time.now };
      await storage.db<LoginTables>().updateTable("users").set(disabled).where("id", "=", user.id).execute();
      assert.equal(await sessions.current(requestOf(cookie)), undefined);
    });
  });
