import { equalInConstantTime } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import { readCookie } from "./sessions.ts";

/**
 * Marks a browser before anybody is logged in: a random value in a cookie, which each form repeats. A form
 * counts, and a log-in goes on, in the browser where it began alone.
 */
export interface BrowserToken {
  /** This browser's value; `undefined` when it has none yet. */
  read(request: Request): string | undefined;
  /** This browser's value, or a new one. */
  readOrMake(request: Request): string;
  /** The `Set-Cookie` value that keeps it for another hour. */
  cookie(value: string): string;
  /** Whether a form repeated this browser's value. */
  matches(request: Request, repeated: string | undefined): boolean;
}

const VALUE = /^[A-Za-z0-9_-]{43}$/;
const LIFE_SECONDS = 3_600;

export function createBrowserToken(issuer: string): BrowserToken {
  const secure = issuer.startsWith("https:");
  // On https no other host can set this cookie, not even one below or above ours.
  const name = secure ? "__Host-behalf_form" : "behalf_form";

  function read(request: Request): string | undefined {
    const value = readCookie(request, name);
    return value !== undefined && VALUE.test(value) ? value : undefined;
  }

  /** One value a request: the form repeats what the answer's cookie says. */
  const made = new WeakMap<Request, string>();

  function readOrMake(request: Request): string {
    const value = read(request) ?? made.get(request) ?? randomToken();
    made.set(request, value);
    return value;
  }

  return {
    read,
    readOrMake,
    cookie: (value) =>
      `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${LIFE_SECONDS}${secure ? "; Secure" : ""}`,
    matches(request, repeated) {
      const value = read(request);
      return value !== undefined && repeated !== undefined && equalInConstantTime(value, repeated);
    },
  };
}
