import assert from "node:assert/strict";
import type { TestServer } from "./server.ts";

/** Every row of every table, as text: where a canary is looked for. */
export async function dumpDatabase(server: TestServer): Promise<string> {
  const { storage } = server.services;
  const tables = await storage.db<Record<string, never>>().introspection.getTables();
  const rows = await Promise.all(
    tables.map((table) => storage.db<Record<string, object>>().selectFrom(table.name).selectAll().execute()),
  );
  assert.ok(tables.length > 5);
  return JSON.stringify(rows, (_key, value) =>
    value?.type === "Buffer" ? Buffer.from(value.data).toString("latin1") : value,
  );
}
