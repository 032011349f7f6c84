/** Audit actions of the OAuth slice. */
export const oauthEvents = {
  tokensIssued: "oauth.tokens_issued",
  refreshReused: "oauth.refresh_token_reused",
  loggedOut: "oauth.logged_out",
  keyMade: "oauth.signing_key_made",
  clientRegistered: "oauth.client_registered",
  deviceDecided: "oauth.device_decided",
} as const;
