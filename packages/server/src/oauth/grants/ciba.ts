import type { AuthorizationDetail, Provider } from "oidc-provider";
import { errors } from "oidc-provider";
import type { Approval, Approvals } from "../../approvals/index.ts";
import { tokenHash } from "../../crypto/hash.ts";
import type { Clock } from "../../lib/clock.ts";
import { type GrantContext, grantTools, stockCibaGrant } from "../internals.ts";
import type { Resources } from "../resources.ts";

export const grantType = "urn:openid:params:grant-type:ciba";
export const parameters: readonly string[] = ["auth_req_id", "resource"];

/** The core issues the tokens at once; this only has to outlast that. */
const ISSUE_SECONDS = 60;

/** Published clients act on `access_denied` alone, so expired and denied share it; `code` tells them apart. */
const REFUSALS = {
  denied: { error: "access_denied", code: "approval.denied", text: "the user denied the request" },
  expired: { error: "access_denied", code: "approval.expired", text: "the request has expired" },
  redeemed: { error: "invalid_grant", code: "approval.redeemed", text: "auth_req_id was used before" },
  unknown: { error: "invalid_grant", code: "approval.unknown", text: "auth_req_id is unknown" },
} as const;

/**
 * Polls: the approvals slice says what the user answered and lets exactly one caller redeem a yes; then the
 * stock grant issues the tokens.
 * @see OpenID Connect CIBA Core section 10.1 and 11
 */
export function cibaGrant(deps: {
  provider: Provider;
  approvals: Approvals;
  resources: Resources;
  clock: Clock;
}): (ctx: GrantContext) => Promise<void> {
  const { provider, approvals, resources } = deps;
  const issueTokens = stockCibaGrant(provider);

  return async (ctx) => {
    const id = ctx.oidc.params["auth_req_id"];
    if (typeof id !== "string" || id === "")
      throw new errors.InvalidRequest("missing required parameter auth_req_id");
    // An approval is spent by redeeming it: a proof that does not hold must not cost the person's answer.
    await grantTools.validateDpop(provider, ctx);
    const key = { authReqIdHash: tokenHash(id), clientId: ctx.oidc.client.clientId };
    const answer = await approvals.poll(key);
    if (answer.state === "pending") throw new errors.AuthorizationPending();
    if (answer.state === "slow_down") {
      ctx.set("Retry-After", String(answer.retryAfterSeconds));
      throw new errors.SlowDown("polling faster than the interval allows");
    }
    if (answer.state !== "approved") throw refusal(ctx, answer.state);
    const approval = await approvals.redeem(key);
    if (!approval) throw refusal(ctx, "redeemed");
    await attachGrant(ctx, id, approval);
    await issueTokens(ctx);
  };

  /** Gives the stored request what the user approved, and no more. */
  async function attachGrant(ctx: GrantContext, id: string, approval: Approval): Promise<void> {
    const request = await provider.BackchannelAuthenticationRequest.find(id, { ignoreExpiration: true });
    if (!request) throw refusal(ctx, "unknown");
    const grant = new provider.Grant({ accountId: approval.userId, clientId: approval.clientId });
    grant.addOIDCScope(approval.scopes.join(" "));
    const resource = approval.audience === undefined ? undefined : resources.find(approval.audience);
    if (resource) grant.addResourceScope(resource.audience, approval.scopes.join(" "));
    // Parsed and checked when the request was opened.
    const details = approval.details as unknown as AuthorizationDetail[];
    for (const detail of details) grant.addRar(detail);
    request.grantId = await grant.save();
    if (details.length > 0) request.rar = details;
    request.authTime = Math.floor((approval.authenticatedAt ?? 0) / 1_000);
    // An answer may be fetched a while after the question's own expiry; redeem() has judged that.
    request.exp = Math.floor(deps.clock.now() / 1_000) + ISSUE_SECONDS;
    await request.save();
    ctx.state["approval"] = { id: approval.id, digest: approval.digest };
  }
}

function refusal(ctx: GrantContext, state: keyof typeof REFUSALS): Error {
  const { error, code, text } = REFUSALS[state];
  ctx.state["errorMembers"] = { code };
  return error === "access_denied"
    ? Object.assign(new errors.AccessDenied(text), { status: 400, statusCode: 400 })
    : Object.assign(new errors.InvalidGrant(text), { error_description: text });
}
