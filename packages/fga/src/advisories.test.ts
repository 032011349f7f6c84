// Published advisories of OpenFGA and SpiceDB that concern semantics, replayed. Those about transport, caches of a
// server or configuration belong to the server's tests.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check } from "./check.ts";
import { FgaError } from "./errors.ts";
import { listObjects } from "./list-objects.ts";
import { formatUsers, listUsers } from "./list-users.ts";
import { createMemoryTuples } from "./memory.ts";
import type { Model } from "./model.ts";
import { byParameter, cpuMs, fgaError, modelOf, storeOf, tupleOf, worlds } from "./testing.ts";
import { validateTuple } from "./tuple.ts";

function ask(
  model: Model,
  tuples: readonly string[],
  text: string,
  context?: Record<string, unknown>,
): boolean {
  return check(
    { model, tuples: storeOf(...tuples), conditions: byParameter },
    { ...tupleOf(text), ...(context && { context }) },
  );
}

const parents = modelOf(`type user
type folder
  relations
    define viewer: [user]
type doc
  relations
    define parent: [folder]
    define viewer: viewer from parent`);

test("CVE-2022-39341: a wildcard on a tupleset is refused, and ignored where it is stored", () => {
  assert.throws(() => validateTuple(parents, tupleOf("doc:1#parent@folder:*")), fgaError("invalid_tuple"));
  assert.equal(
    ask(parents, ["doc:1#parent@folder:*", "folder:a#viewer@user:anne"], "doc:1#viewer@user:anne"),
    false,
  );
});

test("CVE-2022-39342: a model whose tupleset is itself rewritten is refused", () => {
  const dsl =
    "type user\ntype doc\n  relations\n    define owner: [doc]\n    define parent: owner\n    define viewer: [user] or viewer from parent";
  assert.throws(() => modelOf(dsl), fgaError("invalid_authorization_model", /must be a direct relation$/));
});

test("CVE-2022-39352: a userset on a tupleset is refused, and ignored where it is stored", () => {
  assert.throws(
    () => validateTuple(parents, tupleOf("doc:1#parent@folder:a#viewer")),
    fgaError("invalid_tuple"),
  );
  const tuples = ["doc:1#parent@folder:a#viewer", "folder:a#viewer@user:anne"];
  assert.equal(ask(parents, tuples, "doc:1#viewer@user:anne"), false);
});

test("CVE-2022-23542: tuples that only an earlier model allowed are not read", () => {
  const before = modelOf(
    "type user\ntype bot\ntype doc\n  relations\n    define viewer: [user, bot, user:*]",
  );
  const after = modelOf("type user\ntype bot\ntype doc\n  relations\n    define viewer: [user]");
  const tuples = ["doc:1#viewer@bot:1", "doc:1#viewer@user:*", "doc:1#viewer@user:anne"];
  assert.deepEqual(
    ["bot:1", "user:bob", "user:anne"].map((user) => ask(before, tuples, `doc:1#viewer@${user}`)),
    [true, true, true],
  );
  assert.deepEqual(
    ["bot:1", "user:bob", "user:anne"].map((user) => ask(after, tuples, `doc:1#viewer@${user}`)),
    [false, false, true],
  );
  const listed = listUsers(
    { model: after, tuples: storeOf(...tuples) },
    { object: "doc:1", relation: "viewer", filter: { type: "user" } },
  );
  assert.deepEqual(formatUsers(listed), ["user:anne"]);
});

for (const id of ["CVE-2023-35933", "CVE-2023-43645"]) {
  test(`${id}: models and tuples in a circle are refused or answered within a second`, () => {
    const started = cpuMs();
    for (let size = 2; size < 52; size++) {
      const relations = Array.from({ length: size }, (_, i) => `    define r${i}: r${(i + 1) % size}`).join(
        "\n",
      );
      assert.throws(
        () => modelOf(`type user\ntype doc\n  relations\n${relations}`),
        fgaError("invalid_authorization_model", /potential loop$/),
      );
    }
    const model = modelOf(
      "type user\ntype group\n  relations\n    define blocked: [user, group#member]\n    define member: [user, group#member] but not blocked",
    );
    const circle = Array.from({ length: 20 }, (_, i) => [
      `group:${i}#member@group:${(i + 1) % 20}#member`,
      `group:${i}#blocked@group:${i}#member`,
    ]).flat();
    assert.equal(ask(model, circle, "group:0#member@user:anne"), false);
    assert.ok(cpuMs() - started < 10_000);
  });
}

