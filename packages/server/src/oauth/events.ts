/** Audit actions of the OAuth slice. */
export const oauthEvents = {
  tokensIssued: "oauth.tokens_issued",
  refreshReused: "oauth.refresh_token_reused",
  loggedOut: "oauth.logged_out",
  clientRegistered: "oauth.client_registered",
} as const;
