import { errors, type KoaContextWithOIDC } from "oidc-provider";
import type { SecondFactors } from "../login/index.ts";
import type { Organizations } from "../organizations/index.ts";
import type { ClientRegistry } from "./clients.ts";
import type { MfaTokens } from "./mfa-tokens.ts";
import type { Resource } from "./resources.ts";

/** What tokens are asked from: a code, a refresh token, what a device or a direct grant brought. */
interface TokenSource {
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly amr?: readonly string[] | undefined;
  /** In seconds. */
  readonly authTime?: number | undefined;
}

/** Passes when the API asks for no second factor or the user has proven one; else ends the request. */
export type DemandSecondFactor = (
  ctx: KoaContextWithOIDC,
  resource: Resource,
  source: TokenSource,
  scopes: readonly string[],
) => Promise<void>;

/**
 * An API with `requireSecondFactor` gets no token for a user who proved one thing alone. A first-party client with
 * the grant `mfa` is told `mfa_required` and a value with which it can ask its user itself; every other one has to
 * send the user through `/authorize` with `acr_values`.
 */
export function createDemand(deps: {
  clients: ClientRegistry;
  secondFactors: SecondFactors;
  mfaTokens: MfaTokens;
  organizations: Pick<Organizations, "organizationOfGrant">;
}): DemandSecondFactor {
  return async (ctx, resource, source, scopes) => {
    if (!resource.requireSecondFactor || source.amr?.includes("mfa")) return;
    const { accountId: userId, grantId } = source;
    const client = await deps.clients.find(source.clientId ?? "");
    const mayAsk = client?.firstParty && client.grantTypes.includes("mfa");
    if (!client || !mayAsk || userId === undefined || grantId === undefined) throw refuse(INTERACTION);
    // New tokens would not be of the organization.
    if ((await deps.organizations.organizationOfGrant(grantId)) !== undefined) throw refuse(INTERACTION);
    const requirements = await requirementsFor(deps.secondFactors, userId);
    if (!requirements) throw refuse(INTERACTION);
    const mfaToken = await deps.mfaTokens.issue({
      clientId: client.id,
      userId,
      grantId,
      audience: resource.audience,
      scope: scopes.join(" "),
      amr: source.amr ?? [],
      authenticatedAt: (source.authTime ?? 0) * 1_000,
    });
    ctx.state["errorMembers"] = { mfa_token: mfaToken, mfa_requirements: requirements };
    throw refuse(MFA_REQUIRED);
  };
}

const MFA_REQUIRED = ["mfa_required", "Multifactor authentication required"] as const;
const INTERACTION = [
  "interaction_required",
  "this API asks for a second factor: log the user in with acr_values",
] as const;

function refuse([error, description]: readonly [string, string]): Error {
  return Object.assign(new errors.CustomOIDCProviderError(error, description), {
    status: 403,
    statusCode: 403,
  });
}

/** What the user can do; `undefined` for one whose second factor needs a page: a passkey, a telephone. */
async function requirementsFor(secondFactors: SecondFactors, userId: string): Promise<object | undefined> {
  const { apps, recoveryCodes, isEnrolled } = await secondFactors.of(userId);
  if (!isEnrolled) return { enroll: [{ type: "otp" }] };
  if (apps.length === 0) return undefined;
  return {
    challenge: [{ type: "otp" }, ...(recoveryCodes > 0 ? [{ type: "recovery-code" }] : [])],
  };
}
