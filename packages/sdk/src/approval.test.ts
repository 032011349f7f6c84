import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { AsyncAuthorizationOptions } from "./approval.ts";
import { getAsyncAuthorizationCredentials, runWithContext } from "./context.ts";
import { BehalfError } from "./errors.ts";
import { Interrupt, type InterruptCode } from "./interrupt.ts";
import { createMemoryStore, type Store } from "./store.ts";
import { createSqliteStore } from "./stores/sqlite.ts";
import {
  asAnne,
  BACKCHANNEL,
  behalfOf,
  manualClock,
  type Peer,
  type PeerRequest,
  startPeer,
  TOKEN,
} from "./testing.ts";

interface Purchase {
  item: string;
  amount: number;
}

const purchase: Purchase = { item: "kettle", amount: 39.9 };
const run = { toolCallId: "call-1" };
const options: AsyncAuthorizationOptions<Purchase, unknown> = {
  toolName: "buy",
  scopes: ["orders:create"],
  audience: "https://shop.example",
  bindingMessage: ({ item }) => `Buy ${item}`,
};
const pending = { status: 400, body: { error: "authorization_pending" } };

/** A peer that has opened one request, and says it is pending. */
async function startApprovals(t: TestContext): Promise<Peer> {
  return startPeer(t, {
    [BACKCHANNEL]: { body: { auth_req_id: "secret-request-id", expires_in: 300, interval: 5 } },
    [TOKEN]: pending,
  });
}

/** The user's yes, with the details as they were asked for. */
function approve(peer: Peer, details?: unknown): void {
  const asked = peer.to(BACKCHANNEL)[0]?.form.get("authorization_details") ?? "[]";
  peer.answer(TOKEN, {
    body: {
      access_token: "approved-token",
      token_type: "Bearer",
      expires_in: 300,
      scope: "openid orders:create",
      authorization_details: details ?? JSON.parse(asked),
    },
  });
}

async function interrupted(promise: Promise<unknown>, code: InterruptCode): Promise<Interrupt> {
  const error = await promise.then(
    () => assert.fail("the tool ran"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Interrupt, String(error));
  assert.equal(error.code, code);
  return error;
}

test("the first run asks the user and interrupts, with the request named but not given away", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer, { clock: manualClock() }).withAsyncAuthorization(options, () => "bought");
  const interrupt = await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  const { approval, toolCall, message } = interrupt.toJSON();
  assert.match(approval?.id ?? "", /^[\w-]{22}$/);
  assert.equal(approval?.expiresAt, "2026-01-01T00:05:00.000Z");
  assert.equal(approval?.intervalSeconds, 5);
  assert.deepEqual(toolCall, { id: "call-1", name: "buy" });
  assert.equal(message, "Waiting for your approval of this action.");
  assert.doesNotMatch(JSON.stringify(interrupt), /secret-request-id/);
});

test("the request carries the call itself as its detail, and what published SDKs send", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  const form = Object.fromEntries(peer.to(BACKCHANNEL)[0]?.form ?? []);
  const { authorization_details: details, login_hint: hint, ...rest } = form;
  assert.deepEqual(JSON.parse(details ?? ""), [{ type: "tool_call", tool: "buy", arguments: purchase }]);
  assert.deepEqual(JSON.parse(hint ?? ""), { format: "iss_sub", iss: peer.issuer, sub: "user:anne" });
  assert.deepEqual(rest, {
    scope: "openid orders:create",
    audience: "https://shop.example",
    binding_message: "Buy kettle",
    requested_expiry: "300",
    client_id: "agent",
    client_secret: "test-client-secret-with-more-than-256-bits-of-it",
  });
});

test("details of the API's own types, another user and another expiry are sent as given", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(
    {
      ...options,
      userId: () => "user:boss",
      requestedExpirySeconds: 3600,
      authorizationDetails: ({ amount }) => [{ type: "purchase", amount }],
    },
    () => "bought",
  );
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  const form = peer.to(BACKCHANNEL)[0]?.form;
  assert.deepEqual(JSON.parse(form?.get("authorization_details") ?? ""), [
    { type: "purchase", amount: 39.9 },
  ]);
  assert.equal(JSON.parse(form?.get("login_hint") ?? "").sub, "user:boss");
  assert.equal(form?.get("requested_expiry"), "3600");
});

test("a detail without a type is refused before anybody is asked", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(
    { ...options, authorizationDetails: () => [{ amount: 1 }] },
    () => "bought",
  );
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "config.invalid", message: /object with a type/ },
  );
  assert.equal(peer.requests.length, 0);
});

