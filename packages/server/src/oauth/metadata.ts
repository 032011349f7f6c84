import type { KoaContextWithOIDC } from "oidc-provider";
import type { Config } from "../config.ts";

const ASSERTION_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];
const SECRETS_AND_KEYS = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/** Endpoints that are worth reaching with a certificate. @see RFC 8705 section 5 */
const ALIASED = [
  "backchannel_authentication_endpoint",
  "device_authorization_endpoint",
  "introspection_endpoint",
  "pushed_authorization_request_endpoint",
  "revocation_endpoint",
  "token_endpoint",
  "userinfo_endpoint",
];

/**
 * What the core's metadata says otherwise than it is: it always announces `user_code`, which we refuse (OpenID CIBA
 * Core section 4: absent means false), and it knows nothing of proofs that were judged before it, nor of the port
 * that asks for certificates.
 */
export function correctMetadata(config: Pick<Config, "issuer" | "listen">) {
  const { mtls } = config.listen;
  const methods = [
    ...SECRETS_AND_KEYS,
    ...(mtls ? ["self_signed_tls_client_auth"] : []),
    ...(mtls?.caFile === undefined ? [] : ["tls_client_auth"]),
  ];
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    if (ctx.oidc?.route !== "discovery") return;
    // The core's metadata is an object of its members.
    const metadata = ctx.body as Record<string, unknown>;
    delete metadata["backchannel_user_code_parameter_supported"];
    for (const endpoint of ["token", "introspection", "revocation"]) {
      if (metadata[`${endpoint}_endpoint`] === undefined) continue;
      metadata[`${endpoint}_endpoint_auth_methods_supported`] =
        endpoint === "introspection" ? methods : [...methods, "none"];
      metadata[`${endpoint}_endpoint_auth_signing_alg_values_supported`] = ASSERTION_ALGORITHMS;
    }
    if (mtls) metadata["mtls_endpoint_aliases"] = aliasesOf(metadata, mtls.port);
    else delete metadata["tls_client_certificate_bound_access_tokens"];
  };
}

function aliasesOf(metadata: Record<string, unknown>, port: number): Record<string, string> {
  const aliases: Record<string, string> = {};
  for (const name of ALIASED) {
    if (typeof metadata[name] !== "string") continue;
    const url = new URL(metadata[name]);
    url.port = String(port);
    aliases[name] = url.href;
  }
  return aliases;
}
