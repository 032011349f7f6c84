import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check } from "./check.ts";
import { FgaError } from "./errors.ts";
import type { Evaluation, QueryContext } from "./evaluation.ts";
import { listObjects } from "./list-objects.ts";
import { formatUsers, listUsers } from "./list-users.ts";
import { createMemoryTuples } from "./memory.ts";
import { createReference, type Reference, ReferenceGivesUp } from "./reference.ts";
import { byParameter, QUESTIONS, RELATIONS, type World, worlds } from "./testing.ts";

// Each run is a world in which dozens of questions are asked.
const numRuns = process.env["BEHALF_DEEP"] === "1" ? 30_000 : 600;
const FILTERS = [
  { type: "user" },
  { type: "group" },
  { type: "group", relation: "a" },
  { type: "doc", relation: "c" },
];
/** Shrinking a failure may take long; it is cut off with what was found. */
const timeLimitMs = process.env["BEHALF_DEEP"] === "1" ? 3_600_000 : 120_000;
/** Larger than any path in a {@link World}: breadth first and depth first meet the limit in different places. */
const maxDepth = 1_000;

test("check answers what the reference answers", () => {
  compare(({ users }, fast, reference) => {
    for (const user of users) {
      for (const question of QUESTIONS) {
        const key = { ...question, user };
        const answer = outcomeOf(() => check(fast.evaluation, { ...key, ...fast.query }));
        assert.deepEqual(
          answer,
          outcomeOf(() => reference.check(key)),
          JSON.stringify(key),
        );
      }
    }
  });
});

test("listObjects lists exactly the objects that the reference allows", () => {
  compare(({ users }, fast, reference) => {
    for (const user of users) {
      for (const type of ["group", "doc"]) {
        for (const relation of RELATIONS) {
          const request = { type, relation, user };
          const listed = outcomeOf(() =>
            listObjects(fast.evaluation, { ...request, ...fast.query }).objects.sort(),
          );
          if (listed === "validation_error") continue;
          assert.deepEqual(
            listed,
            reference.listObjects(type, relation, user).sort(),
            JSON.stringify(request),
          );
        }
      }
    }
  });
});

test("listUsers lists exactly the users that the reference allows and names", () => {
  compare((_world, fast, reference) => {
    for (const { object, relation } of QUESTIONS) {
      for (const filter of FILTERS) {
        const request = { object, relation, filter };
        const listed = outcomeOf(() =>
          formatUsers(listUsers(fast.evaluation, { ...request, ...fast.query })).sort(),
        );
        if (listed === "validation_error") continue;
        assert.deepEqual(
          listed,
          reference.listUsers(object, relation, filter).sort(),
          JSON.stringify(request),
        );
      }
    }
  });
});

interface Fast {
  readonly evaluation: Evaluation;
  readonly query: QueryContext;
}

function compare(ask: (world: World, fast: Fast, reference: Reference) => void): void {
  fc.assert(
    fc.property(worlds, (world) => {
      const { model, tuples, contextualTuples, context } = world;
      const store = createMemoryTuples();
      const stored = tuples.filter((tuple) => store.add(tuple));
      const fast = {
        evaluation: { model, tuples: store, conditions: byParameter, limits: { maxDepth } },
        query: { contextualTuples, context },
      };
      const reference = createReference({ ...world, tuples: stored, conditions: byParameter, maxDepth });
      try {
        ask(world, fast, reference);
      } catch (error) {
        // Rare: the reference walks every path, of which a small world may have very many.
        if (!(error instanceof ReferenceGivesUp)) throw error;
      }
    }),
    { numRuns, interruptAfterTimeLimit: timeLimitMs, markInterruptAsFailure: true },
  );
}

function outcomeOf<T>(ask: () => T): T | string {
  try {
    return ask();
  } catch (error) {
    if (FgaError.is(error)) return error.code;
    throw error;
  }
}
