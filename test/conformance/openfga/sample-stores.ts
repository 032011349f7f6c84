import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import transformer from "@openfga/syntax-transformer";
import { parse } from "yaml";
import type { Answer, FgaClient, QueryScope, WireTuple } from "./client.ts";

/** A `.fga.yaml` file: a model, tuples, and tests of both. @see github.com/openfga/cli, `fga model test` */
export interface SampleStore {
  /** Path below the data folder. */
  readonly path: string;
  /** In OpenFGA's modelling language; undefined where the model is made of modules. */
  readonly model: string | undefined;
  readonly tuples: readonly WireTuple[];
  readonly tests: readonly StoreTest[];
}

interface StoreTest {
  readonly name?: string;
  readonly tuples?: readonly WireTuple[];
  readonly check?: readonly CheckCase[];
  readonly list_objects?: readonly ListObjectsCase[];
  readonly list_users?: readonly ListUsersCase[];
}

interface Case {
  readonly context?: Readonly<Record<string, unknown>>;
}

interface CheckCase extends Case {
  readonly user?: string;
  readonly users?: readonly string[];
  readonly object?: string;
  readonly objects?: readonly string[];
  readonly assertions: Readonly<Record<string, boolean>>;
}

interface ListObjectsCase extends Case {
  readonly user: string;
  readonly type: string;
  readonly assertions: Readonly<Record<string, readonly string[] | null>>;
}

interface ListUsersCase extends Case {
  readonly object: string;
  readonly user_filter: readonly [{ readonly type: string; readonly relation?: string }];
  readonly assertions: Readonly<Record<string, { readonly users?: readonly string[] | null }>>;
}

interface StoreFile {
  readonly model?: string;
  readonly model_file?: string;
  readonly tuples?: readonly WireTuple[];
  readonly tuple_file?: string;
  readonly tests?: readonly StoreTest[];
}

/** Every store below `sample-stores/stores` of the conformance data, by path. */
export async function loadSampleStores(dataDir: string): Promise<readonly SampleStore[]> {
  const root = join(dataDir, "sample-stores", "stores");
  const files = (await readdir(root, { recursive: true }))
    .filter((file) => file.endsWith(".fga.yaml"))
    .sort();
  return Promise.all(files.map((file) => loadStore(root, join(root, file))));
}

/** True for a store that needs an evaluator of conditions. */
export function hasConditions({ model }: SampleStore): boolean {
  return model !== undefined && /^\s*condition\s/m.test(model);
}

/** Whether the engine can evaluate it as it is now: conditions and modules are not there yet. */
export function isEvaluable(store: SampleStore): boolean {
  return store.model !== undefined && !hasConditions(store);
}

/** Writes model and tuples into a new store. @throws AssertionError if either is refused */
export async function writeSampleStore(
  client: FgaClient,
  store: SampleStore,
): Promise<{ storeId: string; modelId: string }> {
  assert.ok(store.model, `${store.path} has its model in modules`);
  const storeId = await client.createStore(store.path);
  const model: unknown = transformer.transformer.transformDSLToJSONObject(store.model);
  const modelId = demand(await client.writeModel(storeId, model), "the model");
  if (store.tuples.length > 0) demand(await client.write(storeId, modelId, store.tuples), "the tuples");
  return { storeId, modelId };
}

/**
 * Writes model and tuples into a store and asserts every test; a test's own tuples go along as contextual ones.
 * @returns the number of assertions that held
 * @throws AssertionError at the first that does not
 */
export async function runSampleStore(client: FgaClient, store: SampleStore): Promise<number> {
  const { storeId, modelId } = await writeSampleStore(client, store);
  let held = 0;
  for (const test of store.tests) {
    const scopeOf = ({ context }: Case): QueryScope => ({
      storeId,
      modelId,
      contextualTuples: test.tuples ?? [],
      context,
    });
    for (const item of test.check ?? []) held += await runChecks(client, scopeOf(item), item);
    for (const item of test.list_objects ?? []) held += await runListObjects(client, scopeOf(item), item);
    for (const item of test.list_users ?? []) held += await runListUsers(client, scopeOf(item), item);
  }
  return held;
}

async function runChecks(client: FgaClient, scope: QueryScope, item: CheckCase): Promise<number> {
  let held = 0;
  for (const user of item.users ?? [item.user ?? ""]) {
    for (const object of item.objects ?? [item.object ?? ""]) {
      for (const [relation, expected] of Object.entries(item.assertions)) {
        const what = `${object}#${relation}@${user}`;
        assert.equal(
          demand(await client.check({ ...scope, tuple: { user, relation, object } }), what),
          expected,
          what,
        );
        held++;
      }
    }
  }
  return held;
}

async function runListObjects(client: FgaClient, scope: QueryScope, item: ListObjectsCase): Promise<number> {
  for (const [relation, expected] of Object.entries(item.assertions)) {
    const what = `objects of ${item.type}#${relation} for ${item.user}`;
    const objects = demand(
      await client.listObjects({ ...scope, user: item.user, type: item.type, relation }),
      what,
    );
    assert.deepEqual([...objects].sort(), [...(expected ?? [])].sort(), what);
  }
  return Object.keys(item.assertions).length;
}

async function runListUsers(client: FgaClient, scope: QueryScope, item: ListUsersCase): Promise<number> {
  for (const [relation, expected] of Object.entries(item.assertions)) {
    const what = `users of ${item.object}#${relation}`;
    const users = demand(
      await client.listUsers({ ...scope, object: item.object, relation, filter: item.user_filter[0] }),
      what,
    );
    assert.deepEqual([...users].sort(), [...(expected.users ?? [])].sort(), what);
  }
  return Object.keys(item.assertions).length;
}

async function loadStore(root: string, file: string): Promise<SampleStore> {
  const parsed: StoreFile = parse(await readFile(file, "utf8"));
  const beside = (name: string): Promise<string> => readFile(join(dirname(file), name), "utf8");
  const tupleFile = parsed.tuple_file;
  const more: readonly WireTuple[] = tupleFile === undefined ? [] : parse(await beside(tupleFile));
  const isModular = parsed.model_file?.endsWith(".mod") ?? false;
  return {
    path: relative(root, file),
    model: isModular ? undefined : (parsed.model ?? (await beside(parsed.model_file ?? "model.fga"))),
    tuples: [...(parsed.tuples ?? []), ...more],
    tests: parsed.tests ?? [],
  };
}

function demand<T>(answer: Answer<T>, what: string): T {
  if ("value" in answer) return answer.value;
  assert.fail(`${what} failed with ${answer.error}: ${answer.message}`);
}
