import { type AuthorizationModelJson, type Model, parseModel } from "@behalf/fga";
import { sql } from "kysely";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import { fgaError } from "./errors.ts";
import { type FgaTables, findStore } from "./store.ts";

/** A model with its id. */
export interface StoredModel {
  readonly id: string;
  readonly model: Model;
}

/** A model with its id, not compiled. */
export interface ModelJson {
  readonly id: string;
  readonly json: AuthorizationModelJson;
}

/** Models of all stores, compiled once each. Models never change. */
export interface Models {
  /**
   * Checks and keeps a model, given in OpenFGA's JSON; it is then its store's latest. Returns its id.
   * @throws FgaError `invalid_authorization_model` and siblings; FgaApiError `store_id_not_found`
   */
  write(storeId: string, value: unknown): Promise<string>;
  /** The model if it was used before: what queries ask first, without waiting. */
  cached(storeId: string, id: string): Model | undefined;
  /** The model, `undefined` if the store has none of this id. */
  find(storeId: string, id: string): Promise<Model | undefined>;
  /**
   * The model of this id, or for `""` the latest of the store.
   * @throws FgaApiError `authorization_model_not_found`, `latest_authorization_model_not_found`
   */
  resolve(storeId: string, id: string): Promise<StoredModel>;
  /** At most `limit` models in OpenFGA's JSON, newest first, older than the one of the id `before`. */
  list(storeId: string, before: string | undefined, limit: number): Promise<readonly ModelJson[]>;
  /** Forgets what it compiled of a store. */
  forget(storeId: string): void;
}

/** Models kept compiled; a model of the largest size takes about 2 MB. */
const MAX_COMPILED = 250;

export function createModels(deps: {
  storage: Storage;
  clock: Clock;
  ids: Ids;
  onWritten: (storeId: string, id: string) => void;
}): Models {
  const { storage, clock, ids } = deps;
  const compiled = new Map<string, Map<string, Model>>();
  let count = 0;

  function keep(storeId: string, id: string, model: Model): Model {
    if (count >= MAX_COMPILED) dropOldest();
    let ofStore = compiled.get(storeId);
    if (!ofStore) {
      ofStore = new Map();
      compiled.set(storeId, ofStore);
    }
    if (!ofStore.has(id)) count++;
    ofStore.set(id, model);
    return model;
  }

  function dropOldest(): void {
    const [oldest] = compiled;
    const id = oldest?.[1].keys().next().value;
    if (!oldest || id === undefined) return;
    oldest[1].delete(id);
    if (oldest[1].size === 0) compiled.delete(oldest[0]);
    count--;
  }

  const cached = (storeId: string, id: string): Model | undefined => compiled.get(storeId)?.get(id);

  async function find(storeId: string, id: string): Promise<Model | undefined> {
    const known = cached(storeId, id);
    if (known) return known;
    const row = await storage
      .db<FgaTables>()
      .selectFrom("fga_models")
      .innerJoin("fga_stores", "fga_stores.id", "fga_models.store_id")
      .select("fga_models.model")
      .where("fga_models.store_id", "=", storeId)
      .where("fga_models.id", "=", id)
      .where("fga_stores.deleted_at", "is", null)
      .executeTakeFirst();
    return row && keep(storeId, id, parseModel(JSON.parse(row.model)));
  }

  return {
    cached,
    find,
    async write(storeId, value) {
      const model = parseModel(value);
      const id = ids.ulid();
      await storage.transaction(async (tx) => {
        const now = clock.now();
        const { numUpdatedRows } = await tx
          .db<FgaTables>()
          .updateTable("fga_stores")
          .set({
            latest_model_id: sql<string>`case when latest_model_id > ${id} then latest_model_id else ${id} end`,
          })
          .where("id", "=", storeId)
          .where("deleted_at", "is", null)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) throw fgaError("store_id_not_found");
        const row = { store_id: storeId, id, model: JSON.stringify(model.json), created_at: now };
        await tx.db<FgaTables>().insertInto("fga_models").values(row).execute();
      });
      keep(storeId, id, model);
      deps.onWritten(storeId, id);
      return id;
    },
    async resolve(storeId, given) {
      const id = given || (await findStore(storage, storeId))?.latest_model_id;
      if (!id) throw noModels(storeId);
      const model = await find(storeId, id);
      if (!model) throw modelNotFound(id);
      return { id, model };
    },
    async list(storeId, before, limit) {
      let query = storage
        .db<FgaTables>()
        .selectFrom("fga_models")
        .select(["id", "model"])
        .where("store_id", "=", storeId)
        .orderBy("id", "desc")
        .limit(limit);
      if (before !== undefined) query = query.where("id", "<", before);
      const rows = await query.execute();
      return rows.map(({ id, model }) => ({ id, json: JSON.parse(model) }));
    },
    forget(storeId) {
      count -= compiled.get(storeId)?.size ?? 0;
      compiled.delete(storeId);
    },
  };
}

/** The answer for a store that is unknown, deleted or without models: a query does not tell which. */
export function noModels(storeId: string) {
  return fgaError(
    "latest_authorization_model_not_found",
    `No authorization models found for store '${storeId}'`,
  );
}

/** The answer for a model id that the store does not have. */
export function modelNotFound(id: string) {
  return fgaError("authorization_model_not_found", `Authorization Model '${id}' not found`);
}
