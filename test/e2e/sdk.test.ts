import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BehalfError, type ConnectedAccounts, createBehalf, createMemoryStore } from "@behalf/sdk";
import { tokenRequest } from "../support/person.ts";
import { TEST_SECRET } from "../support/server.ts";
import { accountToken } from "../support/vault.ts";
import { createVaultBench, type VaultBench } from "../support/vault-bench.ts";

/** What our SDK offers for a page of settings; connecting itself is part of the story. */
describe("connected accounts through our SDK", () => {
  let bench: VaultBench;
  let accounts: ConnectedAccounts;
  before(async () => {
    bench = await createVaultBench("sqlite::memory:");
    accounts = createBehalf({
      issuer: bench.server.url,
      clientId: "assistant",
      clientSecret: TEST_SECRET,
      store: createMemoryStore(),
    }).connectedAccounts;
  });
  after(() => bench?.[Symbol.asyncDispose]());

  it("are listed, each with what was granted, and are gone once removed", async () => {
    const who = await bench.connected();
    await bench.connect(who, { account: "acc_work" });
    const token = await accountToken(bench.server.url, who.refreshToken);
    const listed = await accounts.list(token, { connection: "calendar" });
    assert.equal(listed.length, 2);
    const first = listed.find(({ id }) => id === who.account.id);
    assert.deepEqual(first?.scopes.toSorted(), who.account.scopes.toSorted());
    await accounts.remove(token, who.account.id);
    assert.deepEqual(
      (await accounts.list(token)).map(({ id }) => id),
      listed.map(({ id }) => id).filter((id) => id !== who.account.id),
    );
    assert.equal((await bench.ask(who.refreshToken)).status, 200, "the other account still works");
  });

  it("of somebody else cannot be seen or removed", async () => {
    const who = await bench.connected();
    const stranger = await bench.newcomer();
    const token = await accountToken(bench.server.url, stranger.refreshToken);
    assert.deepEqual(await accounts.list(token), []);
    await assert.rejects(accounts.remove(token, who.account.id), isRefusal(404, "vault.account_unknown"));
    assert.equal((await bench.ask(who.refreshToken)).status, 200);
  });

  it("are not to be had with a token that lacks the scope", async () => {
    const who = await bench.connected();
    const answer = await tokenRequest(bench.server.url, {
      grant_type: "refresh_token",
      refresh_token: who.refreshToken,
      audience: accounts.audience,
      scope: "read:me:connected_accounts",
      client_id: "assistant",
      client_secret: TEST_SECRET,
    });
    const token = (await answer.json()).access_token;
    assert.equal((await accounts.list(token)).length, 1);
    await assert.rejects(accounts.remove(token, who.account.id), isRefusal(403, "auth.insufficient_scope"));
    assert.equal((await bench.ask(who.refreshToken)).status, 200);
  });
});

function isRefusal(status: number, code: string) {
  return (error: unknown) => {
    assert.ok(BehalfError.is(error), String(error));
    assert.deepEqual([error.status, error.code], [status, code]);
    return true;
  };
}
