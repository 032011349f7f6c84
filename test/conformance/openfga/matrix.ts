import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import transformer from "@openfga/syntax-transformer";
import { parse } from "yaml";
import type { Answer, FgaClient, QueryScope, WireTuple } from "./client.ts";

/** One test of OpenFGA's YAML matrices. */
export interface MatrixTest {
  readonly name: string;
  readonly stages: readonly MatrixStage[];
}

/** A model written over the tuples of the stages before, more tuples, and what must then hold. */
export interface MatrixStage {
  /** In OpenFGA's modelling language. */
  readonly model: string;
  readonly tuples?: readonly WireTuple[] | null;
  readonly checkAssertions?: readonly CheckAssertion[] | null;
  readonly listObjectsAssertions?: readonly ListObjectsAssertion[] | null;
  readonly listUsersAssertions?: readonly ListUsersAssertion[] | null;
}

interface Assertion {
  readonly contextualTuples?: readonly WireTuple[];
  readonly context?: Readonly<Record<string, unknown>>;
  /** Number of OpenFGA's error code, where an error is expected. */
  readonly errorCode?: number;
}

interface CheckAssertion extends Assertion {
  readonly tuple: WireTuple;
  readonly expectation?: boolean;
}

interface ListObjectsAssertion extends Assertion {
  readonly request: { readonly user: string; readonly type: string; readonly relation: string };
  readonly expectation?: readonly string[] | null;
}

interface ListUsersAssertion extends Assertion {
  readonly request: {
    readonly object: string;
    readonly relation: string;
    readonly filters: readonly [string];
  };
  readonly expectation?: readonly string[] | null;
}

/** How many calls were made and held what the matrix says. */
export interface Tally {
  checks: number;
  listObjects: number;
  listUsers: number;
  /** Checks of each object and user that a list returned. */
  followUps: number;
}

export type Mode = "stored" | "contextual";

/** OpenFGA's runner writes this many tuples a request, to stay below the limit of 100. */
const TUPLES_PER_WRITE = 40;
/** Limit on contextual tuples of a request. */
const MAX_CONTEXTUAL_TUPLES = 100;

/** Tests of one matrix file below the conformance data, in the order of the file. */
export async function loadMatrix(
  dataDir: string,
  file = "openfga/consolidated_1_1_tests.yaml",
): Promise<readonly MatrixTest[]> {
  const parsed: { tests: readonly MatrixTest[] } = parse(await readFile(join(dataDir, file), "utf8"));
  return parsed.tests;
}

/** A zero {@link Tally}. */
export function createTally(): Tally {
  return { checks: 0, listObjects: 0, listUsers: 0, followUps: 0 };
}

/** False where the matrix has no contextual run: earlier stages would be missing, or the tuples are too many. */
export function hasMode({ stages }: MatrixTest, mode: Mode): boolean {
  const fits = (stage: MatrixStage): boolean => (stage.tuples ?? []).length <= MAX_CONTEXTUAL_TUPLES;
  return mode === "stored" || (stages.length === 1 && stages.every(fits));
}

/**
 * Runs one test as OpenFGA's runner does: one store, a new model each stage, old tuples stay. In contextual mode
 * nothing is stored and each request brings the stage's tuples along. Every object and user that a list returns
 * must pass a check. Counts go to `tally`.
 * @throws AssertionError at the first assertion that does not hold
 */
export async function runMatrixTest(
  client: FgaClient,
  test: MatrixTest,
  mode: Mode,
  tally: Tally,
): Promise<void> {
  const storeId = await client.createStore(test.name);
  for (const [index, stage] of test.stages.entries()) {
    const model: unknown = transformer.transformer.transformDSLToJSONObject(stage.model);
    const modelId = demand(await client.writeModel(storeId, model), `stage ${index}: the model`);
    const tuples = shuffle(stage.tuples ?? []);
    if (mode === "stored") await writeAll(client, storeId, modelId, tuples);
    const scopeOf = (assertion: Assertion): QueryScope => ({
      storeId,
      modelId,
      contextualTuples: [
        ...shuffle(assertion.contextualTuples ?? []),
        ...(mode === "contextual" ? tuples : []),
      ],
      context: assertion.context,
    });
    for (const assertion of stage.checkAssertions ?? [])
      await runCheck(client, scopeOf(assertion), assertion, tally);
    for (const assertion of stage.listObjectsAssertions ?? []) {
      await runListObjects(client, scopeOf(assertion), assertion, tally);
    }
    for (const assertion of stage.listUsersAssertions ?? []) {
      await runListUsers(client, scopeOf(assertion), assertion, tally);
    }
  }
}

