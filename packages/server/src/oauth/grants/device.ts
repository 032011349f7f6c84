import type { Provider } from "oidc-provider";
import { errors } from "oidc-provider";
import { tokenHash } from "../../crypto/hash.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Storage } from "../../storage/index.ts";
import { countPoll } from "../device-store.ts";
import { type GrantContext, grantTools, stockDeviceGrant } from "../internals.ts";

export const grantType = "urn:ietf:params:oauth:grant-type:device_code";
export const parameters: readonly string[] = ["device_code", "resource"];

/**
 * Polls of a device: too fast is told so, and nothing is said about the answer then; the rest is the stock grant,
 * which lets exactly one caller redeem a yes.
 * @see RFC 8628 sections 3.4 and 3.5
 */
export function deviceGrant(deps: {
  provider: Provider;
  storage: Storage;
  clock: Clock;
}): (ctx: GrantContext) => Promise<void> {
  const { provider, storage, clock } = deps;
  const issueTokens = stockDeviceGrant(provider);

  return async (ctx) => {
    const presented = ctx.oidc.params["device_code"];
    if (typeof presented !== "string" || presented === "")
      throw new errors.InvalidRequest("missing required parameter device_code");
    const code = await provider.DeviceCode.find(presented, { ignoreExpiration: true });
    const mine = code?.clientId === ctx.oidc.client.clientId;
    if (code && mine && (code.exp ?? 0) * 1_000 <= clock.now())
      throw withStatus(new errors.ExpiredToken("the device code is expired"), 403);
    if (code && mine && !code.accountId && !code.error) {
      // A proof that does not hold must not slow down the device that waits.
      await grantTools.validateDpop(provider, ctx);
      const request = { idHash: tokenHash(presented), expiresAt: (code.exp ?? 0) * 1_000 };
      const slower = await countPoll(storage, request, clock.now());
      if (slower === undefined)
        throw withStatus(new errors.AuthorizationPending("the user has not answered yet"), 403);
      ctx.set("Retry-After", String(slower));
      throw withStatus(new errors.SlowDown("polling faster than the interval allows"), 429);
    }
    // Each poll hears a no: it is not used up like a yes. Published SDKs know refusals of devices by 403.
    if (mine && code?.error) throw withStatus(new errors.AccessDenied("the user denied the request"), 403);
    await issueTokens(ctx);
  };
}

const withStatus = <E extends Error>(error: E, status: number): E =>
  Object.assign(error, { status, statusCode: status });