test("CVE-2023-40579: listObjects with a from lists no object that a check refuses", () => {
  const tuples = [
    "doc:1#parent@folder:a",
    "doc:2#parent@folder:b",
    "folder:a#viewer@user:anne",
    "doc:3#viewer@user:anne",
  ];
  const listed = listObjects(
    { model: parents, tuples: storeOf(...tuples) },
    { type: "doc", relation: "viewer", user: "user:anne" },
  );
  assert.deepEqual(listed.objects, ["doc:1"]);
});

test("CVE-2024-31452: exclusions and intersections below each other deny whom they exclude", () => {
  const model = modelOf(`type user
type doc
  relations
    define owner: [user]
    define blocked: [user]
    define member: [user]
    define reader: member but not blocked
    define viewer: reader and owner
    define other: owner but not reader`);
  const tuples = ["doc:1#owner@user:anne", "doc:1#member@user:anne", "doc:1#blocked@user:anne"];
  assert.equal(ask(model, tuples, "doc:1#viewer@user:anne"), false);
  assert.equal(ask(model, tuples, "doc:1#other@user:anne"), true);
  assert.deepEqual(
    listObjects({ model, tuples: storeOf(...tuples) }, { type: "doc", relation: "viewer", user: "user:anne" })
      .objects,
    [],
  );
});

test("CVE-2024-42473: an exclusion of a from with a userset excludes", () => {
  const model = modelOf(`type user
type role
  relations
    define assignee: [user]
type folder
  relations
    define blocked: [user, role#assignee]
type doc
  relations
    define parent: [folder]
    define viewer: [user, role#assignee]
    define blocked: blocked from parent
    define reader: viewer but not blocked`);
  const tuples = [
    "doc:1#parent@folder:a",
    "doc:1#viewer@role:staff#assignee",
    "role:staff#assignee@user:anne",
    "folder:a#blocked@role:guests#assignee",
    "role:guests#assignee@user:anne",
  ];
  assert.equal(ask(model, tuples, "doc:1#reader@user:anne"), false);
  assert.equal(ask(model, tuples.slice(0, 4), "doc:1#reader@user:anne"), true);
});

const conditioned = modelOf(`type user
type doc
  relations
    define viewer: [user with c]
    define public: [user:* with c]
condition c(x: bool) {
  x
}`);

for (const id of ["CVE-2024-56323", "CVE-2026-33729", "CVE-2026-41131"]) {
  test(`${id}: the same check with another context is another check`, () => {
    const evaluation = { model: conditioned, tuples: storeOf(), conditions: byParameter };
    const key = tupleOf("doc:1#viewer@user:anne");
    const answer = (x: boolean): boolean =>
      check(evaluation, { ...key, contextualTuples: [tupleOf("doc:1#viewer@user:anne with c", { x })] });
    assert.deepEqual([answer(true), answer(false), answer(true)], [true, false, true]);
    const stored = ["doc:1#viewer@user:anne with c"];
    assert.deepEqual(
      [true, false, true].map((x) => ask(conditioned, stored, "doc:1#viewer@user:anne", { x })),
      [true, false, true],
    );
  });
}

test("CVE-2025-25196: a public tuple does not include a userset of the same type", () => {
  const model = modelOf(
    "type user\n  relations\n    define friend: [user]\ntype doc\n  relations\n    define viewer: [user:*, user#friend]",
  );
  assert.equal(ask(model, ["doc:1#viewer@user:*"], "doc:1#viewer@user:anne#friend"), false);
  assert.equal(ask(model, ["doc:1#viewer@user:*"], "doc:1#viewer@user:anne"), true);
  assert.equal(ask(model, ["doc:1#viewer@user:anne#friend"], "doc:1#viewer@user:anne#friend"), true);
});

