// Lets a person of the demo read the documents of the group finance: one tuple at the FGA engine.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Resolves with the exit code. The demo must be running: its engine takes the tuple. */
export async function joinFinance({ dataDir, email, say }) {
  const state = join(dataDir, "assistant", "assistant.sqlite");
  const configuration = join(dataDir, "behalf.yaml");
  if (!existsSync(state) || !existsSync(configuration)) {
    say(`There is no demo in ${dataDir}. Start it with npm run demo and create an account first.`);
    return 1;
  }
  const { userId, storeId } = await lookUp(state, email);
  if (!userId) {
    say(`Nobody with the address ${email} has opened the assistant yet. Log in there once, then ask again.`);
    return 1;
  }
  const { parse } = await import("yaml");
  const { issuer } = parse(readFileSync(configuration, "utf8"));
  const presharedKey = readFileSync(join(dataDir, "secrets", "fga"), "utf8").trim();
  return grant({ issuer, presharedKey, storeId, userId, email, say });
}

async function lookUp(file, email) {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const user = db.prepare("SELECT id FROM users WHERE lower(email) = lower(?)").get(email);
    const store = db.prepare("SELECT value FROM settings WHERE name = 'fga-store'").get();
    return { userId: user?.id, storeId: store?.value };
  } finally {
    db.close();
  }
}

async function grant({ issuer, presharedKey, storeId, userId, email, say }) {
  const tuple = { user: `user:${userId}`, relation: "member", object: "group:finance" };
  const response = await fetch(`${issuer}stores/${storeId}/write`, {
    method: "POST",
    headers: { authorization: `Bearer ${presharedKey}`, "content-type": "application/json" },
    body: JSON.stringify({ writes: { tuple_keys: [tuple] } }),
  }).catch(() => undefined);
  if (!response) {
    say(`Nobody answers at ${issuer}. Start the demo with npm run demo, then ask again.`);
    return 1;
  }
  const body = await response.json();
  const isMemberAlready = body.code === "write_failed_due_to_invalid_input";
  if (!response.ok && !isMemberAlready) {
    say(`The engine refused: ${body.message ?? `status ${response.status}`}`);
    return 1;
  }
  say(
    `${email} ${isMemberAlready ? "is" : "is now"} a member of the group finance. Ask the assistant again.`,
  );
  return 0;
}
