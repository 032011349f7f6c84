import {
  check,
  createMemoryTuples,
  FgaError,
  type JsonObject,
  type Model,
  type Tuple,
  type TupleKey,
  validateWrite,
} from "@behalf/fga";
import type { Storage } from "../storage/index.ts";
import { fgaError } from "./errors.ts";
import type { Models } from "./models.ts";
import type { FgaTables } from "./store.ts";

/** What a model's author expects of it. Kept for tools; the server never runs them. */
export interface Assertion {
  readonly key: TupleKey;
  readonly expectation: boolean;
  readonly contextualTuples: readonly Tuple[];
  readonly context: JsonObject | null;
}

/** Assertions of models. */
export interface Assertions {
  /**
   * Replaces the assertions of a model.
   * @throws FgaApiError `authorization_model_not_found`, `validation_error`, `exceeded_entity_limit`
   */
  write(storeId: string, modelId: string, assertions: readonly Assertion[]): Promise<void>;
  /** The assertions; none if none were written. */
  read(storeId: string, modelId: string): Promise<readonly Assertion[]>;
}

/** OpenFGA's limit; it counts protobuf's bytes, which are fewer. */
const MAX_BYTES = 64_000;

export function createAssertions(deps: { storage: Storage; models: Models }): Assertions {
  const { storage, models } = deps;
  return {
    async write(storeId, modelId, assertions) {
      const { model } = await models.resolve(storeId, modelId);
      const text = JSON.stringify(assertions);
      if (Buffer.byteLength(text) > MAX_BYTES)
        throw fgaError(
          "exceeded_entity_limit",
          `The number of bytes exceeds the allowed limit of ${MAX_BYTES}`,
        );
      for (const assertion of assertions) validate(model, assertion);
      await storage
        .db<FgaTables>()
        .insertInto("fga_assertions")
        .values({ store_id: storeId, model_id: modelId, assertions: text })
        .onConflict((conflict) =>
          conflict.columns(["store_id", "model_id"]).doUpdateSet({ assertions: text }),
        )
        .execute();
    },
    async read(storeId, modelId) {
      const row = await storage
        .db<FgaTables>()
        .selectFrom("fga_assertions")
        .select("assertions")
        .where("store_id", "=", storeId)
        .where("model_id", "=", modelId)
        .executeTakeFirst();
      return row ? JSON.parse(row.assertions) : [];
    },
  };
}

/** The key must be one that a check takes, the contextual tuples ones that a write takes. */
function validate(model: Model, { key, contextualTuples }: Assertion): void {
  try {
    check({ model, tuples: createMemoryTuples() }, key);
    for (const tuple of contextualTuples) validateWrite(model, tuple);
  } catch (error) {
    if (FgaError.is(error)) throw fgaError("validation_error", error.message);
    throw error;
  }
}