test("CVE-2025-46331: what a circle answered on one path is not kept for another", () => {
  const model = modelOf(`type user
type doc
  relations
    define granted: [user]
    define first: [user, doc#second] and granted
    define second: [user, doc#first] and granted
    define either: first or second
    define swapped: second or first`);
  const tuples = [
    "doc:1#granted@user:anne",
    "doc:1#first@doc:1#second",
    "doc:1#second@doc:1#first",
    "doc:1#second@user:anne",
  ];
  for (const relation of ["first", "second", "either", "swapped"]) {
    assert.equal(ask(model, tuples, `doc:1#${relation}@user:anne`), true, relation);
  }
  assert.equal(ask(model, tuples, "doc:1#either@user:bob"), false);
});

test("CVE-2025-48371: a contextual tuple outside the type restrictions is refused", () => {
  const model = modelOf(
    "type user\ntype group\n  relations\n    define member: [user]\n    define owner: [user]\ntype doc\n  relations\n    define viewer: [group#member]",
  );
  const contextualTuples = [tupleOf("doc:1#viewer@group:1#owner"), tupleOf("group:1#owner@user:anne")];
  assert.throws(
    () => check({ model, tuples: storeOf() }, { ...tupleOf("doc:1#viewer@user:anne"), contextualTuples }),
    fgaError("invalid_tuple"),
  );
});

test("CVE-2025-55213: usersets of one type are told apart by their relation", () => {
  const model = modelOf(
    "type user\ntype group\n  relations\n    define member: [user]\n    define owner: [user]\ntype doc\n  relations\n    define viewer: [group#member, group#owner]",
  );
  const tuples = ["doc:1#viewer@group:1#member", "group:1#owner@user:anne", "doc:2#viewer@group:1#owner"];
  assert.equal(ask(model, tuples, "doc:1#viewer@user:anne"), false);
  assert.equal(ask(model, tuples, "doc:2#viewer@user:anne"), true);
});

test("CVE-2025-64751: a public tuple without condition is not read where the model wants one", () => {
  assert.throws(
    () => validateTuple(conditioned, tupleOf("doc:1#public@user:*")),
    fgaError("validation_error", /condition is missing$/),
  );
  assert.equal(ask(conditioned, ["doc:1#public@user:*"], "doc:1#public@user:anne", { x: true }), false);
  assert.equal(ask(conditioned, ["doc:1#public@user:* with c"], "doc:1#public@user:anne", { x: true }), true);
});

test("CVE-2026-24851: renaming objects renames answers and changes none", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9]{1,4}$/), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(worlds, names, ({ model, tuples, users, context }, [a = "", b = "", c = ""]) => {
      const to: Record<string, string> = { 1: a, 2: b, 3: c };
      const rename = (text: string): string => text.replace(/:([123])/g, (_, id: string) => `:${to[id]}`);
      const [store, renamed] = [createMemoryTuples(), createMemoryTuples()];
      for (const tuple of tuples) {
        store.add(tuple);
        renamed.add({ ...tuple, object: rename(tuple.object), user: rename(tuple.user) });
      }
      for (const user of users) {
        const request = { type: "doc", relation: "d", context };
        const before = outcomeOf(() =>
          listObjects({ model, tuples: store, conditions: byParameter }, { ...request, user })
            .objects.map(rename)
            .sort(),
        );
        const after = outcomeOf(() =>
          listObjects(
            { model, tuples: renamed, conditions: byParameter },
            { ...request, user: rename(user) },
          ).objects.sort(),
        );
        assert.deepEqual(after, before);
      }
    }),
    { numRuns: 100 },
  );
});

