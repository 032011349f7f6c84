import type { Configuration, KoaContextWithOIDC } from "oidc-provider";
import { errors } from "oidc-provider";
import type { ApprovalRequest } from "../approvals/index.ts";
import { tokenHash } from "../crypto/hash.ts";
import { ApiError } from "../http/errors.ts";
import type { ProviderDeps } from "./provider.ts";
import { audiencesOf } from "./resources.ts";

type CibaFeature = NonNullable<NonNullable<Configuration["features"]>["ciba"]>;

/**
 * `/bc-authorize`: the core parses and authenticates, the approvals slice checks and keeps the request.
 * @see OpenID Connect CIBA Core section 7
 */
export function cibaConfiguration(deps: ProviderDeps): CibaFeature {
  const { approvals, config } = deps;
  const refusing = refusingWith(deps.approvalOAuthErrors);
  return {
    enabled: true,
    deliveryModes: ["poll"],
    processLoginHint: async (_ctx, hint) => userOfHint(hint ?? "", config.issuer),
    processLoginHintToken: async () => {
      throw new errors.InvalidRequest("login_hint_token is not supported; send login_hint");
    },
    validateBindingMessage: async (ctx) => {
      await refusing(ctx, () => approvals.validate(requestOf(ctx, config.issuer)));
    },
    validateRequestContext: async () => undefined,
    verifyUserCode: async (_ctx, _account, code) => {
      if (code !== undefined) throw new errors.InvalidRequest("user_code is not supported");
    },
    triggerAuthenticationDevice: async (ctx, request, account) => {
      const wire = requestOf(ctx, config.issuer);
      const opened = await refusing(ctx, () => {
        const { bindingMessage, details, expirySeconds } = approvals.validate(wire);
        return approvals.open({
          bindingMessage,
          details,
          audience: wire.audience,
          clientId: ctx.oidc.client?.clientId ?? "",
          scopes: knownScopes(ctx),
          authReqIdHash: tokenHash(request.jti),
          userId: account.accountId,
          expiresAt: deps.clock.now() + expirySeconds * 1_000,
        });
      });
      // Stored before this answer is sent. The core's own answer lacks the interval (section 7.3); the id lets an
      // app link to the page on which its user answers.
      ctx.body = { ...(ctx.body as object), interval: opened.intervalSeconds, approval_id: opened.id };
    },
  };
}

/**
 * What the tokens can carry. Other words in `scope` would be dropped later, and until then be shown to the
 * person as if they were ours.
 */
function knownScopes(ctx: KoaContextWithOIDC): string[] {
  const known = Object.values(ctx.oidc.resourceServers ?? {}).map((server) => server.scopes);
  const ofOidc = ctx.oidc.requestParamOIDCScopes;
  return [...ctx.oidc.requestParamScopes].filter(
    (scope) => ofOidc.has(scope) || known.some((scopes) => scopes.has(scope)),
  );
}

/** What the approvals slice checks of the request. */
function requestOf(ctx: KoaContextWithOIDC, issuer: string): ApprovalRequest {
  const params = ctx.oidc.params ?? {};
  const [audience] = Object.keys(ctx.oidc.resourceServers ?? {});
  const text = (name: string) =>
    typeof params[name] === "string" && params[name] !== "" ? params[name] : undefined;
  return {
    audience: audience === audiencesOf(issuer).approvals ? undefined : audience,
    bindingMessage: text("binding_message"),
    authorizationDetails: text("authorization_details"),
    requestedExpiry: text("requested_expiry"),
  };
}

/** `{"format":"iss_sub","iss":"<our issuer>","sub":"<user>"}`, the hint that published SDKs send (RFC 9493 section 3.2.2). */
function userOfHint(hint: string, issuer: string): string | undefined {
  try {
    const value: unknown = JSON.parse(hint);
    if (typeof value !== "object" || value === null) return undefined;
    const { format, iss, sub } = value as Record<string, unknown>;
    return format === "iss_sub" && iss === issuer && typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined; // Not JSON: an unknown user, as the specification answers.
  }
}

/** Turns a refusal of the approvals slice into the specification's error, with our code beside it. */
function refusingWith(codes: ProviderDeps["approvalOAuthErrors"]) {
  return async <T>(ctx: KoaContextWithOIDC, work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      ctx.state["errorMembers"] = { code: error.code, ...error.members };
      // `invalid_request` is read by published SDKs as "no device enrolled"; the rest keeps away from it.
      throw new errors.CustomOIDCProviderError(codes[error.code] ?? "access_denied", error.message);
    }
  };
}
