import { hkdfSync } from "node:crypto";
import { EncryptJWT, jwtDecrypt } from "jose";
import type { Clock } from "../store.ts";
import { epochSeconds } from "../time.ts";

/** Encrypts what a cookie holds, so that a browser can neither read nor change it. */
export interface CookieSealer {
  seal(payload: Record<string, unknown>, ttlSeconds: number): Promise<string>;
  /** The payload; undefined when it is not ours, not for this purpose, changed, or its time is over. */
  open(sealed: string | undefined): Promise<Record<string, unknown> | undefined>;
}

const KEY_BYTES = 32;

/**
 * JWE, `dir` with A256GCM (RFC 7516). A purpose has its own key: a login transaction cannot be presented as
 * a session.
 * @param secrets the first one seals, all of them open
 */
export function createCookieSealer(secrets: readonly string[], purpose: string, clock: Clock): CookieSealer {
  const keys = secrets.map(
    (secret) => new Uint8Array(hkdfSync("sha256", secret, "", `behalf-sdk cookie ${purpose} v1`, KEY_BYTES)),
  );
  return {
    async seal(payload, ttlSeconds) {
      const now = epochSeconds(clock);
      const [current] = keys;
      if (!current) throw new RangeError("a cookie sealer needs at least one secret");
      return new EncryptJWT(payload)
        .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        .setIssuedAt(now)
        .setExpirationTime(now + ttlSeconds)
        .encrypt(current);
    },
    async open(sealed) {
      if (!sealed) return undefined;
      for (const key of keys) {
        const payload = await tryOpen(sealed, key, clock);
        if (payload) return payload;
      }
      return undefined;
    },
  };
}

async function tryOpen(sealed: string, key: Uint8Array, clock: Clock) {
  try {
    const { payload } = await jwtDecrypt(sealed, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
      currentDate: new Date(clock.now()),
      requiredClaims: ["exp"],
    });
    return payload;
  } catch {
    return undefined; // a cookie is whatever the browser sends; all bad ones are alike
  }
}

/** How this app's cookies are named and flagged. */
export interface CookieJar {
  read(request: Request, name: string): string | undefined;
  /** The names that begin like this, without the jar's own prefix. */
  names(request: Request, prefix: string): string[];
  /** A `Set-Cookie` value. */
  set(name: string, value: string, ttlSeconds: number): string;
  /** A `Set-Cookie` value that removes the cookie. */
  clear(name: string): string;
}

/**
 * On https the prefix `__Host-` makes the browser refuse the cookie unless this very host set it, for all
 * paths and over https (RFC 6265bis section 4.1.3.2). Lax, because the way back from a login is a top-level
 * navigation from another site.
 */
export function createCookieJar({ secure }: { secure: boolean }): CookieJar {
  const prefix = secure ? "__Host-" : "";
  const flags = `Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  return {
    read: (request, name) => cookiesOf(request).get(prefix + name),
    names: (request, start) =>
      [...cookiesOf(request).keys()]
        .filter((name) => name.startsWith(prefix + start))
        .map((name) => name.slice(prefix.length)),
    set: (name, value, ttlSeconds) => `${prefix}${name}=${value}; Max-Age=${ttlSeconds}; ${flags}`,
    clear: (name) => `${prefix}${name}=; Max-Age=0; ${flags}`,
  };
}

/** The first of two cookies with one name counts, as browsers order them by path length. */
function cookiesOf(request: Request): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at < 1) continue;
    const name = pair.slice(0, at).trim();
    if (!cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim());
  }
  return cookies;
}