for (const id of ["CVE-2026-34972", "CVE-2026-48096"]) {
  test(`${id}: ids that hold separators are told apart`, () => {
    const model = modelOf("type user\ntype doc\n  relations\n    define a: [user]\n    define b: [user]");
    const ids = ["x", "x,y", "x|y", "x/y", "x@user", 'x"y', "x\\y", "x%00y", "x.y", "x-y", "x_y"];
    for (const object of ids) {
      for (const user of ids) {
        const tuples = [`doc:${object}#a@user:${user}`];
        const allowed = ids.flatMap((o) =>
          ids.flatMap((u) => (ask(model, tuples, `doc:${o}#a@user:${u}`) ? [`${o} ${u}`] : [])),
        );
        assert.deepEqual(allowed, [`${object} ${user}`]);
      }
    }
  });
}

test("CVE-2026-55170: ids are compared byte by byte: case, accents and forms of Unicode differ", () => {
  const ids = ["a", "A", "á", "a\u0301", "ａ", "ß", "ss", "i", "İ", "ı"];
  for (const id of ids) {
    const granted = ids.filter((other) =>
      ask(parents, [`folder:${id}#viewer@user:x`], `folder:${other}#viewer@user:x`),
    );
    assert.deepEqual(granted, [id]);
  }
});

for (const id of ["CVE-2022-21646", "CVE-2023-35930", "CVE-2024-32001", "CVE-2025-65111"]) {
  test(`${id} (SpiceDB): a list with a wildcard below holds everything that a check allows`, () => {
    const model = modelOf(
      "type user\ntype group\n  relations\n    define member: [user, user:*]\ntype doc\n  relations\n    define blocked: [user, user:*, group#member]\n    define viewer: [user, group#member] but not blocked",
    );
    const tuples = storeOf(
      "doc:1#viewer@group:all#member",
      "group:all#member@user:*",
      "doc:2#viewer@user:anne",
      "doc:2#blocked@group:all#member",
      "doc:3#viewer@user:anne",
      "doc:4#blocked@user:anne",
      "doc:4#viewer@group:all#member",
    );
    for (const user of ["user:anne", "user:bob", "user:*", "group:all#member"]) {
      const expected = ["doc:1", "doc:2", "doc:3", "doc:4"].filter((object) =>
        check({ model, tuples }, { object, relation: "viewer", user }),
      );
      assert.deepEqual(
        listObjects({ model, tuples }, { type: "doc", relation: "viewer", user }).objects.sort(),
        expected,
        user,
      );
    }
  });
}

test("CVE-2024-27101 (SpiceDB): no element is missed at sizes around powers of two", () => {
  const model = modelOf(
    "type user\ntype group\n  relations\n    define member: [user]\ntype doc\n  relations\n    define viewer: [group#member]",
  );
  for (const size of [1, 2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65_535, 65_536, 65_537]) {
    const tuples = storeOf("group:1#member@user:anne");
    for (let i = 0; i < size; i++) tuples.add(tupleOf(`doc:${i}#viewer@group:1#member`));
    const { objects } = listObjects(
      { model, tuples },
      { type: "doc", relation: "viewer", user: "user:anne" },
    );
    assert.equal(new Set(objects).size, size);
  }
});

for (const id of ["CVE-2024-38361", "CVE-2024-46989", "CVE-2024-48909", "CVE-2025-49011"]) {
  test(`${id} (SpiceDB): several conditioned branches are all asked`, () => {
    const model = modelOf(`type user
type group
  relations
    define member: [user]
type doc
  relations
    define blocked: [user with c]
    define viewer: [group#member with c] but not blocked
condition c(x: bool) {
  x
}`);
    const tuples = createMemoryTuples();
    tuples.add(tupleOf("doc:1#viewer@group:1#member with c", { x: false }));
    tuples.add(tupleOf("doc:1#viewer@group:2#member with c", { x: true }));
    for (const group of [1, 2]) tuples.add(tupleOf(`group:${group}#member@user:anne`));
    const evaluation = { model, tuples, conditions: byParameter };
    assert.equal(check(evaluation, tupleOf("doc:1#viewer@user:anne")), true);
    tuples.add(tupleOf("doc:1#blocked@user:anne with c", { x: true }));
    assert.equal(check(evaluation, tupleOf("doc:1#viewer@user:anne")), false);
  });
}

function outcomeOf<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (FgaError.is(error)) return error.code;
    throw error;
  }
}
