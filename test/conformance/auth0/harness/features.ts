/** What is proven of each package, in the order of the table. */
export const FEATURES = {
  login: "Log-in (code with PKCE)",
  session: "Session",
  par: "Pushed authorization request",
  refresh: "Refresh with another audience",
  logout_v2: "Log-out at `/v2/logout`",
  logout_oidc: "Log-out at `/oidc/logout`",
  backchannel_logout: "Back-channel log-out",
  connect: "Connect an account",
  vault: "Exchange at the vault",
  ciba: "Ask the user (CIBA)",
  device: "Device flow",
  client_credentials: "Client credentials",
  fga: "Retrieval and tools by relation",
  userinfo: "Userinfo",
  verify: "Verify an access token at an API",
  dpop: "DPoP",
  private_key_jwt: "`private_key_jwt`",
  organizations: "Organizations",
  passwordless: "Passwordless",
  mfa: "Second factor",
  passkey: "Passkey",
} as const;

export type Feature = keyof typeof FEATURES;

export const featureNames = Object.keys(FEATURES) as Feature[];
