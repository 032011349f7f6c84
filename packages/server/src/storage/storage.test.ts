import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openStorage } from "./index.ts";
import { migrate } from "./migrate.ts";
import { storageSuite } from "./suite.ts";
import { openEmptyPostgres, postgresUrl } from "./testing.ts";

storageSuite("SQLite", () => openStorage("sqlite::memory:"));

const url = postgresUrl();
if (url) storageSuite("PostgreSQL", () => openEmptyPostgres(url));
else describe("storage contract on PostgreSQL", { skip: "BEHALF_TEST_POSTGRES is not set" }, () => undefined);

describe("an SQLite file", () => {
  it("is served by one at a time, and by the next when that one has closed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "behalf-claim-"));
    const open = () => openStorage(`sqlite:${join(folder, "data", "a.db")}`);
    const [first, second] = [await open(), await open()];
    assert.equal(first.claim(), true);
    assert.equal(second.claim(), false);
    await first.close();
    assert.equal(second.claim(), true);
    await second.close();
    rmSync(folder, { recursive: true });
  });

  it("is its owner's alone, with its log", async () => {
    const folder = mkdtempSync(join(tmpdir(), "behalf-mode-"));
    const storage = await openStorage(`sqlite:${join(folder, "a.db")}`);
    await migrate(storage, { now: () => 1 });
    for (const file of ["a.db", "a.db-wal"]) assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
    await storage.close();
    rmSync(folder, { recursive: true });
  });
});
