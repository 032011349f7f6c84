import assert from "node:assert/strict";
import { test } from "node:test";
import { getAccessTokenFromTokenVault, getCredentialsFromTokenVault, runWithContext } from "./context.ts";
import { tokenRejected } from "./errors.ts";
import { Interrupt, type InterruptData } from "./interrupt.ts";
import { createMemoryStore } from "./store.ts";
import { asAnne, behalfOf, DISCOVERY, manualClock, startPeer, TOKEN } from "./testing.ts";

const granted = (scope: string) => ({
  body: { access_token: "provider-token", token_type: "Bearer", expires_in: 600, scope },
});
const options = {
  toolName: "listEvents",
  connection: "calendar",
  scopes: ["events.read", "events.write"],
  refreshToken: () => "refresh-1",
};
const run = { toolCallId: "call-1" };

async function interruptOf(promise: Promise<unknown>): Promise<InterruptData> {
  const error = await promise.then(
    () => assert.fail("the tool ran"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Interrupt, String(error));
  return error.toJSON();
}

test("a protected tool runs with the token that the server gave for its user and connection", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const clock = manualClock();
  const tool = behalfOf(peer, { clock }).withTokenVault(options, (day: string) => ({
    day,
    credentials: getCredentialsFromTokenVault(),
  }));
  assert.deepEqual(await asAnne(() => tool("monday", run)), {
    day: "monday",
    credentials: {
      connection: "calendar",
      accessToken: "provider-token",
      tokenType: "Bearer",
      scopes: ["events.read", "events.write"],
      expiresAt: "2026-01-01T00:10:00.000Z",
    },
  });
});

test("the exchange is the request that Auth0's servers take, with a form and the secret in the body", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const tool = behalfOf(peer).withTokenVault({ ...options, loginHint: () => "w1" }, () => "ran");
  await asAnne(() => tool(null, run));
  const [request] = peer.to(TOKEN);
  assert.equal(request?.headers["content-type"], "application/x-www-form-urlencoded;charset=UTF-8");
  assert.deepEqual(Object.fromEntries(request?.form ?? []), {
    grant_type: "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
    requested_token_type: "http://auth0.com/oauth/token-type/federated-connection-access-token",
    subject_token_type: "urn:ietf:params:oauth:token-type:refresh_token",
    subject_token: "refresh-1",
    connection: "calendar",
    login_hint: "w1",
    scope: "events.read events.write",
    client_id: "agent",
    client_secret: "test-client-secret-with-more-than-256-bits-of-it",
  });
});

test("an access token is exchanged under its own type, and no scopes are sent when none are needed", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("") });
  const { refreshToken: _, ...rest } = options;
  const tool = behalfOf(peer).withTokenVault({ ...rest, scopes: [], accessToken: () => "at-1" }, () => "ran");
  assert.equal(await asAnne(() => tool(null, run)), "ran");
  const form = peer.to(TOKEN)[0]?.form;
  assert.equal(form?.get("subject_token_type"), "urn:ietf:params:oauth:token-type:access_token");
  assert.equal(form?.get("subject_token"), "at-1");
  assert.equal(form?.has("scope"), false);
});

test("each call exchanges once and nothing is kept between calls", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const written: string[] = [];
  const memory = createMemoryStore();
  const store = {
    ...memory,
    put: (...put: Parameters<typeof memory.put>) => {
      written.push(put[1]);
      return memory.put(...put);
    },
  };
  const tool = behalfOf(peer, { store }).withTokenVault(options, () => "ran");
  await asAnne(() => tool(null, run));
  await asAnne(() => tool(null, run));
  assert.equal(peer.to(TOKEN).length, 2);
  assert.deepEqual(written, []);
});

test("discovery is fetched once for concurrent calls", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  await asAnne(() => Promise.all(["1", "2", "3"].map((toolCallId) => tool(null, { toolCallId }))));
  assert.equal(peer.to(DISCOVERY).length, 1);
});

test("an account that is not connected is an interrupt that says what to connect", async (t) => {
  const body = { error: "interaction_required", code: "vault.not_connected" };
  const peer = await startPeer(t, { [TOKEN]: { status: 401, body } });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  const { resumeId, ...rest } = await interruptOf(asAnne(() => tool(null, run)));
  assert.match(resumeId, /^[\w-]{43}$/);
  assert.deepEqual(rest, {
    name: "BEHALF_INTERRUPT",
    code: "vault.not_connected",
    message: "Connect your account at calendar to go on.",
    connection: "calendar",
    scopes: ["events.read", "events.write"],
    requiredScopes: ["events.read", "events.write"],
    toolCall: { id: "call-1", name: "listEvents" },
  });
});

