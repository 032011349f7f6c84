import { httpError } from "../http/errors.ts";
import type { RoleDeps, RoleTables } from "./create.ts";
import { roleError } from "./errors.ts";
import { roleEvents } from "./events.ts";
import type { Roles, UserMetadata } from "./index.ts";

/** Both kinds of one user together stay small: claims are made of them. */
export const MAX_METADATA_BYTES = 16_384;

/** Metadata of users. What a claim for authorization may be made of is for administrators alone to write. */
export function createMetadata(deps: RoleDeps): Pick<Roles, "metadataOf" | "changeMetadata"> {
  const { storage, audit } = deps;

  return {
    async metadataOf(userId) {
      const row = await storage
        .db<RoleTables>()
        .selectFrom("user_metadata")
        .selectAll()
        .where("user_id", "=", userId)
        .executeTakeFirst();
      return row ? parse(row) : { app: {}, user: {} };
    },

    changeMetadata: (userId, change) =>
      storage.transaction(async (tx) => {
        const table = tx.db<RoleTables>();
        const user = await table.selectFrom("users").select("id").where("id", "=", userId).executeTakeFirst();
        if (!user) throw roleError("role.user_unknown");
        // Written first: of two changes at once the second waits here and then builds on the first.
        const row = await table
          .insertInto("user_metadata")
          .values({ user_id: userId, app_metadata: "{}", user_metadata: "{}" })
          .onConflict((conflict) => conflict.column("user_id").doUpdateSet({ user_id: userId }))
          .returningAll()
          .executeTakeFirstOrThrow();
        const known = parse(row);
        const next = { app: merge(known.app, change.app), user: merge(known.user, change.user) };
        const values = { app_metadata: JSON.stringify(next.app), user_metadata: JSON.stringify(next.user) };
        if (values.app_metadata.length + values.user_metadata.length > MAX_METADATA_BYTES)
          throw httpError("request.invalid", {
            detail: `Metadata of a user has at most ${MAX_METADATA_BYTES} bytes.`,
          });
        await table.updateTable("user_metadata").set(values).where("user_id", "=", userId).execute();
        const kinds = Object.keys(change).sort().join(" ");
        await audit.appendIn(tx, {
          action: roleEvents.metadataChanged,
          userId,
          objectId: userId,
          outcome: "done",
          details: { kinds },
        });
        return next;
      }),
  };
}

function merge(known: UserMetadata["app"], change: UserMetadata["app"] | undefined): UserMetadata["app"] {
  const merged = { ...known, ...change };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

function parse(row: { app_metadata: string; user_metadata: string }): UserMetadata {
  // Written above from objects.
  return { app: JSON.parse(row.app_metadata), user: JSON.parse(row.user_metadata) };
}
