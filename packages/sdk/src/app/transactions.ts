import { createHash, randomBytes } from "node:crypto";
import type { AppEnvironment } from "./environment.ts";

/** A journey of the browser to the server and back, begun by this browser. */
export type Transaction =
  | {
      kind: "login";
      returnTo: string;
      codeVerifier: string;
      nonce: string;
      organization?: string;
      maxAgeSeconds?: number;
    }
  | { kind: "connect"; returnTo: string; codeVerifier: string; authSession: string; sessionId: string };

/** Longest time a person takes to log in or connect, in seconds. */
const TTL_SECONDS = 10 * 60;
const PREFIX = "behalf_txn_";
/** Journeys that one browser may have open; more would make the Cookie header too large for servers. */
const MAX_OPEN = 5;

/** `Set-Cookie` values that begin a transaction and drop abandoned ones when there are too many. */
export async function beginTransaction(
  { jar, transactionCookie }: AppEnvironment,
  request: Request,
  state: string,
  transaction: Transaction,
): Promise<string[]> {
  const open = jar.names(request, PREFIX);
  const abandoned = open.length >= MAX_OPEN ? open : [];
  const sealed = await transactionCookie.seal({ ...transaction, state }, TTL_SECONDS);
  return [...abandoned.map(jar.clear), jar.set(cookieName(state), sealed, TTL_SECONDS)];
}

/** A journey that is at its end, and how it is closed. */
export interface FoundTransaction {
  transaction: Transaction;
  /** The `Set-Cookie` value that removes it from the browser. */
  clear: string;
  /** Whether this is the first answer to it: of any number at once, one is. */
  consume(): Promise<boolean>;
  /** After a failure that time repairs: lets the same answer be tried again. */
  release(): Promise<void>;
}

/**
 * The transaction that this browser began with this state; undefined when it did not. The state is in the
 * cookie's name and, sealed, in its value: neither can be exchanged for another.
 */
export async function findTransaction(
  { jar, transactionCookie, behalf }: AppEnvironment,
  request: Request,
  state: string | null,
): Promise<FoundTransaction | undefined> {
  if (!state) return undefined;
  const name = cookieName(state);
  const payload = await transactionCookie.open(jar.read(request, name));
  if (payload?.["state"] !== state) return undefined;
  const { store } = behalf.runtime.config;
  const key = `behalf:transaction:${createHash("sha256").update(state).digest("base64url")}`;
  return {
    transaction: payload as unknown as Transaction, // sealed by beginTransaction
    clear: jar.clear(name),
    // A cookie that was removed may have been copied: what counts once is written down.
    consume: () => store.put(key, "used", { ttlSeconds: TTL_SECONDS, expect: null }),
    async release() {
      await store.delete(key);
    },
  };
}

function cookieName(state: string): string {
  return PREFIX + createHash("sha256").update(state).digest("base64url").slice(0, 16);
}

/** 256 bits, 43 characters: for `state`, `nonce`, session ids, and as PKCE verifier (RFC 7636 section 4.1). */
export function randomToken(): string {
  return randomBytes(32).toString("base64url");
}

/** RFC 7636 section 4.2. */
export function pkceChallenge(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}
