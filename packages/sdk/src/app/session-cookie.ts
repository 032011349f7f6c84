import { BehalfError } from "../errors.ts";
import type { CookieJar } from "./cookies.ts";

/** Not the server's cookie: on one host, such as localhost, browsers share cookies between all ports. */
const COOKIE = "behalf_app";
/** Browsers keep 4,096 bytes of one cookie, its name and flags included (RFC 6265 section 6.1). */
const CHUNK_LENGTH = 3_500;
/** Node refuses a request with more than 16 KiB of headers; three leave room for the rest. */
const MAX_CHUNKS = 3;

/** Longest session that fits into a browser's cookies, in characters. */
export const MAX_COOKIE_LENGTH = CHUNK_LENGTH * MAX_CHUNKS;

/** The sealed session of a browser, put together from its chunks. */
export function readSessionCookie(jar: CookieJar, request: Request): string | undefined {
  const whole = jar.read(request, COOKIE);
  if (whole !== undefined) return whole;
  const chunks: string[] = [];
  for (let i = 0; i < MAX_CHUNKS; i += 1) {
    const chunk = jar.read(request, chunkName(i));
    if (chunk === undefined) break;
    chunks.push(chunk);
  }
  return chunks.length > 0 ? chunks.join("") : undefined;
}

/** `Set-Cookie` values that leave exactly this session in the browser. */
export function writeSessionCookie(
  jar: CookieJar,
  request: Request,
  sealed: string,
  ttlSeconds: number,
): string[] {
  if (sealed.length > MAX_COOKIE_LENGTH) {
    const message = `The session is larger than ${MAX_COOKIE_LENGTH} characters: keep sessions in the store.`;
    throw new BehalfError("session.too_large", message);
  }
  const pieces = sealed.match(new RegExp(`.{1,${CHUNK_LENGTH}}`, "g")) ?? [];
  const [only] = pieces;
  const cookies =
    pieces.length === 1 && only
      ? new Map([[COOKIE, only]])
      : new Map(pieces.map((piece, i) => [chunkName(i), piece]));
  const leftover = jar.names(request, COOKIE).filter((name) => !cookies.has(name));
  return [
    ...leftover.map((name) => jar.clear(name)),
    ...[...cookies].map(([name, value]) => jar.set(name, value, ttlSeconds)),
  ];
}

/** `Set-Cookie` values that remove the session, in one piece or several, from the browser. */
export function clearSessionCookie(jar: CookieJar, request: Request): string[] {
  return [...new Set([COOKIE, ...jar.names(request, COOKIE)])].map((name) => jar.clear(name));
}

function chunkName(i: number): string {
  return `${COOKIE}.${i}`;
}
