import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reveal } from "../lib/secret.ts";
import { testEngines } from "../storage/testing.ts";
import { type Bench, connect, createBench, refreshUnderWay, refusal } from "./testing.ts";

const HOUR_MS = 3_600_000;

async function revocations(bench: Bench): Promise<string[]> {
  const { events } = await bench.deps.audit.list({ action: "vault.provider_revocation" });
  return events.map((event) => String(event.details["result"])).reverse();
}

/** A connected account, by its id. */
const connected = async (bench: Bench): Promise<string> => String((await connect(bench))["id"]);

for (const engine of testEngines()) {
  describe(`disconnecting on ${engine.name}`, () => {
    it("ends the grant at the provider and erases key, tokens and label here", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      const token = await bench.exchange();
      await bench.vault.disconnect(bench.anne.id, id);
      assert.equal(bench.provider.grants()[0]?.revoked_because, "revoked_by_client");
      const me = await fetch(`${bench.provider.url}/calendar/v1/me`, {
        headers: { authorization: `Bearer ${reveal(token.accessToken)}` },
      });
      assert.equal(me.status, 401);
      const [row] = await bench.rows("connected_accounts");
      for (const column of ["data_key", "sealed_access", "sealed_refresh", "sealed_previous"] as const)
        assert.equal(row?.[column], null, column);
      assert.equal(row?.label, "");
      assert.equal(row?.external_id, "");
      assert.equal(row?.revocation, "revoked");
      const [revocation] = await bench.rows("token_revocations");
      assert.equal(revocation?.data_key, null);
      assert.equal(revocation?.sealed, null);
      assert.deepEqual(await revocations(bench), ["revoked"]);
      await refusal(bench.exchange(), "vault.not_connected");
    });

    it("sends the refresh token first", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      const hints: string[] = [];
      const other = await bench.another({
        egress: {
          fetch(url, init) {
            hints.push(new URLSearchParams(init?.body ?? "").get("token_type_hint") ?? "");
            return bench.deps.egress.fetch(url, init);
          },
        },
      });
      await other.disconnect(bench.anne.id, id);
      assert.deepEqual(hints, ["refresh_token", "access_token"]);
    });

    it("erases at once when the provider does not answer, and asks again later", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      bench.provider.switches.set({ status500: { endpoints: ["revoke"] } });
      await bench.vault.disconnect(bench.anne.id, id);
      assert.equal((await bench.rows("connected_accounts"))[0]?.revocation, "pending");
      assert.equal((await bench.rows("connected_accounts"))[0]?.data_key, null);
      await bench.vault.tick();
      bench.clock.advance(61_000);
      await bench.vault.tick();
      assert.equal(bench.provider.grants()[0]?.revoked_at, null);
      bench.provider.switches.set({});
      bench.clock.advance(5_000);
      await bench.vault.tick();
      assert.equal(bench.provider.grants()[0]?.revoked_because, "revoked_by_client");
      assert.equal((await bench.rows("connected_accounts"))[0]?.revocation, "revoked");
    });

    it("gives a revocation up after a day and destroys its key", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      bench.provider.switches.set({ status500: { endpoints: ["revoke"] } });
      await bench.vault.disconnect(bench.anne.id, id);
      bench.clock.advance(24 * HOUR_MS + 1);
      await bench.vault.tick();
      const [revocation] = await bench.rows("token_revocations");
      assert.equal(revocation?.result, "failed");
      assert.equal(revocation?.data_key, null);
      assert.deepEqual(await revocations(bench), ["failed"]);
    });

    it("says so when the provider has nowhere to revoke", async () => {
      await using bench = await createBench(engine, { connection: { revocationEndpoint: undefined } });
      const id = await connected(bench);
      await bench.vault.disconnect(bench.anne.id, id);
      assert.deepEqual(await revocations(bench), ["unsupported"]);
      assert.equal((await bench.rows("connected_accounts"))[0]?.revocation, "unsupported");
    });

    it("is refused to another user, and changes nothing", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      await refusal(bench.vault.disconnect(bench.ben.id, id), "vault.account_unknown");
      await refusal(bench.vault.disconnect(bench.anne.id, "cac_none"), "vault.account_unknown");
      await bench.exchange();
    });

    it("happens once however many ask for it at once", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      await Promise.all(Array.from({ length: 16 }, () => bench.vault.disconnect(bench.anne.id, id)));
      const actions = await bench.actions();
      assert.equal(actions.filter((action) => action === "vault.account_disconnected").length, 1);
      assert.equal((await bench.rows("token_revocations")).length, 1);
    });

    it("lets the user connect the same account again, under a new id", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      await bench.vault.disconnect(bench.anne.id, id);
      assert.notEqual(await connected(bench), id);
      await bench.exchange();
    });

    it("wins over a refresh that is under way: its late tokens are revoked too", async () => {
      await using bench = await createBench(engine, {
        connection: { rotation: "strict", revocationEndpoint: undefined },
      });
      const id = await connected(bench);
      bench.clock.advance(HOUR_MS);
      bench.provider.switches.set({ rotation: "strict", slow: { ms: 500, when: "after" } });
      const late = refusal(bench.exchange(), "vault.not_connected");
      await refreshUnderWay(bench);
      await bench.vault.disconnect(bench.anne.id, id);
      await late;
      const rows = await bench.rows("token_revocations");
      assert.equal(rows.length, 2, "those that were stored, and those that came late");
      const [row] = await bench.rows("connected_accounts");
      assert.equal(row?.status, "revoked");
      assert.equal(row?.sealed_access, null);
    });

    it("wins over the disconnect's own late refresh at the provider", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      bench.clock.advance(HOUR_MS);
      bench.provider.switches.set({ slow: { ms: 500, when: "after" } });
      const late = refusal(bench.exchange(), "vault.not_connected");
      await refreshUnderWay(bench);
      await bench.vault.disconnect(bench.anne.id, id);
      await late;
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at !== null));
    });
  });

  describe(`the accounts page on ${engine.name}`, () => {
    it("shows each account, what was allowed in plain words, and who may use it", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { scopes: ["calendar.read"] });
      const page = await (await bench.get("/accounts", bench.anne)).text();
      for (const words of [
        "Sandbox Calendar",
        "anne.lee@calendar.example",
        "See your events",
        "reader",
        "Example Ltd",
      ])
        assert.ok(page.includes(words), words);
      assert.ok(!page.includes("calendar.read"), "no scope by its technical name");
      const other = await (await bench.get("/accounts", bench.ben)).text();
      assert.ok(!other.includes("anne.lee@calendar.example"));
    });

    it("sends somebody without a login to log in", async () => {
      await using bench = await createBench(engine);
      assert.equal((await bench.get("/accounts")).status, 303);
    });

    it("disconnects by a form of its own, and by no other", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      const page = await (await bench.get("/accounts", bench.anne)).text();
      const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
      const post = (fields: Record<string, string>, person = bench.anne, headers = {}) =>
        bench.post("/accounts/disconnect", person, fields, headers);
      assert.equal((await post({ account: id, csrf: "guess" })).status, 403);
      assert.equal((await post({ account: id, csrf }, bench.ben)).status, 403);
      assert.equal(
        (await post({ account: id, csrf }, bench.anne, { origin: "https://evil.example" })).status,
        403,
      );
      assert.equal((await post({ account: "cac_none", csrf })).status, 404);
      await bench.exchange();
      assert.equal((await post({ account: id, csrf })).status, 303);
      await refusal(bench.exchange(), "vault.not_connected");
    });

    it("shows text from the provider as text", async () => {
      await using bench = await createBench(engine);
      const id = await connected(bench);
      await bench.tamper(id, { label: "<script>x</script>" });
      const page = await (await bench.get("/accounts", bench.anne)).text();
      assert.ok(!page.includes("<script>"));
    });
  });
}