test("a repeated run polls for the same request and asks nobody again", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  assert.equal(peer.to(BACKCHANNEL).length, 1);
  const form = peer.to(TOKEN)[0]?.form;
  assert.equal(form?.get("grant_type"), "urn:openid:params:grant-type:ciba");
  assert.equal(form?.get("auth_req_id"), "secret-request-id");
});

test("concurrent first runs of one call ask once", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  const runs = Array.from({ length: 5 }, () =>
    interrupted(
      asAnne(() => tool(purchase, run)),
      "approval.pending",
    ),
  );
  await Promise.all(runs);
  assert.equal(peer.to(BACKCHANNEL).length, 1);
});

test("once approved the tool runs with what the user approved", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer, { clock: manualClock() }).withAsyncAuthorization(options, () =>
    getAsyncAuthorizationCredentials(),
  );
  const interrupt = await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  assert.deepEqual(await asAnne(() => tool(purchase, run)), {
    accessToken: "approved-token",
    tokenType: "Bearer",
    scopes: ["openid", "orders:create"],
    expiresAt: "2026-01-01T00:05:00.000Z",
    authorizationDetails: [{ type: "tool_call", tool: "buy", arguments: purchase }],
    approvalId: interrupt.toJSON().approval?.id,
  });
});

test("the order of members makes no difference between what was approved and what runs", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer, [{ arguments: { amount: 39.9, item: "kettle" }, tool: "buy", type: "tool_call" }]);
  assert.equal(await asAnne(() => tool(purchase, run)), "bought");
});

test("approved details that differ from the call in anything are refused, and the tool does not run", async (t) => {
  const detail = { type: "tool_call", tool: "buy", arguments: purchase };
  const others: unknown[] = [
    [],
    [detail, detail],
    [{ ...detail, tool: "sell" }],
    [{ ...detail, type: "tool_calls" }],
    [{ ...detail, extra: true }],
    [{ ...detail, arguments: { ...purchase, amount: 39.91 } }],
    [{ ...detail, arguments: { ...purchase, amount: "39.9" } }],
    [{ ...detail, arguments: { ...purchase, item: "kettl\u0435" } }],
    [{ ...detail, arguments: { ...purchase, to: "elsewhere" } }],
    [{ ...detail, arguments: { item: "kettle" } }],
    "not a list",
    null,
  ];
  for (const other of others) {
    const peer = await startApprovals(t);
    let ran = false;
    const tool = behalfOf(peer).withAsyncAuthorization(options, () => {
      ran = true;
    });
    await interrupted(
      asAnne(() => tool(purchase, run)),
      "approval.pending",
    );
    approve(peer, other === null ? "" : other);
    await assert.rejects(
      asAnne(() => tool(purchase, run)),
      { code: "approval.arguments_changed" },
    );
    assert.equal(ran, false, JSON.stringify(other));
  }
});

test("a call whose arguments changed while the user was asked is refused before its approval is fetched", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  await assert.rejects(
    asAnne(() => tool({ ...purchase, amount: 3990 }, run)),
    { code: "approval.arguments_changed" },
  );
  assert.equal(peer.to(TOKEN).length, 0);
  assert.equal(await asAnne(() => tool(purchase, run)), "bought");
});

test("a call that has finished returns its result again and does not run again", async (t) => {
  const peer = await startApprovals(t);
  let runs = 0;
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => {
    runs += 1;
    return { order: runs };
  });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  const results = await Promise.all(Array.from({ length: 5 }, () => asAnne(() => tool(purchase, run))));
  assert.deepEqual(
    results,
    Array.from({ length: 5 }, () => ({ order: 1 })),
  );
  assert.equal(runs, 1);
  assert.equal(peer.to(TOKEN).length, 1);
});

test("a result too large to keep is returned once; the call still does not run again", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "x".repeat(70_000));
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  assert.equal(String(await asAnne(() => tool(purchase, run))).length, 70_000);
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "call.already_done" },
  );
});

test("a tool that fails spends its approval", async (t) => {
  const peer = await startApprovals(t);
  let runs = 0;
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => {
    runs += 1;
    throw new Error("the shop answered 500");
  });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { message: "the shop answered 500" },
  );
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "call.already_failed" },
  );
  assert.equal(runs, 1);
});

test("a failure that time repairs, and an interrupt inside, keep the approval for the next run", async (t) => {
  const peer = await startApprovals(t);
  const failures: unknown[] = [
    new BehalfError("vault.provider_unavailable", "later", { retryable: true }),
    new Interrupt({
      code: "vault.not_connected",
      message: "m",
      resumeId: "r",
      toolCall: { id: "1", name: "buy" },
    }),
  ];
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => {
    const failure = failures.shift();
    if (failure) throw failure;
    return getAsyncAuthorizationCredentials().accessToken;
  });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "vault.provider_unavailable" },
  );
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "vault.not_connected",
  );
  assert.equal(await asAnne(() => tool(purchase, run)), "approved-token");
  assert.equal(peer.to(TOKEN).length, 1);
});

