import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sql } from "kysely";
import { type AdminSetup, openAdmin } from "./testing.ts";

describe("the audit log in the administrator's API", () => {
  let setup: AdminSetup;
  beforeEach(async () => {
    setup = await openAdmin();
  });
  afterEach(() => setup.storage.close());

  it("goes through all events in pages, newest first, each once", async () => {
    for (let i = 0; i < 4; i++)
      await setup.audit.append({ action: "vault.token_released", outcome: "allowed", objectId: String(i) });
    const seen: number[] = [];
    let page = "";
    for (;;) {
      const { body } = await setup.call("GET", `/audit?limit=2${page}`);
      seen.push(...body.events.map((event: { seq: number }) => event.seq));
      if (body.next_page_token === null) break;
      page = `&page_token=${encodeURIComponent(body.next_page_token)}`;
    }
    assert.deepEqual(seen, [5, 4, 3, 2, 1]);
  });

  it("gives the events of one user or one action", async () => {
    await setup.audit.append({ action: "vault.token_released", outcome: "allowed", userId: "usr_anne" });
    const found = async (query: string) => (await setup.call("GET", `/audit?${query}`)).body.events.length;
    assert.equal(await found("user_id=usr_anne"), 1);
    assert.equal(await found("action=vault.token_released"), 1);
    assert.equal(await found("action=vault.token_released&user_id=usr_bob"), 0);
  });

  it("refuses a page token of another filter", async () => {
    for (let i = 0; i < 3; i++) await setup.audit.append({ action: "a", outcome: "done", userId: "u" });
    const { body } = await setup.call("GET", "/audit?limit=1&user_id=u");
    const token = encodeURIComponent(body.next_page_token);
    assert.equal((await setup.call("GET", `/audit?limit=1&user_id=u&page_token=${token}`)).status, 200);
    const other = await setup.call("GET", `/audit?limit=1&user_id=v&page_token=${token}`);
    assert.deepEqual([other.status, other.body.code], [400, "admin.page_token_invalid"]);
  });

  it("is verified on request", async () => {
    const { status, body } = await setup.call("POST", "/audit/verify");
    assert.equal(status, 200);
    assert.deepEqual([body.ok, body.events], [true, 1]);
    assert.match(body.head, /^[A-Za-z0-9_-]{43}$/);
  });

  it("is reported as broken when somebody changed an event, with the place", async () => {
    await sql`update audit_events set event = '{}' where seq = 1`.execute(setup.storage.db());
    const { status, body } = await setup.call("POST", "/audit/verify");
    assert.equal(status, 200);
    assert.deepEqual([body.ok, body.seq], [false, 1]);
  });

  it("is walked again for a later request", async () => {
    await Promise.all([setup.call("POST", "/audit/verify"), setup.call("POST", "/audit/verify")]);
    await setup.audit.append({ action: "a", outcome: "done" });
    assert.equal((await setup.call("POST", "/audit/verify")).body.events, 2);
  });
});
