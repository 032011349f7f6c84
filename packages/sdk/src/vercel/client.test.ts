import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type InterruptData, interruptsFromMessages, repairPath } from "./client.ts";

const interrupt: InterruptData = {
  name: "BEHALF_INTERRUPT",
  code: "vault.scope_missing",
  message: "m",
  connection: "calendar",
  requiredScopes: ["events.read", "events.write"],
  resumeId: "r",
  toolCall: { id: "call-1", name: "list" },
};
const part = {
  type: "tool-listEvents",
  toolCallId: "call-1",
  state: "output-error",
  input: { day: "monday" },
  errorText: JSON.stringify(interrupt),
};
const message = (parts: { type: string }[], role = "assistant") => ({ id: "m1", role, parts });

test("interrupts are found in static and dynamic tool parts of the last message", () => {
  const dynamic = { ...part, type: "dynamic-tool", toolName: "listEvents" };
  for (const given of [part, dynamic]) {
    assert.deepEqual(interruptsFromMessages([message([{ type: "text" }, given])]), [
      { interrupt, messageId: "m1", toolCallId: "call-1", toolName: "listEvents", input: { day: "monday" } },
    ]);
  }
});

test("no interrupt is found elsewhere", () => {
  const none = [
    [],
    [message([part], "user")],
    [message([part]), message([], "user")],
    [message([{ ...part, state: "output-available" } as { type: string }])],
    [message([{ ...part, errorText: "failed" } as { type: string }])],
    [message([{ ...part, toolCallId: "call-2" } as { type: string }])],
    [message([{ ...part, type: "data-x" } as { type: string }])],
    [message([{ ...part, type: "dynamic-tool" } as { type: string }])],
  ];
  for (const messages of none) assert.deepEqual(interruptsFromMessages(messages), []);
});

test("an interrupt of the vault leads to the page that connects what is missing", () => {
  assert.equal(
    repairPath(interrupt, { returnTo: "/chat?id=7" }),
    "/auth/connect?connection=calendar&scopes=events.read&scopes=events.write&returnTo=%2Fchat%3Fid%3D7",
  );
  assert.match(repairPath(interrupt, { returnTo: "/", loginHint: "w1" }) ?? "", /login_hint=w1/);
});

test("a user who must log in is led to the login, one who is asked elsewhere or has to choose nowhere", () => {
  const { connection: _, ...rest } = interrupt;
  assert.equal(
    repairPath({ ...rest, code: "login.required" }, { returnTo: "/chat" }),
    "/auth/login?returnTo=%2Fchat",
  );
  assert.equal(repairPath({ ...rest, code: "approval.pending" }, { returnTo: "/chat" }), undefined);
  assert.equal(
    repairPath({ ...interrupt, code: "vault.account_ambiguous" }, { returnTo: "/chat" }),
    undefined,
  );
});

test("nothing that a browser lacks is imported, here or by what is imported here", async () => {
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = await readFile(file, "utf8");
    for (const [, specifier = ""] of text.matchAll(/from "([^"]+)"/g)) {
      assert.match(specifier, /^\.\.?\//, `${file} imports ${specifier}`);
      await visit(join(dirname(file), specifier));
    }
  };
  await visit(join(import.meta.dirname, "client.ts"));
  assert.equal(seen.size, 2);
});