test("no, too late, used and unknown are four final errors that are remembered", async (t) => {
  const cases = [
    ["access_denied", "approval.denied"],
    ["access_denied", "approval.expired"],
    ["invalid_grant", "approval.redeemed"],
    ["invalid_grant", "approval.unknown"],
  ];
  for (const [error, code] of cases) {
    const peer = await startApprovals(t);
    const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
    await interrupted(
      asAnne(() => tool(purchase, run)),
      "approval.pending",
    );
    peer.answer(TOKEN, { status: 400, body: { error, code } });
    for (let i = 0; i < 2; i += 1) {
      await assert.rejects(
        asAnne(() => tool(purchase, run)),
        { name: "BehalfError", code, retryable: false },
      );
    }
    assert.equal(peer.to(BACKCHANNEL).length, 1);
    assert.equal(peer.to(TOKEN).length, 1);
  }
});

test("an approval that was refused becomes a result when the tool is told how", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(
    { ...options, onUnauthorized: (error, { item }) => `${item}: ${error.code}` },
    () => "bought",
  );
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  peer.answer(TOKEN, { status: 400, body: { error: "access_denied", code: "approval.denied" } });
  assert.equal(await asAnne(() => tool(purchase, run)), "kettle: approval.denied");
});

test("a poll that came too soon is an interrupt of its own that says how long to wait", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  peer.answer(TOKEN, { status: 400, headers: { "retry-after": "11" }, body: { error: "slow_down" } });
  const told = await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.polled_too_fast",
  );
  assert.equal(told.toJSON().approval?.intervalSeconds, 11);
  peer.answer(TOKEN, { status: 400, body: { error: "slow_down" } });
  const untold = await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.polled_too_fast",
  );
  assert.equal(untold.toJSON().approval?.intervalSeconds, 10);
});

test("a server that is down while the user decides changes nothing", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  peer.answer(TOKEN, { status: 503, body: { error: "server_error" } });
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "server.unavailable", retryable: true },
  );
  approve(peer);
  assert.equal(await asAnne(() => tool(purchase, run)), "bought");
});

test("a request that the server refuses to open is an error under its code, and the next run asks again", async (t) => {
  const peer = await startApprovals(t);
  const refusal = { error: "access_denied", code: "approval.too_many", retry_after_seconds: 60 };
  peer.answer(BACKCHANNEL, { status: 400, body: refusal });
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "approval.too_many", retryable: true, retryAfterSeconds: 60 },
  );
  peer.answer(BACKCHANNEL, { body: { auth_req_id: "secret-request-id", expires_in: 300 } });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
});

test("a call of another user, thread, id, tool, client or issuer is another call", async (t) => {
  const peer = await startApprovals(t);
  const store = createMemoryStore();
  const toolOf = (overrides = {}, toolOptions = {}) =>
    behalfOf(peer, { store, ...overrides }).withAsyncAuthorization(
      { ...options, ...toolOptions },
      () => "bought",
    );
  const inThread = (userId: string, threadId: string, toolCallId = "call-1", tool = toolOf()) =>
    interrupted(
      runWithContext({ userId, threadId }, () => tool(purchase, { toolCallId })),
      "approval.pending",
    );
  await inThread("user:anne", "thread-1");
  await inThread("user:bob", "thread-1");
  await inThread("user:anne", "thread-2");
  await inThread("user:anne", "thread-1", "call-2");
  await inThread("user:anne", "thread-1", "call-1", toolOf({}, { toolName: "sell" }));
  await inThread("user:anne", "thread-1", "call-1", toolOf({ clientId: "other" }));
  assert.equal(peer.to(BACKCHANNEL).length, 6);
  assert.equal(peer.to(TOKEN).length, 0);
});

test("ids that only together look alike do not share state", async (t) => {
  const peer = await startApprovals(t);
  const tool = behalfOf(peer).withAsyncAuthorization(options, () => "bought");
  const call = (userId: string, threadId: string) =>
    interrupted(
      runWithContext({ userId, threadId }, () => tool(purchase, run)),
      "approval.pending",
    );
  await call("a", "b:c");
  await call("a:b", "c");
  await call('a","b', "c");
  assert.equal(peer.to(BACKCHANNEL).length, 3);
});

async function temporaryPath(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "behalf-approval-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "store.db");
}

