import assert from "node:assert/strict";
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { randomBytes } from "../crypto/random.ts";
import { createIds } from "../lib/ids.ts";
import { reveal, secret } from "../lib/secret.ts";
import { testEngines } from "../storage/testing.ts";
import { createLeases } from "./lease.ts";
import { createTokenSealer } from "./seal-tokens.ts";
import { createSpool } from "./spool.ts";
import { type Bench, connect, createBench, refreshUnderWay, refusal, testClient } from "./testing.ts";

const HOUR_MS = 3_600_000;
const request = (bench: Bench) => ({
  client: testClient("agent", []),
  subject: { userId: bench.anne.id },
  connection: "calendar",
});

async function accountRow(bench: Bench) {
  const [row] = await bench.rows("connected_accounts");
  assert.ok(row);
  return row;
}

/** The lease that is held ended `agoMs` ago, by the clock that leases are measured with. */
async function endLease(bench: Bench, agoMs: number): Promise<void> {
  const now = bench.deps.storage.engine === "sqlite" ? bench.clock.now() : Date.now();
  await bench.tamper((await accountRow(bench)).id, { lease_until: now - agoMs });
}

/** A process that took the lease, sent the refresh and died; `spooled` says whether the answer was on disk. */
async function diedRefreshing(bench: Bench, spooled: boolean): Promise<{ spoolDir: string }> {
  const { deps, connection } = bench;
  const row = await accountRow(bench);
  const leases = createLeases({ ...deps, owner: "the one that died" });
  const ids = createIds({ clock: deps.clock, random: randomBytes });
  const attemptId = ids.prefixed("att");
  assert.ok(await leases.acquire(row, attemptId, connection));
  const refreshToken = createTokenSealer(deps).openRefresh(row);
  assert.ok(refreshToken && connection.clientSecret);
  const answer = await fetch(connection.tokenEndpoint ?? "", {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: reveal(refreshToken),
      client_id: connection.clientId,
      client_secret: reveal(connection.clientSecret),
    }),
  });
  const tokens = (await answer.json()) as { access_token: string; refresh_token?: string };
  const spoolDir = join(deps.spoolDir, "died");
  if (spooled)
    await createSpool({ ...deps, dir: spoolDir }).write({
      attemptId,
      accountId: row.id,
      connection: connection.name,
      version: row.version,
      result: {
        tokens: {
          accessToken: secret(tokens.access_token),
          refreshToken: secret(tokens.refresh_token ?? reveal(refreshToken)),
        },
        scopes: row.scopes,
        refreshAt: deps.clock.now() + 0.8 * HOUR_MS,
        expiresAt: deps.clock.now() + HOUR_MS,
      },
    });
  return { spoolDir };
}

const STRICT = { connection: { rotation: "strict" } } as const;

for (const engine of testEngines()) {
  describe(`after a process died while refreshing, on ${engine.name}`, () => {
    it("what it had received is taken from its spool, and nothing is asked for twice", async () => {
      await using bench = await createBench(engine, STRICT);
      bench.provider.switches.set({ rotation: "strict" });
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      const { spoolDir } = await diedRefreshing(bench, true);
      const next = await bench.another({ spoolDir });
      if (engine.name !== "SQLite") await endLease(bench, 1_000);
      await next.start();
      assert.deepEqual(await readdir(spoolDir), []);
      await next.exchange(request(bench));
      assert.equal(bench.refreshes(), 1, "the one that the dead process sent");
      bench.clock.advance(HOUR_MS);
      await next.exchange(request(bench));
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at === null));
    });

    it("its spool revives an account that was given up meanwhile", async () => {
      await using bench = await createBench(engine, STRICT);
      bench.provider.switches.set({ rotation: "strict" });
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      const { spoolDir } = await diedRefreshing(bench, true);
      const { id } = await accountRow(bench);
      await bench.tamper(id, { status: "broken", broken_reason: "lost_rotation", lease_until: null });
      const next = await bench.another({ spoolDir });
      await next.tick();
      await next.exchange(request(bench));
    });

    it("its spool is not taken when somebody has stored newer tokens", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      const { spoolDir } = await diedRefreshing(bench, true);
      await endLease(bench, 1_000);
      const token = await bench.exchange();
      const next = await bench.another({ spoolDir });
      await next.tick();
      const after = await next.exchange(request(bench));
      assert.equal(reveal(after.accessToken), reveal(token.accessToken));
      assert.equal((await readdir(spoolDir)).length, 1, "it is kept for a day");
      bench.clock.advance(24 * HOUR_MS + 1);
      await next.tick();
      assert.deepEqual(await readdir(spoolDir), []);
    });

    it("its tokens are revoked when the account was disconnected meanwhile", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench);
      bench.clock.advance(HOUR_MS);
      const { spoolDir } = await diedRefreshing(bench, true);
      await bench.vault.disconnect(bench.anne.id, String(id));
      const before = bench.provider.log().filter((entry) => entry.path === "/revoke").length;
      const next = await bench.another({ spoolDir });
      await next.start();
      assert.deepEqual(await readdir(spoolDir), []);
      const after = bench.provider.log().filter((entry) => entry.path === "/revoke").length;
      assert.ok(after > before);
      assert.equal((await accountRow(bench)).status, "revoked");
    });

    it("nobody else sends while its lease lasts", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.clock.advance(0.9 * HOUR_MS);
      await diedRefreshing(bench, false);
      const sent = bench.refreshes();
      await bench.exchange();
      assert.equal(bench.refreshes(), sent, "the old token is handed out");
    });

    it("a provider that keeps its tokens is asked again as soon as the lease is over", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      await diedRefreshing(bench, false);
      await endLease(bench, 1_000);
      await bench.exchange();
    });

    it("a provider that takes each token once is asked only after the dead process had time to return", async () => {
      await using bench = await createBench(engine, STRICT);
      bench.provider.switches.set({ rotation: "strict" });
      await connect(bench);
      bench.clock.advance(0.9 * HOUR_MS);
      await diedRefreshing(bench, false);
      await endLease(bench, 200_000);
      await bench.exchange();
      assert.equal(bench.refreshes(), 1);
      await endLease(bench, 301_000);
      const { reason } = await refusal(bench.exchange(), "vault.account_broken");
      assert.equal(reason, "lost_rotation");
      assert.equal(bench.refreshes(), 2, "once");
    });

    it("a provider with a grace period is asked again within it", async () => {
      const grace = { rotation: "grace", graceSeconds: 600 } as const;
      await using bench = await createBench(engine, { connection: grace });
      bench.provider.switches.set(grace);
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      await diedRefreshing(bench, false);
      await endLease(bench, 1_000);
      await bench.exchange();
      assert.ok(bench.provider.grants().every((grant) => grant.revoked_at === null));
    });
  });

  describe(`two processes that both believe in their lease, on ${engine.name}`, () => {
    it("store one answer: the one whose lease is the newer", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      bench.clock.advance(HOUR_MS);
      bench.provider.switches.set({ slow: { ms: 500, when: "after", times: 1 } });
      const slow = bench.exchange();
      await refreshUnderWay(bench);
      await endLease(bench, 1_000);
      const other = await bench.another();
      const fast = await other.exchange(request(bench));
      assert.equal(reveal((await slow).accessToken), reveal(fast.accessToken));
      assert.equal((await accountRow(bench)).version, 2);
      assert.equal((await readdir(bench.deps.spoolDir)).length, 1, "the other answer is kept as salvage");
    });

    it("try what is kept as salvage before an account is given up", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const first = await accountRow(bench);
      const live = createTokenSealer(bench.deps).openRefresh(first);
      await connect(bench);
      const second = createTokenSealer(bench.deps).openRefresh(await accountRow(bench));
      assert.ok(live && second && bench.connection.clientSecret);
      await createSpool({ ...bench.deps, dir: bench.deps.spoolDir }).write({
        attemptId: createIds({ clock: bench.clock, random: randomBytes }).prefixed("att"),
        accountId: first.id,
        connection: "calendar",
        version: 1,
        result: {
          tokens: { accessToken: secret("overtaken"), refreshToken: live },
          scopes: first.scopes,
          refreshAt: null,
          expiresAt: null,
        },
      });
      await fetch(`${bench.provider.url}/revoke`, {
        method: "POST",
        body: new URLSearchParams({
          token: reveal(second),
          client_id: "behalf",
          client_secret: reveal(bench.connection.clientSecret),
        }),
      });
      bench.clock.advance(HOUR_MS);
      await bench.exchange();
      assert.equal((await accountRow(bench)).status, "active");
    });
  });
}

