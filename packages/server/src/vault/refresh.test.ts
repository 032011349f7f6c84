import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { describe, it } from "node:test";
import type { Sealer } from "../crypto/seal.ts";
import { reveal } from "../lib/secret.ts";
import { testEngines } from "../storage/testing.ts";
import { type Bench, connect, createBench, refusal, testClient } from "./testing.ts";

const HOUR_MS = 3_600_000;
const agent = testClient("agent", []);

async function account(bench: Bench) {
  const [row] = await bench.rows("connected_accounts");
  assert.ok(row);
  return row;
}

/** A connected account whose access token is over. */
async function expired(bench: Bench): Promise<string> {
  const { id } = await connect(bench);
  bench.clock.advance(HOUR_MS);
  return String(id);
}

for (const engine of testEngines()) {
  describe(`refreshing on ${engine.name}`, () => {
    it("leaves a token alone until four fifths of its life are over", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.clock.advance(0.79 * HOUR_MS);
      await bench.exchange();
      assert.equal(bench.refreshes(), 0);
      bench.clock.advance(0.02 * HOUR_MS);
      const token = await bench.exchange();
      assert.equal(bench.refreshes(), 1);
      assert.equal(token.expiresInSeconds, 3_600);
    });

    it("makes one request for 64 callers", async () => {
      await using bench = await createBench(engine);
      await expired(bench);
      const tokens = await Promise.all(Array.from({ length: 64 }, () => bench.exchange()));
      assert.equal(new Set(tokens.map((token) => reveal(token.accessToken))).size, 1);
      assert.equal(bench.refreshes(), 1);
      assert.deepEqual(await readdir(bench.deps.spoolDir), []);
    });

    it("makes one request for 64 callers in two processes, at a provider that takes each token once", async () => {
      await using bench = await createBench(engine, { connection: { rotation: "strict" } });
      bench.provider.switches.set({ rotation: "strict" });
      await expired(bench);
      const other = await bench.another();
      const request = { client: agent, subject: { userId: bench.anne.id }, connection: "calendar" };
      const vaults = [bench.vault, other];
      const calls = Array.from({ length: 64 }, (_, i) => vaults[i % 2]?.exchange(request));
      const tokens = await Promise.all(calls);
      assert.equal(new Set(tokens.map((token) => token && reveal(token.accessToken))).size, 1);
      assert.equal(bench.refreshes(), 1);
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at === null));
    });

    it("follows a provider that takes each refresh token once, many times over", async () => {
      await using bench = await createBench(engine, { connection: { rotation: "strict" } });
      bench.provider.switches.set({ rotation: "strict" });
      await connect(bench);
      for (let round = 1; round <= 5; round++) {
        bench.clock.advance(HOUR_MS);
        await bench.exchange();
        assert.equal((await account(bench)).version, round + 1);
      }
      assert.equal(bench.provider.grants()[0]?.generation, 5);
    });

    it("goes on with the old token while the provider is in trouble", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const before = await bench.exchange();
      bench.clock.advance(0.9 * HOUR_MS);
      bench.provider.switches.set({ status500: {} });
      const after = await bench.exchange();
      assert.equal(reveal(after.accessToken), reveal(before.accessToken));
      assert.equal(after.expiresInSeconds, 360);
    });

    describe("a broken account", () => {
      it("works again, under its id, once its user has connected it again", async () => {
        await using bench = await createBench(engine);
        const id = await expired(bench);
        bench.provider.switches.set({ okWithError: { error: "invalid_grant", times: 1 } });
        await refusal(bench.exchange(), "vault.account_broken");
        const again = await connect(bench);
        assert.equal(again["id"], id);
        await bench.exchange();
      });

      it("asks the provider to ask its user again", async () => {
        await using bench = await createBench(engine);
        await expired(bench);
        bench.provider.switches.set({ okWithError: { error: "invalid_grant", times: 1 } });
        await refusal(bench.exchange(), "vault.account_broken");
        bench.provider.switches.set({ refreshTokenOnFirstConsentOnly: true });
        await connect(bench);
        bench.clock.advance(HOUR_MS);
        await bench.exchange();
      });
    });

    describe("an answer that never came", () => {
      it("is asked for again when the provider keeps its refresh tokens", async () => {
        await using bench = await createBench(engine);
        await expired(bench);
        bench.provider.switches.set({ resetConnection: { times: 1, when: "after" } });
        await refusal(bench.exchange(), "vault.provider_unavailable");
        assert.equal((await account(bench)).status, "uncertain");
        bench.clock.advance(1_000);
        await bench.exchange();
        assert.equal((await account(bench)).status, "active");
      });

      it("is asked for again within a provider's grace", async () => {
        const connection = { rotation: "grace", graceSeconds: 600 } as const;
        await using bench = await createBench(engine, { connection });
        bench.provider.switches.set({ rotation: "grace", graceSeconds: 600 });
        await expired(bench);
        bench.provider.switches.set({
          rotation: "grace",
          graceSeconds: 600,
          resetConnection: { times: 1, when: "after" },
        });
        await refusal(bench.exchange(), "vault.provider_unavailable");
        bench.clock.advance(1_000);
        await bench.exchange();
      });

      it("costs the account at a provider that takes each token once, and is named as what it was", async () => {
        await using bench = await createBench(engine, { connection: { rotation: "strict" } });
        bench.provider.switches.set({ rotation: "strict" });
        await expired(bench);
        bench.provider.switches.set({ rotation: "strict", resetConnection: { times: 1, when: "after" } });
        await refusal(bench.exchange(), "vault.provider_unavailable");
        bench.clock.advance(1_000);
        const { reason } = await refusal(bench.exchange(), "vault.account_broken");
        assert.equal(reason, "lost_rotation");
      });

      it("is no loss when the provider certainly did nothing", async () => {
        await using bench = await createBench(engine, { connection: { rotation: "strict" } });
        bench.provider.switches.set({ rotation: "strict" });
        await expired(bench);
        bench.provider.switches.set({ rotation: "strict", status429: { times: 1, retryAfterSeconds: 1 } });
        await refusal(bench.exchange(), "vault.provider_unavailable");
        assert.equal((await account(bench)).attempt_at, null);
        bench.clock.advance(1_000);
        await bench.exchange();
      });
    });

    it("sends nothing after the process stood still for longer than its lease allows", async () => {
      await using bench = await createBench(engine);
      await expired(bench);
      let stall = true;
      const sealer: Sealer = {
        ...bench.deps.sealer,
        open(...args) {
          if (stall) bench.clock.advance(100_000);
          return bench.deps.sealer.open(...args);
        },
      };
      const other = await bench.another({ sealer });
      const request = { client: agent, subject: { userId: bench.anne.id }, connection: "calendar" };
      await refusal(other.exchange(request), "vault.provider_unavailable");
      assert.equal(bench.refreshes(), 0);
      stall = false;
      bench.clock.advance(1_000);
      await other.exchange(request);
    });
  });
}