test("after a restart the pending request is found again, and what the file holds is sealed", async (t) => {
  const peer = await startApprovals(t);
  const path = await temporaryPath(t);
  const before = createSqliteStore({ path });
  const first = behalfOf(peer, { store: before }).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => first(purchase, run)),
    "approval.pending",
  );
  before.close();
  const bytes = await readFile(path, "latin1");
  for (const secret of ["secret-request-id", "kettle", "user:anne", "thread-1"]) {
    assert.equal(bytes.includes(secret), false, secret);
  }
  approve(peer);
  const after = createSqliteStore({ path });
  t.after(() => after.close());
  const second = behalfOf(peer, { store: after }).withAsyncAuthorization(options, () => "bought");
  assert.equal(await asAnne(() => second(purchase, run)), "bought");
  assert.equal(peer.to(BACKCHANNEL).length, 1);
});

test("the pending request is stored before the interrupt is raised, the token before the tool runs", async (t) => {
  const peer = await startApprovals(t);
  const memory = createMemoryStore();
  const order: string[] = [];
  const store: Store = {
    ...memory,
    put(key, ...rest) {
      if (!key.endsWith(":lease")) order.push("put");
      return memory.put(key, ...rest);
    },
  };
  const tool = behalfOf(peer, { store }).withAsyncAuthorization(options, () => void order.push("tool"));
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  order.push("interrupt");
  approve(peer);
  await asAnne(() => tool(purchase, run));
  assert.deepEqual(order, ["put", "interrupt", "put", "tool", "put"]);
});

test("a store that cannot take the token keeps the tool from running", async (t) => {
  const peer = await startApprovals(t);
  const memory = createMemoryStore();
  let broken = false;
  const store: Store = {
    ...memory,
    async put(key, ...rest) {
      if (broken && !key.endsWith(":lease")) throw new Error("disk full");
      return memory.put(key, ...rest);
    },
  };
  let ran = false;
  const tool = behalfOf(peer, { store }).withAsyncAuthorization(options, () => {
    ran = true;
  });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  broken = true;
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { message: "disk full" },
  );
  assert.equal(ran, false);
});

test("state sealed with a key that is no longer known fails the call and asks nobody", async (t) => {
  const peer = await startApprovals(t);
  const store = createMemoryStore();
  const old = behalfOf(peer, { store }).withAsyncAuthorization(options, () => "bought");
  await interrupted(
    asAnne(() => old(purchase, run)),
    "approval.pending",
  );
  const storeKey = "another-store-key-of-more-than-32-characters";
  const rotated = behalfOf(peer, { store, storeKey }).withAsyncAuthorization(options, () => "bought");
  await assert.rejects(
    asAnne(() => rotated(purchase, run)),
    { code: "store.unreadable" },
  );
  assert.equal(peer.to(BACKCHANNEL).length, 1);
});

test("an approval whose token has ended before the tool could run is too late", async (t) => {
  const peer = await startApprovals(t);
  const clock = manualClock();
  const failures = [new BehalfError("vault.provider_unavailable", "later", { retryable: true })];
  const tool = behalfOf(peer, { clock }).withAsyncAuthorization(options, () => {
    const failure = failures.shift();
    if (failure) throw failure;
    return "bought";
  });
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  approve(peer);
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "vault.provider_unavailable" },
  );
  clock.advance(301);
  await assert.rejects(
    asAnne(() => tool(purchase, run)),
    { code: "approval.expired" },
  );
});

test("an approval around the vault keeps its answer while the user connects an account", async (t) => {
  const peer = await startApprovals(t);
  const approvals = (request: PeerRequest) =>
    request.form.get("grant_type") === "urn:openid:params:grant-type:ciba";
  const behalf = behalfOf(peer);
  const vaulted = behalf.withTokenVault<Purchase, unknown>(
    { toolName: "buy", connection: "shop", scopes: [], refreshToken: () => "refresh-1" },
    () => "bought",
  );
  const tool = behalf.withAsyncAuthorization(options, vaulted);
  await interrupted(
    asAnne(() => tool(purchase, run)),
    "approval.pending",
  );
  const details = JSON.parse(peer.to(BACKCHANNEL)[0]?.form.get("authorization_details") ?? "");
  let connected = false;
  peer.answer(TOKEN, (request) => {
    if (approvals(request))
      return { body: { access_token: "at", expires_in: 300, authorization_details: details } };
    if (connected) return { body: { access_token: "provider-token", expires_in: 60 } };
    return { status: 401, body: { error: "interaction_required", code: "vault.not_connected" } };
  });
  const interrupt = await interrupted(
    asAnne(() => tool(purchase, run)),
    "vault.not_connected",
  );
  assert.deepEqual(interrupt.toJSON().toolCall, { id: "call-1", name: "buy" });
  connected = true;
  assert.equal(await asAnne(() => tool(purchase, run)), "bought");
  assert.equal(peer.to(TOKEN).filter(approvals).length, 1);
});
