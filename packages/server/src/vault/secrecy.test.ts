import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { sql } from "kysely";
import { SealError } from "../crypto/seal.ts";
import { reveal } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
import { testEngines } from "../storage/testing.ts";
import { type Bench, connect, connectFlow, createBench, locationOf, testClient } from "./testing.ts";

const HOUR_MS = 3_600_000;

/** Every table of the database as one text; bytes both as text and as base64. */
async function dump(storage: Storage): Promise<string> {
  const tables =
    storage.engine === "sqlite"
      ? sql<{ name: string }>`select name from sqlite_master where type = 'table'`
      : sql<{ name: string }>`select tablename as name from pg_tables where schemaname = 'public'`;
  let text = "";
  for (const { name } of (await tables.execute(storage.db())).rows) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(
      storage.db(),
    );
    for (const value of rows.flatMap((row) => Object.values(row)))
      text +=
        value instanceof Uint8Array
          ? `${Buffer.from(value).toString("latin1")}\n${Buffer.from(value).toString("base64")}\n`
          : `${String(value)}\n`;
  }
  return text;
}

/** The vault with an ear on the line: everything secret that goes to or comes from the provider. */
async function overheard(bench: Bench) {
  const secrets = new Set<string>([reveal(bench.connection.clientSecret ?? never())]);
  const vault = await bench.another({
    spoolDir: bench.deps.spoolDir,
    egress: {
      async fetch(url, init) {
        const sent = new URLSearchParams(init?.body ?? "");
        for (const name of ["code", "code_verifier", "refresh_token", "token"])
          if (sent.has(name)) secrets.add(sent.get(name) ?? "");
        const response = await bench.deps.egress.fetch(url, init);
        const text = await response.text();
        for (const [, value] of text.matchAll(/"(?:access|refresh)_token":"([^"]+)"/g))
          if (value) secrets.add(value);
        return new Response(text || null, { status: response.status, headers: response.headers });
      },
    },
  });
  return { vault, secrets };
}

const never = (): never => assert.fail("the bench has a client secret");

for (const engine of testEngines()) {
  describe(`secrets on ${engine.name}`, () => {
    it("Vault CVE-2024-8365, OpenBao CVE-2025-62513, CVE-2025-62705: are in no table, no log line and no file in clear, at any point of an account's life", async () => {
      await using bench = await createBench(engine, {
        connection: { rotation: "strict", narrowing: "keeps_grant" },
      });
      bench.provider.switches.set({ rotation: "strict" });
      const { vault, secrets } = await overheard(bench);
      const listening: Bench = {
        ...bench,
        vault,
        get: async (path, who) =>
          vault.routes.request(new URL(path, bench.deps.issuer).href, {
            headers: who ? { cookie: who.cookie } : {},
          }),
      };
      const check = async (when: string) => {
        const files = await readdir(bench.deps.spoolDir);
        const spooled = await Promise.all(
          files.map((name) => readFile(join(bench.deps.spoolDir, name), "latin1")),
        );
        const sinks = {
          tables: await dump(bench.deps.storage),
          log: bench.logged.join("\n"),
          spool: spooled.join(),
        };
        for (const [sink, text] of Object.entries(sinks))
          for (const value of secrets) assert.ok(!text.includes(value), `${when}: ${sink}`);
      };
      const flow = connectFlow(listening, { scopes: ["calendar.read", "calendar.write"] });
      const { ticket, authSession } = await flow.start();
      for (const value of [ticket, authSession, flow.verifier]) secrets.add(value);
      await check("started");
      const address = locationOf(await flow.open(ticket));
      secrets.add(new URL(address).searchParams.get("state") ?? "");
      await check("sent");
      const parked = locationOf(await listening.get(await flow.atProvider(address), bench.anne));
      await check("parked");
      const code = new URL(locationOf(await flow.confirm(parked))).searchParams.get("connect_code") ?? "";
      secrets.add(code);
      await check("confirmed");
      const { id } = (await (await flow.complete(authSession, code)).json()) as { id: string };
      await check("connected");
      const request = {
        client: testClient("agent", []),
        subject: { userId: bench.anne.id },
        connection: "calendar",
      };
      bench.clock.advance(HOUR_MS);
      await vault.exchange(request);
      await vault.exchange({ ...request, client: testClient("reader", []) });
      await check("refreshed and narrowed");
      bench.provider.switches.set({ status500: { endpoints: ["revoke"] } });
      await vault.disconnect(bench.anne.id, id);
      await check("revocation pending");
      bench.provider.switches.set({});
      bench.clock.advance(61_000);
      await vault.tick();
      await check("revoked");
      assert.ok(secrets.size >= 14, `only ${secrets.size} secrets were seen`);
    });

    it("do not show when a released token is printed", async () => {
      await using bench = await createBench(engine);
      await connect(bench);
      const token = await bench.exchange();
      const value = reveal(token.accessToken);
      for (const text of [JSON.stringify(token), inspect(token, { depth: 9 }), `${token.accessToken}`])
        assert.ok(!text.includes(value));
    });

    it("open only in the row, the column and the version they were sealed for", async () => {
      await using bench = await createBench(engine);
      await connect(bench, { account: "acc_personal" });
      await connect(bench, { account: "acc_work" });
      const [one, two] = await bench.rows("connected_accounts");
      assert.ok(one && two);
      const release = () => bench.exchange({ loginHint: one.external_id });
      const swaps = [
        ["another account's token", { sealed_access: two.sealed_access }],
        [
          "another account's token with its key",
          { sealed_access: two.sealed_access, data_key: two.data_key },
        ],
        ["the refresh token in the access token's place", { sealed_access: one.sealed_refresh }],
        ["another version", { version: one.version + 1 }],
        ["another user", { user_id: bench.ben.id }],
      ] as const;
      for (const [what, change] of swaps) {
        await bench.tamper(one.id, change);
        const subject = { userId: what === "another user" ? bench.ben.id : bench.anne.id };
        await assert.rejects(bench.exchange({ loginHint: one.external_id, subject }), SealError, what);
        const { sealed_access, data_key, version, user_id } = one;
        await bench.tamper(one.id, { sealed_access, data_key, version, user_id });
      }
      await release();
      bench.clock.advance(HOUR_MS);
      await release();
      await bench.tamper(one.id, { sealed_access: one.sealed_access });
      await assert.rejects(release(), SealError, "an older token of the same account");
    });

    it("OpenBao CVE-2026-42186: cannot be opened from a backup that was made before the account was disconnected", async () => {
      await using bench = await createBench(engine);
      const { id } = await connect(bench);
      const [before] = await bench.rows("connected_accounts");
      await bench.vault.disconnect(bench.anne.id, String(id));
      assert.ok(before);
      const { sealed_access, sealed_refresh } = before;
      await bench.tamper(before.id, { sealed_access, sealed_refresh, status: "active" });
      await assert.rejects(bench.exchange(), /data key/);
    });
  });
}
