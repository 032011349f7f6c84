import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GrantResponse } from "../oauth/index.ts";
import { vaultErrors } from "./errors.ts";
import { type Bench, connect, createBench, testClient } from "./testing.ts";

const TOKEN_TYPE = "http://auth0.com/oauth/token-type/federated-connection-access-token";
const REFRESH = "urn:ietf:params:oauth:token-type:refresh_token";
const HOUR_MS = 3_600_000;

/** A token request as the published SDKs send it; `undefined` leaves a parameter out. */
async function ask(
  bench: Bench,
  change: Record<string, string | undefined> = {},
  clientId = "agent",
): Promise<GrantResponse> {
  const params = {
    connection: "calendar",
    subject_token: bench.subjectToken(bench.anne, clientId),
    subject_token_type: REFRESH,
    requested_token_type: TOKEN_TYPE,
    ...change,
  };
  const sent = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const client = bench.clients.get(clientId) ?? testClient(clientId, []);
  return bench.vault.grant.handle({ client, params: Object.fromEntries(sent) });
}

/** Compares without the sentence, which is for people. */
function assertRefused(
  response: GrantResponse,
  status: number,
  error: string,
  code: string,
  members: Record<string, unknown> = {},
): void {
  const { error_description: description, ...rest } = response.body;
  assert.deepEqual(rest, { error, code, ...members });
  assert.equal(response.status, status);
  assert.ok(typeof description === "string" && description.length > 20);
}

describe("the vault's grant", () => {
  it("answers as the published SDKs read it", async () => {
    await using bench = await createBench();
    await connect(bench, { scopes: ["calendar.read"] });
    const { status, body, headers } = await ask(bench);
    assert.equal(status, 200);
    const { access_token: accessToken, ...rest } = body;
    assert.match(String(accessToken), /^cal_at_/);
    assert.deepEqual(rest, {
      token_type: "Bearer",
      expires_in: 3_600,
      scope: "calendar.read email offline_access profile",
      issued_token_type: TOKEN_TYPE,
    });
    assert.equal(headers?.["cache-control"], "no-store");
  });

  it("takes login_hint and scope", async () => {
    await using bench = await createBench();
    await connect(bench, { account: "acc_personal" });
    await connect(bench, { account: "acc_work", scopes: ["calendar.read", "calendar.write"] });
    const { status, body } = await ask(bench, { login_hint: "acc_work", scope: "calendar.write" });
    assert.equal(status, 200);
    assert.equal(body["scope"], "calendar.write");
  });

  for (const [what, change] of [
    ["no connection", { connection: undefined }],
    ["another requested type", { requested_token_type: "urn:ietf:params:oauth:token-type:jwt" }],
    ["no requested type", { requested_token_type: undefined }],
    ["no subject token", { subject_token: undefined }],
    ["an endless subject token", { subject_token: "x".repeat(8_193) }],
    ["an unknown subject type", { subject_token_type: "urn:example:type" }],
    ["a scope with a quotation mark", { scope: 'a"b' }],
    ["an endless hint", { login_hint: "x".repeat(256) }],
  ] as const)
    it(`refuses a request with ${what}`, async () => {
      await using bench = await createBench();
      assertRefused(await ask(bench, change), 400, "invalid_request", "request.invalid");
    });

  it("says that the access token of a user is no subject", async () => {
    await using bench = await createBench();
    const type = "urn:ietf:params:oauth:token-type:access_token";
    const response = await ask(bench, { subject_token_type: type });
    assertRefused(response, 400, "invalid_request", "request.invalid");
    assert.match(String(response.body["error_description"]), /access_token is not supported/);
  });

  it("names who must act in each refusal", async () => {
    await using bench = await createBench();
    assertRefused(await ask(bench), 401, "interaction_required", "vault.not_connected");
    assertRefused(
      await ask(bench, { connection: "nowhere" }),
      400,
      "invalid_request",
      "vault.unknown_connection",
    );
    assertRefused(
      await ask(bench, { subject_token: "unknown" }),
      400,
      "invalid_grant",
      "vault.subject_invalid",
    );
    const work = await connect(bench, { account: "acc_work" });
    assertRefused(
      await ask(bench, { scope: "calendar.write" }),
      401,
      "consent_required",
      "vault.scope_missing",
      { scopes: ["calendar.write"] },
    );
    assertRefused(
      await ask(bench, { scope: "calendar.delete" }),
      403,
      "invalid_scope",
      "vault.scope_not_allowed",
      { scopes: ["calendar.delete"] },
    );
    const mine = await connect(bench, { account: "acc_personal" });
    assertRefused(await ask(bench), 401, "account_selection_required", "vault.account_ambiguous", {
      accounts: [
        { id: work["id"], label: "anne.lee@work.example", login_hint: "acc_work" },
        { id: mine["id"], label: "anne.lee@calendar.example", login_hint: "acc_personal" },
      ],
    });
    bench.clients.set("stranger", testClient("stranger", [], { agent: undefined }));
    assertRefused(await ask(bench, {}, "stranger"), 403, "unauthorized_client", "vault.agent_not_allowed");
  });

  it("tells of a provider in trouble with the time to wait", async () => {
    await using bench = await createBench();
    await connect(bench);
    bench.clock.advance(HOUR_MS);
    bench.provider.switches.set({ status429: { retryAfterSeconds: 90 } });
    const response = await ask(bench);
    assertRefused(response, 503, "temporarily_unavailable", "vault.provider_unavailable", {
      retry_after: 90,
    });
    assert.equal(response.headers?.["retry-after"], "90");
  });

  it("tells of a wrong connection and of a broken account", async () => {
    await using bench = await createBench();
    await connect(bench);
    bench.clock.advance(HOUR_MS);
    bench.provider.switches.set({ okWithError: { error: "invalid_client" } });
    assertRefused(await ask(bench), 502, "server_error", "vault.connection_misconfigured");
    bench.clock.advance(60_000);
    bench.provider.switches.set({ okWithError: { error: "invalid_grant" } });
    assertRefused(await ask(bench), 401, "interaction_required", "vault.account_broken", {
      reason: "refused_by_provider",
    });
  });

  it("Dex GHSA-7qjx-gp9h-65qj, Casdoor CVE-2026-9094, CVE-2026-9097: takes the refresh token of the client that asks, and no other's", async () => {
    await using bench = await createBench();
    await connect(bench);
    const foreign = bench.subjectToken(bench.anne, "reader");
    assertRefused(
      await ask(bench, { subject_token: foreign }),
      400,
      "invalid_grant",
      "vault.subject_invalid",
    );
  });

  it("authenticates to the provider by HTTP Basic where the connection says so", async () => {
    await using bench = await createBench(undefined, {
      connection: { clientAuthMethod: "client_secret_basic" },
    });
    await connect(bench);
    assert.equal((await ask(bench)).status, 200);
  });

  it("has a code for each refusal that is declared with its status", () => {
    for (const [code, { status, message }] of Object.entries(vaultErrors)) {
      assert.match(code, /^vault\.[a-z_]+$/);
      assert.ok(status >= 400 && status < 600 && message.endsWith("."), code);
    }
  });
});
