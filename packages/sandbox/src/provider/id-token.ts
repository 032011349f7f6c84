import { createHash } from "node:crypto";
import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from "jose";
import type { Clock } from "../support/clock.ts";
import { newId } from "../support/secrets.ts";
import { findAccount } from "./accounts.ts";
import type { Client } from "./clients.ts";
import type { CodeRow } from "./store.ts";
import type { Switches } from "./switches.ts";

/** Signs ID tokens; the key lives as long as the provider runs. */
export type IdTokenSigner = {
  jwks(): Promise<{ keys: JWK[] }>;
  sign(of: { code: CodeRow; client: Client; accessToken: string; switches: Switches }): Promise<string>;
};

const LIFE_SECONDS = 300;

/** ES256 over the claims that an ID token must have, bent by the switches that are on. */
export function createIdTokenSigner(deps: { issuer: string; clock: Clock }): IdTokenSigner {
  const kid = newId("key_");
  const [pair, other] = [generateKeyPair("ES256"), generateKeyPair("ES256")];

  return {
    async jwks() {
      return { keys: [{ ...(await exportJWK((await pair).publicKey)), kid, use: "sig", alg: "ES256" }] };
    },
    async sign({ code, client, accessToken, switches }) {
      const now = Math.floor(deps.clock() / 1_000);
      const claims = withChanges(
        {
          iss: deps.issuer,
          sub: code.account_id,
          aud: client.clientId,
          iat: now,
          exp: now + LIFE_SECONDS,
          auth_time: now,
          // OpenID Connect Core section 3.1.3.6: the left half of the hash.
          at_hash: createHash("sha256").update(accessToken).digest().subarray(0, 16).toString("base64url"),
          ...(code.nonce === null ? {} : { nonce: code.nonce }),
        },
        switches.idTokenClaims,
      );
      const signed = (alg: string) => new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT" });
      if (switches.idTokenSignature === "none") return new UnsecuredJWT(claims).encode();
      if (switches.idTokenSignature === "shared_secret")
        return signed("HS256").sign(new TextEncoder().encode(client.clientSecret ?? "public"));
      const { privateKey } = await (switches.idTokenSignature === "other_key" ? other : pair);
      return signed("ES256").sign(privateKey);
    },
  };
}

/** What userinfo says, bent by the switches that are on. */
export function userinfoClaims(accountId: string, scopes: readonly string[], switches: Switches) {
  const account = findAccount(accountId);
  const claims = {
    sub: accountId,
    ...(scopes.includes("profile") ? { name: account?.name } : {}),
    ...(scopes.includes("email") ? { email: account?.email, email_verified: true } : {}),
  };
  return withChanges(claims, switches.userinfoClaims);
}

/** Null leaves a claim out. */
function withChanges(claims: Record<string, unknown>, changes: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== null));
}
