import type { Queryable } from "../../../storage/index.ts";

/** Tables of the passkey method. */
export interface PasskeyTables {
  passkeys: {
    id: string;
    credential_id: string;
    user_id: string;
    public_key: string;
    counter: number;
    transports: string;
    backed_up: number;
    name: string;
    created_at: number;
    last_used_at: number | null;
  };
  passkey_handles: { user_id: string; handle: string };
  passkey_challenges: {
    challenge_hash: string;
    purpose: string;
    bound_to: string;
    request: string;
    expires_at: number;
    consumed_at: number | null;
  };
}

export type PasskeyRow = PasskeyTables["passkeys"];

/** A user's passkeys, the oldest first. */
export function listRows(on: Queryable, userId: string): Promise<PasskeyRow[]> {
  return on
    .db<PasskeyTables>()
    .selectFrom("passkeys")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

/** By the id that the authenticator gave it. */
export function findRow(on: Queryable, credentialId: string): Promise<PasskeyRow | undefined> {
  return on
    .db<PasskeyTables>()
    .selectFrom("passkeys")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
}

/** False when somebody has a passkey with this credential id already. */
export async function insertRow(on: Queryable, row: PasskeyRow): Promise<boolean> {
  const inserted = await on
    .db<PasskeyTables>()
    .insertInto("passkeys")
    .values(row)
    .onConflict((conflict) => conflict.column("credential_id").doNothing())
    .returning("id")
    .executeTakeFirst();
  return inserted !== undefined;
}

/**
 * Takes note of a use; false when the counter did not grow, which a copy of the key would cause. One statement,
 * so that of two uses of one count one is refused. An authenticator that does not count says 0 each time.
 * @see Web Authentication Level 3 section 6.1.1
 */
export async function markUsed(
  on: Queryable,
  id: string,
  use: { counter: number; backedUp: boolean; at: number },
): Promise<boolean> {
  const update = on
    .db<PasskeyTables>()
    .updateTable("passkeys")
    .set({ counter: use.counter, backed_up: use.backedUp ? 1 : 0, last_used_at: use.at })
    .where("id", "=", id);
  const row = await (use.counter === 0
    ? update.where("counter", "=", 0)
    : update.where("counter", "<", use.counter)
  )
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** The handle under which authenticators know this user; made at the first call. */
export async function handleOf(on: Queryable, userId: string, fresh: string): Promise<string> {
  await saveHandle(on, userId, fresh);
  const row = await on
    .db<PasskeyTables>()
    .selectFrom("passkey_handles")
    .select("handle")
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return row.handle;
}

/** Keeps a user's first handle. */
export async function saveHandle(on: Queryable, userId: string, handle: string): Promise<void> {
  await on
    .db<PasskeyTables>()
    .insertInto("passkey_handles")
    .values({ user_id: userId, handle })
    .onConflict((conflict) => conflict.column("user_id").doNothing())
    .execute();
}

export async function hasHandle(on: Queryable, userId: string, handle: string): Promise<boolean> {
  const row = await on
    .db<PasskeyTables>()
    .selectFrom("passkey_handles")
    .select("user_id")
    .where("handle", "=", handle)
    .executeTakeFirst();
  return row?.user_id === userId;
}
