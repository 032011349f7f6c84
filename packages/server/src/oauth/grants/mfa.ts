import type { SecondFactors } from "../../login/index.ts";
import type { DirectGrant, DirectProof, DirectRefusal, GrantRequest } from "../index.ts";
import type { MfaTokens, WaitingRequest } from "../mfa-tokens.ts";

interface MfaDeps {
  readonly mfaTokens: MfaTokens;
  readonly secondFactors: SecondFactors;
  readonly acrOf: (amr: readonly string[]) => string;
}

const NAME = "mfa";
const INVALID_TOKEN: DirectRefusal = {
  error: "invalid_grant",
  description: "invalid mfa_token",
  status: 403,
};
const TOO_MANY: DirectRefusal = {
  error: "too_many_attempts",
  description: "too many wrong codes: try again later",
  status: 429,
};
const wrong = (name: string): DirectRefusal => ({
  error: "invalid_grant",
  description: `invalid ${name}`,
  status: 403,
});

/**
 * Grants in which an app brings its user's second factor for a request that was answered `mfa_required`. The tokens
 * are those of that request, whatever this one asks for.
 */
export function mfaGrants(deps: MfaDeps): readonly DirectGrant[] {
  const { mfaTokens, secondFactors } = deps;

  /** Another client's value is as good as an unknown one. */
  async function waiting({ client, params }: GrantRequest): Promise<WaitingRequest | undefined> {
    const found = await mfaTokens.find(params["mfa_token"] ?? "");
    return found?.clientId === client.id ? found : undefined;
  }

  async function finish(
    request: WaitingRequest,
    members?: DirectProof["members"],
  ): Promise<DirectProof | DirectRefusal> {
    if (!(await mfaTokens.consume(request.hash))) return INVALID_TOKEN;
    const amr = [...new Set([...request.amr, "otp", "mfa"])];
    return {
      userId: request.userId,
      amr,
      acr: deps.acrOf(amr),
      authenticatedAt: request.authenticatedAt,
      target: { audience: request.audience, scope: request.scope },
      members,
    };
  }

  return [
    {
      name: NAME,
      grantType: "http://auth0.com/oauth/grant-type/mfa-otp",
      parameters: ["mfa_token", "otp"],
      async prove(asked) {
        const request = await waiting(asked);
        if (!request) return INVALID_TOKEN;
        const code = asked.params["otp"] ?? "";
        const outcome = request.pendingFactor
          ? await secondFactors.confirm(request.userId, {
              factor: request.pendingFactor,
              code,
              recoveryCodeHashes: request.pendingCodeHashes,
            })
          : await secondFactors.proveOtp(request.userId, code);
        if (outcome === "locked") return TOO_MANY;
        return outcome === "wrong" ? wrong("otp") : finish(request);
      },
    },
    {
      name: NAME,
      grantType: "http://auth0.com/oauth/grant-type/mfa-recovery-code",
      parameters: ["mfa_token", "recovery_code"],
      async prove(asked) {
        const request = await waiting(asked);
        if (!request) return INVALID_TOKEN;
        const outcome = await secondFactors.proveRecoveryCode(
          request.userId,
          asked.params["recovery_code"] ?? "",
        );
        if (outcome === "locked") return TOO_MANY;
        if (outcome === "wrong") return wrong("recovery_code");
        return finish(request, { recovery_code: outcome.next });
      },
    },
  ];
}