describe("the spool", () => {
  const entry = (attemptId: string) => ({
    attemptId,
    accountId: "cac_a",
    connection: "calendar",
    version: 1,
    result: {
      tokens: { accessToken: secret("canary-access"), refreshToken: secret("canary-refresh") },
      scopes: "calendar.read",
      refreshAt: 1,
      expiresAt: 2,
    },
  });

  it("keeps what it was given until it is removed, readable by its owner alone and sealed", async () => {
    await using bench = await createBench();
    const spool = createSpool({ ...bench.deps, dir: bench.deps.spoolDir });
    const attemptId = bench.deps.ids.prefixed("att");
    await spool.write(entry(attemptId));
    const path = join(bench.deps.spoolDir, `${attemptId}.json`);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok(!(await readFile(path, "utf8")).includes("canary"));
    const [read] = await spool.list();
    assert.equal(read && reveal(read.result.tokens.accessToken), "canary-access");
    assert.equal((await spool.list("cac_b")).length, 0);
    await spool.remove(attemptId);
    assert.deepEqual(await spool.list(), []);
  });

  it("steps over what cannot be read", async () => {
    await using bench = await createBench();
    const spool = createSpool({ ...bench.deps, dir: bench.deps.spoolDir });
    const [good, cut] = [bench.deps.ids.prefixed("att"), bench.deps.ids.prefixed("att")];
    await spool.write(entry(good));
    await writeFile(join(bench.deps.spoolDir, `${cut}.json`), "{");
    await writeFile(join(bench.deps.spoolDir, "note.txt"), "not ours");
    assert.deepEqual(
      (await spool.list()).map(({ attemptId }) => attemptId),
      [good],
    );
  });

  it("does not take an entry that was put under another name", async () => {
    await using bench = await createBench();
    const spool = createSpool({ ...bench.deps, dir: bench.deps.spoolDir });
    const attemptId = bench.deps.ids.prefixed("att");
    await spool.write(entry(attemptId));
    const path = join(bench.deps.spoolDir, `${attemptId}.json`);
    const text = await readFile(path, "utf8");
    assert.ok(!text.includes("cac_a"), "whose it is, is sealed as well");
    await rename(path, join(bench.deps.spoolDir, `${bench.deps.ids.prefixed("att")}.json`));
    assert.deepEqual(await spool.list(), []);
  });

  it("that cannot be written does not lose the tokens", async () => {
    await using bench = await createBench();
    await connect(bench);
    bench.clock.advance(HOUR_MS);
    const file = join(bench.deps.spoolDir, "file");
    await writeFile(file, "");
    const other = await bench.another({ spoolDir: file });
    await other.exchange(request(bench));
    assert.ok(bench.logged.some((line) => line.includes("the spool cannot be written")));
    assert.equal((await accountRow(bench)).version, 2);
  });
});
