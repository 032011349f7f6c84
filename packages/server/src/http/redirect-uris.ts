/** The part of a client that decides where its answers may go. */
export interface RedirectPolicy {
  readonly redirectUris: readonly string[];
  /** Whether the client has a secret: then it runs on a server, whose port is known. */
  readonly confidential: boolean;
}

/** A program on the person's own machine listens where it finds room (RFC 8252 section 7.3): three spellings, no other. */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(?::([1-9]\d{0,4}))?(\/[\x21-\x7e]*)?$/;
const MAX_PORT = 65_535;

/**
 * Whether answers for the client may go to `uri`: byte for byte one of its addresses, or, for a program on the
 * person's own machine, one of them with another port. The port is free where none was registered, and for a
 * public client whose addresses are all on loopback.
 * @see RFC 9700 section 2.1, RFC 8252 section 7.3
 */
export function isRegisteredRedirect(client: RedirectPolicy, uri: string): boolean {
  if (client.redirectUris.includes(uri)) return true;
  const asked = withoutPort(uri);
  return asked !== undefined && freePortOnes(client).some((registered) => withoutPort(registered) === asked);
}

/** Where a form may lead on the way to the client, as sources of a content security policy. */
export function redirectOrigins(client: RedirectPolicy): readonly string[] {
  const free = new Set(freePortOnes(client));
  const origins = client.redirectUris.map((uri) => {
    const { origin, protocol, hostname } = new URL(uri);
    return free.has(uri) ? `${protocol}//${hostname}:*` : origin;
  });
  return [...new Set(origins)];
}

/** The registered addresses of which only the port may differ. */
function freePortOnes(client: RedirectPolicy): readonly string[] {
  if (client.confidential) return [];
  const loopback = client.redirectUris.filter((uri) => withoutPort(uri) !== undefined);
  if (loopback.length === client.redirectUris.length) return loopback;
  return loopback.filter((uri) => LOOPBACK.exec(uri)?.[2] === undefined);
}

/** Everything of a loopback address but its port; `undefined` for any other text. */
function withoutPort(uri: string): string | undefined {
  const [, host, port, rest = ""] = LOOPBACK.exec(uri) ?? [];
  if (host === undefined || Number(port ?? 1) > MAX_PORT) return undefined;
  return `${host}${rest}`;
}
