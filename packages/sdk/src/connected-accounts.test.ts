import assert from "node:assert/strict";
import { test } from "node:test";
import { behalfOf, startPeer } from "./testing.ts";

const ACCOUNTS = "/me/v1/connected-accounts/accounts";
const CONNECT = "/me/v1/connected-accounts/connect";
const account = (id: string) => ({
  id,
  connection: "calendar",
  scopes: ["read"],
  created_at: "2026-01-01T00:00:00Z",
});
const start = {
  connection: "calendar",
  redirectUri: "https://app.example/cb",
  state: "s",
  codeChallenge: "c",
};

test("the user's accounts are listed to the last page", async (t) => {
  const pages: Record<string, object> = {
    "": { accounts: [account("cac_1"), { ...account("cac_2"), label: "anne@work.example" }], next: "p2" },
    p2: { accounts: [account("cac_3")] },
  };
  const peer = await startPeer(t, { [ACCOUNTS]: ({ query }) => ({ body: pages[query.get("from") ?? ""] }) });
  const accounts = await behalfOf(peer).connectedAccounts.list("at-me", { connection: "calendar" });
  assert.deepEqual(
    accounts.map(({ id, label }) => [id, label]),
    [
      ["cac_1", undefined],
      ["cac_2", "anne@work.example"],
      ["cac_3", undefined],
    ],
  );
  assert.equal(peer.to(ACCOUNTS)[1]?.query.get("connection"), "calendar");
  assert.equal(peer.to(ACCOUNTS)[0]?.headers.authorization, "Bearer at-me");
});

test("a list that does not end is an error, not an endless loop", async (t) => {
  const peer = await startPeer(t, { [ACCOUNTS]: { body: { accounts: [], next: "again" } } });
  await assert.rejects(behalfOf(peer).connectedAccounts.list("at-me"), { code: "server.bad_answer" });
});

test("an account is removed by its id, which is escaped", async (t) => {
  const path = `${ACCOUNTS}/cac_1%2F..%2Fx`;
  const peer = await startPeer(t, { [path]: { status: 204, body: "" } });
  await behalfOf(peer).connectedAccounts.remove("at-me", "cac_1/../x");
  assert.equal(peer.to(path)[0]?.method, "DELETE");
});

test("the ticket is added to the address to connect at, which keeps its own query", async (t) => {
  const peer = await startPeer(t, {
    [CONNECT]: {
      status: 201,
      body: {
        auth_session: "as",
        connect_uri: "https://auth.example/connect?a=1",
        connect_params: { ticket: "t&1" },
      },
    },
  });
  assert.deepEqual(await behalfOf(peer).connectedAccounts.start("at-me", start), {
    authSession: "as",
    connectUrl: "https://auth.example/connect?a=1&ticket=t%261",
  });
});

test("an answer of another status or without what is needed is an error", async (t) => {
  const good = {
    auth_session: "as",
    connect_uri: "https://auth.example/connect",
    connect_params: { ticket: "t" },
  };
  const cases: [status: number, body: object, code: string, retryable: boolean][] = [
    [200, good, "account.status_200", false],
    [201, { ...good, connect_params: {} }, "server.bad_answer", false],
    [201, { ...good, connect_uri: "x" }, "server.bad_answer", false],
    [201, {}, "server.bad_answer", false],
    [401, { title: "Unauthorized", code: "auth.token_invalid" }, "auth.token_invalid", false],
    [429, { title: "Too Many", code: "vault.too_many_connects" }, "vault.too_many_connects", true],
    [503, {}, "account.status_503", true],
  ];
  for (const [status, body, code, retryable] of cases) {
    const peer = await startPeer(t, { [CONNECT]: { status, body } });
    await assert.rejects(behalfOf(peer).connectedAccounts.start("at-me", start), { code, retryable });
  }
});
