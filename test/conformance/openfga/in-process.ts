import {
  check,
  createMemoryTuples,
  FgaError,
  formatUsers,
  listObjects,
  listUsers,
  type MemoryTuples,
  type Model,
  parseModel,
  validateWrite,
} from "@behalf/fga";
import type { Answer, FgaClient, QueryScope } from "./client.ts";

/** The engine without a server: stores live in memory for as long as the client does. */
export function createInProcessClient(): FgaClient {
  const stores = new Map<string, { readonly tuples: MemoryTuples; readonly models: Map<string, Model> }>();
  const storeOf = (id: string) => stores.get(id) ?? missing(`store ${id}`);
  const evaluationOf = ({ storeId, modelId }: QueryScope) => {
    const { tuples, models } = storeOf(storeId);
    return { tuples, model: models.get(modelId) ?? missing(`model ${modelId}`) };
  };
  return {
    async createStore(name) {
      const id = `${stores.size + 1}-${name}`;
      stores.set(id, { tuples: createMemoryTuples(), models: new Map() });
      return id;
    },
    writeModel: async (storeId, json) =>
      answer(() => {
        const { models } = storeOf(storeId);
        const id = String(models.size + 1);
        models.set(id, parseModel(json));
        return id;
      }),
    write: async (storeId, modelId, tuples) =>
      answer(() => {
        const store = storeOf(storeId);
        const model = store.models.get(modelId) ?? missing(`model ${modelId}`);
        for (const tuple of tuples) validateWrite(model, tuple);
        for (const tuple of tuples) {
          if (!store.tuples.add(tuple)) {
            throw new FgaError(
              "write_failed_due_to_invalid_input",
              "cannot write a tuple which already exists",
            );
          }
        }
        return true as const;
      }),
    check: async ({ tuple, ...query }) => answer(() => check(evaluationOf(query), { ...query, ...tuple })),
    listObjects: async (query) => answer(() => listObjects(evaluationOf(query), query).objects),
    listUsers: async (query) => answer(() => formatUsers(listUsers(evaluationOf(query), query))),
  };
}

function answer<T>(run: () => T): Answer<T> {
  try {
    return { value: run() };
  } catch (error) {
    if (!FgaError.is(error)) throw error;
    return { error: error.number, message: error.message };
  }
}

function missing(what: string): never {
  throw new Error(`${what} was never created`);
}
