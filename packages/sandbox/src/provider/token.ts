import type { Context } from "hono";
import { note } from "../support/base-app.ts";
import { readForm } from "../support/body.ts";
import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import { Refusal } from "../support/refusal.ts";
import { challengeOf, digest, newId, newSecret, sameSecret } from "../support/secrets.ts";
import { OFFLINE_SCOPE, splitScope } from "./accounts.ts";
import { authenticateClient, type Client } from "./clients.ts";
import type { ProviderEnv } from "./faults.ts";
import type { IdTokenSigner } from "./id-token.ts";
import type { CodeRow, GrantRow, GrantStore, RefreshTokenRow } from "./store.ts";
import type { Switches } from "./switches.ts";
import { type Issued, tokenAnswer } from "./token-answer.ts";

/** What the token endpoint needs. */
export type TokenDeps = {
  db: Database;
  grants: GrantStore;
  clients: ReadonlyMap<string, Client>;
  clock: Clock;
  idTokens: IdTokenSigner;
};

/** One authenticated request to the token endpoint. */
type TokenRequest = { form: ReadonlyMap<string, string>; client: Client; switches: Switches };

/** A code verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1). */
const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/;

/**
 * `POST /token` with `authorization_code` or `refresh_token` (RFC 6749 sections 4.1.3 and 6).
 *
 * @throws Refusal `invalid_request`, `invalid_client`, `invalid_grant`, `invalid_scope`, `unsupported_grant_type`.
 */
export async function handleToken(deps: TokenDeps, c: Context<ProviderEnv>): Promise<Response> {
  const form = await readForm(c.req.raw);
  const grantType = required(form, "grant_type");
  note(c, { grantType: grantType.slice(0, 60) });
  const client = authenticateClient(deps.clients, c, form);
  note(c, { clientId: client.clientId });
  const { switches } = c.get("plan");
  const issued = await issue(deps, { form, client, switches }, grantType);
  note(c, { grantId: issued.grantId });
  return tokenAnswer(issued, switches);
}

async function issue(deps: TokenDeps, request: TokenRequest, grantType: string): Promise<Issued> {
  if (grantType === "authorization_code") return redeemCode(deps, request);
  if (grantType === "refresh_token") return refresh(deps, request);
  throw new Refusal({
    status: 400,
    error: "unsupported_grant_type",
    description: "Use authorization_code or refresh_token.",
  });
}

async function redeemCode(deps: TokenDeps, request: TokenRequest): Promise<Issued> {
  const { grants, clock } = deps;
  const hash = digest(required(request.form, "code"));
  const code = grants.spendCode(hash, clock());
  if (!code) {
    // A second use may mean that the code was stolen: what came of it dies (RFC 6749 section 4.1.2).
    const made = grants.grantOfCode(hash);
    if (made) grants.revokeGrant(made, "code_replayed", clock());
    throw invalidGrant(made ? "code_replayed" : "code_unknown_or_spent");
  }
  // Spent already, so a code that fails one of these checks cannot be tried again with another guess.
  checkCode(code, request, clock());
  const issued = deps.db.transaction(() => {
    const shrink = request.switches.scopeShrink?.drop ?? [];
    const scope = without(code.scope, shrink);
    const first = !grants.hasConsented(code.client_id, code.account_id);
    const grant: GrantRow = newGrant(code, scope, clock());
    grants.createGrant(grant);
    grants.bindCode(hash, grant.id);
    const online = code.offline === "no" || shrink.includes(OFFLINE_SCOPE);
    const withheld = request.switches.refreshTokenOnFirstConsentOnly && !first && code.offline !== "forced";
    const refreshToken = online || withheld ? undefined : addRefreshToken(deps, grant.id, 0);
    return { ...addAccessToken(deps, grant.id, scope, request.switches), refreshToken };
  });
  const { client, switches } = request;
  if (switches.omitIdToken || !splitScope(issued.scope).includes("openid")) return issued;
  const { accessToken } = issued;
  return { ...issued, idToken: await deps.idTokens.sign({ code, client, accessToken, switches }) };
}

function checkCode(code: CodeRow, { form, client }: TokenRequest, now: number): void {
  if (code.client_id !== client.clientId) throw invalidGrant("code_of_another_client");
  if (code.expires_at <= now) throw invalidGrant("code_expired");
  if (form.get("redirect_uri") !== code.redirect_uri) throw invalidGrant("redirect_uri_differs");
  const verifier = form.get("code_verifier");
  if (code.code_challenge === null) {
    // Sent without a challenge, it means that somebody removed the challenge on the way (RFC 9700 section 2.1.1).
    if (verifier !== undefined) throw invalidGrant("verifier_without_challenge");
    return;
  }
  if (verifier === undefined) throw invalidGrant("verifier_missing");
  if (!VERIFIER.test(verifier)) throw invalidGrant("verifier_malformed");
  if (!sameSecret(challengeOf(verifier), code.code_challenge)) throw invalidGrant("verifier_wrong");
}