// What an answer means does not depend on the engine.
describe("a provider that answers", () => {
  const unavailable = [
    ["429", { status429: { retryAfterSeconds: 120 } }, 120],
    ["429 with a date", { status429: { retryAfterSeconds: 120, asDate: true } }, 120],
    ["500", { status500: {} }, 1],
    ["with HTML", { html: {} }, 1],
    ["with an HTML error page", { html: { status: 503 } }, 1],
    ["with a redirect", { redirect: { location: "http://127.0.0.1:9/" } }, 1],
    ["by cutting the line", { resetConnection: {} }, 1],
    ["200 with an error nobody knows", { okWithError: { error: "fatal_error" } }, 1],
    ["with a compressed bomb", { gzipBomb: {} }, 1],
  ] as const;
  for (const [what, fault, seconds] of unavailable)
    it(`${what} is waited for, and the account stays`, async () => {
      await using bench = await createBench();
      await expired(bench);
      bench.provider.switches.set({ ...fault });
      const { retry_after: retryAfter } = await refusal(bench.exchange(), "vault.provider_unavailable");
      assert.equal(retryAfter, seconds);
      await refusal(bench.exchange(), "vault.provider_unavailable");
      const sent = bench.provider.log().filter((entry) => entry.path === "/token").length;
      assert.equal(sent, 2, "one for the code, one to refresh, none while waiting");
      bench.provider.switches.set({});
      bench.clock.advance(seconds * 1_000);
      await bench.exchange();
      assert.equal((await account(bench)).status, "active");
    });

  it("with trouble again and again is asked less and less often", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ status500: {} });
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      await refusal(bench.exchange(), "vault.provider_unavailable");
      const row = await account(bench);
      waits.push(row.next_try_at - bench.clock.now());
      bench.clock.advance(row.next_try_at - bench.clock.now());
    }
    for (const [i, wait] of waits.entries()) {
      const most = Math.min(1_000 * 2 ** i, 900_000);
      assert.ok(wait >= most / 2 && wait <= most, `${wait} of ${most} at attempt ${i}`);
    }
    assert.equal((await account(bench)).status, "uncertain");
  });

  it("that its grant has ended breaks the account, with one record", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ okWithError: { error: "invalid_grant" } });
    const calls = Array.from({ length: 8 }, () => refusal(bench.exchange(), "vault.account_broken"));
    for (const { reason } of await Promise.all(calls)) assert.equal(reason, "refused_by_provider");
    await refusal(bench.exchange(), "vault.account_broken");
    assert.equal(bench.provider.log().filter((entry) => entry.path === "/token").length, 2);
    assert.equal((await bench.actions()).filter((action) => action === "vault.account_broken").length, 1);
  });

  for (const error of ["bad_refresh_token", "invalid_refresh_token", "token_revoked"])
    it(`${error} with status 200 means the same`, async () => {
      await using bench = await createBench();
      await expired(bench);
      bench.provider.switches.set({ okWithError: { error } });
      await refusal(bench.exchange(), "vault.account_broken");
    });

  it("that our client is wrong blames the connection, and no account", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ okWithError: { error: "invalid_client" } });
    await refusal(bench.exchange(), "vault.connection_misconfigured");
    await refusal(bench.exchange(), "vault.connection_misconfigured");
    assert.equal((await account(bench)).status, "active");
    assert.ok(bench.logged.some((line) => line.includes("correct the connection")));
    bench.provider.switches.set({});
    bench.clock.advance(60_000);
    await bench.exchange();
  });

  for (const value of [-1, 0, "soon", null, 1e12, undefined])
    it(`expires_in ${JSON.stringify(value)} is taken for ten minutes`, async () => {
      await using bench = await createBench();
      await expired(bench);
      bench.provider.switches.set({ expiresIn: value === undefined ? {} : { value } });
      assert.equal((await bench.exchange()).expiresInSeconds, 600);
    });

  it("expires_in as digits is taken at its word", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ expiresIn: { value: "1800" } });
    assert.equal((await bench.exchange()).expiresInSeconds, 1_800);
  });

  it("with fewer scopes than before is believed, recorded, and believed again when they return", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ scopeShrink: { drop: ["calendar.read"], times: 1 } });
    const shrunk = await bench.exchange();
    assert.ok(!shrunk.scopes.includes("calendar.read"));
    await refusal(bench.exchange({ scopes: ["calendar.read"] }), "vault.scope_missing");
    assert.ok((await bench.actions()).includes("vault.scope_shrunk"));
    bench.clock.advance(HOUR_MS);
    assert.ok((await bench.exchange()).scopes.includes("calendar.read"));
  });

  it("with fewer scopes at the very refresh that was to bring them refuses the caller", async () => {
    await using bench = await createBench();
    await expired(bench);
    bench.provider.switches.set({ scopeShrink: { drop: ["calendar.read"] } });
    const all = ["calendar.read", "profile", "email"];
    await refusal(bench.exchange({ scopes: all }), "vault.scope_missing");
  });

  it("with commas between scopes, a text type, or a token of 64 KiB is understood", async () => {
    await using bench = await createBench();
    await connect(bench);
    for (const shape of [{ commaScopes: {} }, { contentType: {} }, { longToken: {} }]) {
      bench.clock.advance(HOUR_MS);
      bench.provider.switches.set(shape);
      const token = await bench.exchange();
      assert.deepEqual(token.scopes, ["calendar.read", "email", "offline_access", "profile"]);
      const me = await fetch(`${bench.provider.url}/calendar/v1/me`, {
        headers: { authorization: `Bearer ${reveal(token.accessToken)}` },
      });
      assert.equal(me.status, 200);
    }
  });

  it("nothing to refresh with leaves the account usable to its end, and broken after it", async () => {
    await using bench = await createBench();
    bench.provider.switches.set({ scopeShrink: { drop: ["offline_access"], times: 1 } });
    const { expires_at: expiresAt } = await connect(bench);
    assert.equal(expiresAt, new Date(bench.clock.now() + HOUR_MS).toISOString());
    bench.clock.advance(0.9 * HOUR_MS);
    await bench.exchange();
    bench.clock.advance(0.1 * HOUR_MS);
    const { reason } = await refusal(bench.exchange(), "vault.account_broken");
    assert.equal(reason, "no_refresh_token");
  });
});
