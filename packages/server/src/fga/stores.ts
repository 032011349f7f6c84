import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import { fgaError } from "./errors.ts";
import { type FgaTables, findStore, type StoreRow } from "./store.ts";

/** The stores of this deployment. */
export interface Stores {
  /** Makes an empty store. Names need not differ. */
  create(name: string): Promise<StoreRow>;
  /** @throws FgaApiError `store_id_not_found` for an unknown or deleted store */
  get(id: string): Promise<StoreRow>;
  /** At most `limit` stores in the order they were made, after the id `after`; of one name if it is not `""`. */
  list(page: { after: string; name: string; limit: number }): Promise<readonly StoreRow[]>;
  /** Deletes the store with all that is in it; safe to call twice, and for a store that never was. */
  delete(id: string): Promise<void>;
}

/** Rows deleted at once: short enough for other writers to get their turn. */
const DELETE_CHUNK = 5_000;

export function createStores(deps: {
  storage: Storage;
  clock: Clock;
  ids: Ids;
  onDeleted: (id: string) => void;
}): Stores {
  const { storage, clock, ids } = deps;
  const db = () => storage.db<FgaTables>();

  /** What an interrupted call leaves behind is out of reach, and the next call goes on. */
  async function deleteContents(id: string): Promise<void> {
    for (const table of ["fga_tuples", "fga_changes"] as const) {
      for (let deleted = BigInt(DELETE_CHUNK); deleted >= BigInt(DELETE_CHUNK); ) {
        const oldest = db()
          .selectFrom(table)
          .select("seq")
          .where("store_id", "=", id)
          .orderBy("seq")
          .limit(DELETE_CHUNK);
        const result = await db()
          .deleteFrom(table)
          .where("store_id", "=", id)
          .where("seq", "in", oldest)
          .executeTakeFirst();
        deleted = result.numDeletedRows;
      }
    }
    await db().deleteFrom("fga_models").where("store_id", "=", id).execute();
    await db().deleteFrom("fga_assertions").where("store_id", "=", id).execute();
  }

  return {
    async create(name) {
      const now = clock.now();
      const row: StoreRow = {
        id: ids.ulid(),
        name,
        created_at: now,
        updated_at: now,
        deleted_at: null,
        last_seq: 0,
        changed_at: 0,
        latest_model_id: null,
      };
      await db().insertInto("fga_stores").values(row).execute();
      return row;
    },
    async get(id) {
      const row = await findStore(storage, id);
      if (!row) throw fgaError("store_id_not_found");
      return row;
    },
    async list({ after, name, limit }) {
      let query = db()
        .selectFrom("fga_stores")
        .selectAll()
        .where("id", ">", after)
        .where("deleted_at", "is", null)
        .orderBy("id")
        .limit(limit);
      if (name !== "") query = query.where("name", "=", name);
      return query.execute();
    },
    async delete(id) {
      const now = clock.now();
      await db()
        .updateTable("fga_stores")
        .set({ deleted_at: now, updated_at: now })
        .where("id", "=", id)
        .where("deleted_at", "is", null)
        .execute();
      deps.onDeleted(id);
      await deleteContents(id);
    },
  };
}