test("a token that the provider granted less than asked for is not given to the tool", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("profile,events.read") });
  let ran = false;
  const tool = behalfOf(peer).withTokenVault(options, () => (ran = true));
  const interrupt = await interruptOf(asAnne(() => tool(null, run)));
  assert.equal(interrupt.code, "vault.scope_missing");
  assert.deepEqual(interrupt.requiredScopes, ["profile", "events.read", "events.write"]);
  assert.equal(ran, false);
});

test("scopes that the server misses are asked for once each, beside the tool's own", async (t) => {
  const body = { error: "consent_required", code: "vault.scope_missing", scopes: ["events.write"] };
  const peer = await startPeer(t, { [TOKEN]: { status: 401, body } });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  const interrupt = await interruptOf(asAnne(() => tool(null, run)));
  assert.deepEqual(interrupt.requiredScopes, ["events.write", "events.read"]);
});

test("several accounts are an interrupt that lists them", async (t) => {
  const accounts = [{ id: "cac_1", label: "anne@work.example", login_hint: "w1" }];
  const body = { error: "account_selection_required", code: "vault.account_ambiguous", accounts };
  const peer = await startPeer(t, { [TOKEN]: { status: 401, body } });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  const interrupt = await interruptOf(asAnne(() => tool(null, run)));
  assert.deepEqual(interrupt.accounts, [{ id: "cac_1", label: "anne@work.example", loginHint: "w1" }]);
});

test("a user without a token must log in, and the server is not asked", async (t) => {
  const peer = await startPeer(t);
  const tool = behalfOf(peer).withTokenVault({ ...options, refreshToken: () => undefined }, () => "ran");
  const interrupt = await interruptOf(asAnne(() => tool(null, run)));
  assert.equal(interrupt.code, "login.required");
  assert.equal(peer.requests.length, 0);
});

test("a provider that refuses the fresh token makes the account a broken one", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const tool = behalfOf(peer).withTokenVault(options, () => {
    throw tokenRejected();
  });
  const interrupt = await interruptOf(asAnne(() => tool(null, run)));
  assert.equal(interrupt.code, "vault.account_broken");
  assert.equal(peer.to(TOKEN).length, 1);
});

test("an error of the tool itself passes through unchanged", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const mine = new Error("the tool's own");
  const tool = behalfOf(peer).withTokenVault(options, () => {
    throw mine;
  });
  await assert.rejects(
    asAnne(() => tool(null, run)),
    (error) => error === mine,
  );
});

test("failures that the user cannot repair are errors with a code, not interrupts", async (t) => {
  const peer = await startPeer(t);
  const tool = behalfOf(peer, { timeoutMs: 300 }).withTokenVault(options, () => "ran");
  const cases: [Parameters<typeof peer.answer>[1], code: string, retryable: boolean][] = [
    [
      { status: 403, body: { error: "unauthorized_client", code: "vault.agent_not_allowed" } },
      "vault.agent_not_allowed",
      false,
    ],
    [
      { status: 503, body: { error: "x", code: "vault.provider_unavailable" } },
      "vault.provider_unavailable",
      true,
    ],
    [{ status: 401, body: { error: "invalid_client" } }, "oauth.invalid_client", false],
    [{ status: 200, body: "<html>" }, "server.bad_answer", false],
    [{ status: 502, body: "<html>" }, "server.bad_answer", true],
    [{ status: 200, body: {} }, "server.bad_answer", false],
    [{ status: 302, headers: { location: "/elsewhere" }, body: {} }, "server.bad_answer", false],
    [{ status: 200, body: "x".repeat(3 * 1024 * 1024) }, "server.bad_answer", false],
    [() => new Promise(() => {}), "network.timeout", true],
  ];
  for (const [answer, code, retryable] of cases) {
    peer.answer(TOKEN, answer);
    await assert.rejects(
      asAnne(() => tool(null, run)),
      { name: "BehalfError", code, retryable },
    );
  }
});

test("a server that cannot be reached is an error that may be retried", async () => {
  const tool = behalfOf({ issuer: "http://127.0.0.1:9/" }).withTokenVault(options, () => "ran");
  await assert.rejects(
    asAnne(() => tool(null, run)),
    { code: "network.unreachable", retryable: true },
  );
});

test("discovery that names another issuer is refused, and a failed discovery is tried again", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("events.read events.write") });
  const good = {
    body: {
      issuer: peer.issuer,
      authorization_endpoint: `${peer.issuer}a`,
      token_endpoint: `${peer.issuer}oauth/token`,
      jwks_uri: `${peer.issuer}j`,
    },
  };
  peer.answer(DISCOVERY, { body: { ...good.body, issuer: peer.issuer.slice(0, -1) } });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  await assert.rejects(
    asAnne(() => tool(null, run)),
    { code: "server.issuer_mismatch" },
  );
  peer.answer(DISCOVERY, good);
  assert.equal(await asAnne(() => tool(null, run)), "ran");
});

