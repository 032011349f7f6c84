import assert from "node:assert/strict";
import { test } from "node:test";
import { Interrupt, type InterruptData, interruptFromError } from "./interrupt.ts";

const data: InterruptData = {
  name: "BEHALF_INTERRUPT",
  code: "vault.not_connected",
  message: "Connect your account at calendar to go on.",
  connection: "calendar",
  scopes: ["events.read"],
  requiredScopes: ["events.read"],
  resumeId: "resume-1",
  toolCall: { id: "call-1", name: "listEvents" },
};
const { name: _, ...given } = data;

test("an interrupt turns into the JSON that the contract names, member by member", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(new Interrupt(given))), data);
});

test("an interrupt is recognised when it is thrown and when it is plain JSON", () => {
  assert.equal(Interrupt.is(new Interrupt(given)), true);
  assert.equal(Interrupt.is(JSON.parse(JSON.stringify(data))), true);
});

test("an interrupt of another copy of this package is recognised by its mark", () => {
  const foreign = Object.assign(new Error("x"), { [Symbol.for("behalf.interrupt")]: true, data });
  assert.equal(Interrupt.is(foreign), true);
});

test("an interrupt is recognised by its code when one is asked for", () => {
  assert.equal(Interrupt.is(data, "vault.not_connected"), true);
  assert.equal(Interrupt.is(data, "approval.pending"), false);
});

test("what lacks a member that every interrupt has, or has another type there, is none", () => {
  const others: unknown[] = [
    null,
    undefined,
    "BEHALF_INTERRUPT",
    { ...data, name: "AUTH0_AI_INTERRUPT" },
    { ...data, code: "vault.provider_unavailable" },
    { ...data, code: 7 },
    { ...data, message: undefined },
    { ...data, resumeId: 1 },
    { ...data, toolCall: { id: "call-1" } },
    { ...data, toolCall: null },
    Object.assign(new Error("x"), { [Symbol.for("behalf.interrupt")]: true }),
  ];
  for (const other of others) assert.equal(Interrupt.is(other), false, JSON.stringify(other));
});

test("an interrupt is found under the causes of an error", () => {
  const error = new Error("tool failed", {
    cause: new Error("step failed", { cause: new Interrupt(given) }),
  });
  assert.deepEqual(interruptFromError(error), data);
});

test("an interrupt is found in the error text of a message", () => {
  assert.deepEqual(interruptFromError(JSON.stringify(data)), data);
});

test("no interrupt is found in ordinary errors, texts, loops of causes and overlong text", () => {
  const loop: { cause?: unknown } = {};
  loop.cause = loop;
  const long = JSON.stringify({ ...data, message: "x".repeat(70_000) });
  for (const other of [new Error("x"), "{not json", "{}", loop, long, 7]) {
    assert.equal(interruptFromError(other), undefined);
  }
});
