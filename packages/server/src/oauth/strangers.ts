import type { StoredClient } from "./clients.ts";

/** Grants of a client that nobody here vouches for: it can ask a person, and keep what the person gave. */
export const STRANGER_GRANTS = ["authorization_code", "refresh_token"] as const;

/**
 * A client that registered itself. It is public, asks for consent every time it wants something new, has no
 * API of its own, and is never first-party.
 */
export function strangerClient(known: {
  readonly id: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
}): StoredClient {
  return {
    ...known,
    source: "runtime",
    postLogoutRedirectUris: [],
    grantTypes: STRANGER_GRANTS,
    firstParty: false,
    confidential: false,
    agent: undefined,
    disabledAt: undefined,
    apis: {},
    secretHash: undefined,
    rotateRefreshTokens: true,
    idTokenAlgorithm: "RS256",
  };
}

/** https anywhere, or http on this machine; compared as text later, so nothing that parses to something else. */
export function isSafeRedirect(uri: string): boolean {
  const url = URL.parse(uri);
  if (!url || url.hash || url.username || url.password || /[\s\\\p{Cc}]/u.test(uri)) return false;
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && loopback);
}