function refresh(deps: TokenDeps, request: TokenRequest): Issued {
  const { grants, clock } = deps;
  const hash = digest(required(request.form, "refresh_token"));
  const token = grants.refreshToken(hash);
  const grant = token && grants.grant(token.grant_id);
  if (!token || !grant) throw invalidGrant("refresh_token_unknown");
  if (grant.client_id !== request.client.clientId) throw invalidGrant("refresh_token_of_another_client");
  if (grant.revoked_at !== null) throw invalidGrant("grant_revoked");
  const scope = narrowed(grant.scope, request.form.get("scope"));
  const shown = without(scope, request.switches.scopeShrink?.drop ?? []);
  const result = deps.db.transaction(() => {
    const turn = rotate(grants, hash, token, grant, request.switches, clock());
    if (turn === "reused") return turn;
    const access = addAccessToken(deps, grant.id, shown, request.switches);
    if (turn === "kept") return { ...access, refreshToken: undefined };
    return { ...access, refreshToken: addRefreshToken(deps, grant.id, token.generation + 1) };
  });
  // Thrown outside, so that the end of the grant is committed.
  if (result === "reused") throw invalidGrant("refresh_token_reused");
  return result;
}

/** Spends the refresh token as `rotation` says. A reuse that it does not forgive ends the grant. */
function rotate(
  grants: GrantStore,
  hash: string,
  token: RefreshTokenRow,
  grant: GrantRow,
  switches: Switches,
  now: number,
): "kept" | "rotated" | "reused" {
  if (switches.rotation === "none" && token.spent_at === null) return "kept";
  if (grants.spendRefreshToken(hash, now)) return "rotated";
  // Only the token before the newest is forgiven: an older one was certainly replaced by one that arrived.
  const previous = token.generation === grant.generation - 1;
  const since = now - (token.spent_at ?? now);
  if (switches.rotation === "grace" && previous && since <= switches.graceSeconds * 1_000) return "rotated";
  grants.revokeGrant(grant.id, "refresh_token_reused", now);
  return "reused";
}

function newGrant(code: CodeRow, scope: string, now: number): GrantRow {
  return {
    id: newId("grant_"),
    client_id: code.client_id,
    account_id: code.account_id,
    scope,
    created_at: now,
    generation: 0,
    revoked_at: null,
    revoked_because: null,
  };
}

function addAccessToken(deps: TokenDeps, grantId: string, scope: string, switches: Switches) {
  const secret = newSecret("cal_at_");
  const accessToken = switches.longToken ? secret.padEnd(switches.longToken.bytes, "A") : secret;
  const lifeSeconds = switches.accessTokenLifeSeconds;
  deps.grants.addAccessToken(digest(accessToken), {
    grant_id: grantId,
    scope,
    expires_at: deps.clock() + lifeSeconds * 1_000,
  });
  return { grantId, accessToken, scope, lifeSeconds };
}

function addRefreshToken(deps: TokenDeps, grantId: string, generation: number): string {
  const refreshToken = newSecret("cal_rt_");
  deps.grants.addRefreshToken(digest(refreshToken), grantId, generation);
  return refreshToken;
}

/** A refresh may ask for fewer scopes than were granted, never for others (RFC 6749 section 6). */
function narrowed(granted: string, asked: string | undefined): string {
  if (asked === undefined) return granted;
  const allowed = splitScope(granted);
  const wanted = splitScope(asked);
  if (wanted.length > 0 && wanted.every((scope) => allowed.includes(scope))) return wanted.join(" ");
  throw new Refusal({
    status: 400,
    error: "invalid_scope",
    description: "A refresh may only ask for scopes that were granted. Leave scope out for all of them.",
  });
}

function without(scope: string, dropped: readonly string[]): string {
  return splitScope(scope)
    .filter((name) => !dropped.includes(name))
    .join(" ");
}

function required(form: ReadonlyMap<string, string>, name: string): string {
  const value = form.get(name);
  if (value !== undefined) return value;
  throw new Refusal({
    status: 400,
    error: "invalid_request",
    description: `The parameter ${name} is missing.`,
  });
}

/** One answer for every reason, so that a thief learns nothing; the log has the reason (RFC 6749 section 5.2). */
export function invalidGrant(reason: string): Refusal {
  return new Refusal({
    status: 400,
    error: "invalid_grant",
    description:
      "The code or refresh token is invalid, expired, revoked or not for this client. Ask the user again.",
    reason,
  });
}