async function writeAll(
  client: FgaClient,
  storeId: string,
  modelId: string,
  tuples: readonly WireTuple[],
): Promise<void> {
  for (let i = 0; i < tuples.length; i += TUPLES_PER_WRITE) {
    demand(await client.write(storeId, modelId, tuples.slice(i, i + TUPLES_PER_WRITE)), "writing the tuples");
  }
}

async function runCheck(
  client: FgaClient,
  scope: QueryScope,
  assertion: CheckAssertion,
  tally: Tally,
): Promise<void> {
  const answer = await client.check({ ...scope, tuple: assertion.tuple });
  expect(answer, assertion, `check ${JSON.stringify(assertion.tuple)}`, (allowed) => {
    assert.equal(allowed, assertion.expectation ?? false, `check ${JSON.stringify(assertion.tuple)}`);
  });
  tally.checks++;
}

async function runListObjects(
  client: FgaClient,
  scope: QueryScope,
  assertion: ListObjectsAssertion,
  tally: Tally,
): Promise<void> {
  const { request } = assertion;
  const what = `list-objects ${JSON.stringify(request)}`;
  const isSame = (objects: readonly string[]): void => {
    assert.deepEqual([...objects].sort(), [...(assertion.expectation ?? [])].sort(), what);
  };
  const answer = await client.listObjects({ ...scope, ...request });
  expect(answer, assertion, what, isSame);
  if (client.streamObjects) {
    expect(
      await client.streamObjects({ ...scope, ...request }),
      { ...assertion },
      `streamed ${what}`,
      isSame,
    );
  }
  tally.listObjects++;
  for (const object of "value" in answer ? answer.value : []) {
    await followUp(client, scope, { user: request.user, relation: request.relation, object }, tally);
  }
}

async function runListUsers(
  client: FgaClient,
  scope: QueryScope,
  assertion: ListUsersAssertion,
  tally: Tally,
): Promise<void> {
  const { object, relation, filters } = assertion.request;
  const what = `list-users ${JSON.stringify(assertion.request)}`;
  const [type = "", userRelation] = filters[0].split("#");
  const answer = await client.listUsers({
    ...scope,
    object,
    relation,
    filter: { type, relation: userRelation },
  });
  expect(answer, assertion, what, (users) => {
    assert.deepEqual([...users].sort(), [...(assertion.expectation ?? [])].sort(), what);
  });
  tally.listUsers++;
  for (const user of "value" in answer ? answer.value : []) {
    await followUp(client, scope, { user, relation, object }, tally);
  }
}

async function followUp(client: FgaClient, scope: QueryScope, tuple: WireTuple, tally: Tally): Promise<void> {
  const allowed = demand(await client.check({ ...scope, tuple }), `check of listed ${JSON.stringify(tuple)}`);
  assert.equal(allowed, true, `${JSON.stringify(tuple)} was listed and must pass a check`);
  tally.followUps++;
}

function expect<T>(
  answer: Answer<T>,
  { errorCode }: Assertion,
  what: string,
  holds: (value: T) => void,
): void {
  if (errorCode === undefined) holds(demand(answer, what));
  else assert.equal("error" in answer ? answer.error : JSON.stringify(answer.value), errorCode, what);
}

function demand<T>(answer: Answer<T>, what: string): T {
  if ("value" in answer) return answer.value;
  assert.fail(`${what} failed with ${answer.error}: ${answer.message}`);
}

/** An order that differs from the file's and is the same in every run. */
function shuffle<T>(items: readonly T[]): T[] {
  const shuffled = [...items];
  let state = 20_260_723;
  for (let i = shuffled.length - 1; i > 0; i--) {
    // Park and Miller's minimal standard generator.
    state = (state * 48_271) % 2_147_483_647;
    const j = state % (i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}