test("no error, whatever the server says, shows the secret or the user's token", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: { status: 400, body: { error: "invalid_request" } } });
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  const error = await asAnne(() => tool(null, run)).then(
    () => assert.fail("the tool ran"),
    (thrown: unknown) => thrown,
  );
  const { inspect } = await import("node:util");
  assert.doesNotMatch(inspect(error, { depth: 10 }), /test-client-secret|refresh-1/);
});

test("a call outside of any user's context does not run", async (t) => {
  const peer = await startPeer(t);
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  await assert.rejects(tool(null, run), { code: "context.missing", message: /runWithContext/ });
  assert.throws(() => runWithContext({ userId: "", threadId: "t" }, () => tool(null, run)), {
    code: "context.missing",
  });
  assert.equal(peer.requests.length, 0);
});

test("a call without an id does not run", async (t) => {
  const peer = await startPeer(t);
  const tool = behalfOf(peer).withTokenVault(options, () => "ran");
  await assert.rejects(
    asAnne(() => tool(null, { toolCallId: "" })),
    { code: "context.missing", message: "The tool listEvents was called without { toolCallId }." },
  );
});

test("a protection that does not say what the tool is called is refused when it is made", async (t) => {
  const behalf = behalfOf(await startPeer(t));
  const { toolName: _, ...unnamed } = options;
  assert.throws(() => behalf.withTokenVault(unnamed, () => "ran"), {
    code: "config.invalid",
    message: /toolName/,
  });
});

test("a protection with both kinds of user token, or none, is refused when it is made", async (t) => {
  const behalf = behalfOf(await startPeer(t));
  const { refreshToken: _, ...none } = options;
  for (const wrong of [none, { ...options, accessToken: () => "at" }]) {
    assert.throws(() => behalf.withTokenVault(wrong, () => "ran"), { code: "config.invalid" });
  }
});

test("nested protections give one tool the tokens of two connections, by name", async (t) => {
  const peer = await startPeer(t, {
    [TOKEN]: ({ form }) => ({
      body: { access_token: `token of ${form.get("connection")}`, expires_in: 60, scope: "a" },
    }),
  });
  const behalf = behalfOf(peer);
  const inner = behalf.withTokenVault({ ...options, scopes: ["a"] }, () => [
    getAccessTokenFromTokenVault("calendar"),
    getAccessTokenFromTokenVault("chat"),
  ]);
  const outer = behalf.withTokenVault(
    { connection: "chat", scopes: ["a"], refreshToken: () => "refresh-1" },
    inner,
  );
  assert.deepEqual(await asAnne(() => outer(null, run)), ["token of calendar", "token of chat"]);
});

test("a token is not handed out without saying which, when there are two", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("a") });
  const behalf = behalfOf(peer);
  const inner = behalf.withTokenVault({ ...options, scopes: ["a"] }, () => getAccessTokenFromTokenVault());
  const outer = behalf.withTokenVault({ ...options, connection: "chat", scopes: ["a"] }, inner);
  await assert.rejects(
    asAnne(() => outer(null, run)),
    { code: "context.ambiguous", message: /chat, calendar/ },
  );
});

test("a tool that calls another protected tool does not lend it its token", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: granted("a") });
  const behalf = behalfOf(peer);
  const other = behalf.withTokenVault(
    { ...options, toolName: "other", connection: "chat", scopes: ["a"] },
    () => getAccessTokenFromTokenVault("calendar"),
  );
  const tool = behalf.withTokenVault({ ...options, scopes: ["a"] }, () =>
    other(null, { toolCallId: "call-2" }),
  );
  await assert.rejects(
    asAnne(() => tool(null, run)),
    { code: "context.missing", message: /not protected by withTokenVault for the connection calendar/ },
  );
});

test("parallel calls of two users each get their own user's token", async (t) => {
  const peer = await startPeer(t, {
    [TOKEN]: ({ form }) => ({
      body: { access_token: `for ${form.get("subject_token")}`, expires_in: 60, scope: "a" },
    }),
  });
  const tool = behalfOf(peer).withTokenVault(
    { ...options, scopes: ["a"], refreshToken: (_, { userId }) => userId },
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return getAccessTokenFromTokenVault();
    },
  );
  const users = Array.from({ length: 20 }, (_, i) => `user-${i}`);
  const tokens = await Promise.all(
    users.map((userId) => runWithContext({ userId, threadId: "t" }, () => tool(null, run))),
  );
  assert.deepEqual(
    tokens,
    users.map((userId) => `for ${userId}`),
  );
});

test("a getter outside of a protected tool says so", () => {
  assert.throws(() => getAccessTokenFromTokenVault(), { code: "context.missing" });
});
