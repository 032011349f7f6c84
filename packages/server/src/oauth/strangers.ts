import type { StoredClient } from "./clients.ts";

/** Grants of a client that nobody here vouches for: it can ask a person, and keep what the person gave. */
export const STRANGER_GRANTS = ["authorization_code", "refresh_token"] as const;

/** Ids of clients in the database that registered themselves begin with this; an administrator's begin with another. */
export const STRANGER_PREFIX = "tpc";

/** Whether any program on the person's own machine could take the answer that is meant for this client. */
export function isLoopbackOnly({ redirectUris }: { readonly redirectUris: readonly string[] }): boolean {
  return redirectUris.every((uri) => uri.startsWith("http:"));
}

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
    organizations: "none",
    unverified: true,
    confidential: false,
    agent: undefined,
    disabledAt: undefined,
    apis: {},
    secretHash: undefined,
    authentication: "none",
    jwks: undefined,
    jwksUri: undefined,
    tlsClientAuth: undefined,
    certificateThumbprints: new Set(),
    certificateBoundTokens: false,
    rotateRefreshTokens: true,
    idTokenAlgorithm: "RS256",
    webOrigins: [],
    backchannelLogoutUri: undefined,
    backchannelLogoutFormat: "form",
  };
}

/** Control and invisible characters, which can make one name look like another. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The name a stranger gave itself, as it may be shown; `undefined` when nothing of it can be seen. */
export function visibleName(name: string): string | undefined {
  return name.replace(INVISIBLE, "").trim() || undefined;
}

/** https anywhere, or http on this machine; compared as text later, so nothing that parses to something else. */
export function isSafeRedirect(uri: string): boolean {
  const url = URL.parse(uri);
  if (!url || uri.includes("#") || url.username || url.password || /[^\x21-\x7e]|\\/.test(uri)) return false;
  if (!uri.startsWith(`${url.protocol}//${url.hostname}`)) return false;
  // The host goes into a header of the log-in page; the URL standard lets it hold more than a host name can.
  if (!/^[a-z0-9._-]+$|^\[[0-9a-f:]+\]$/.test(url.hostname)) return false;
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && loopback);
}
