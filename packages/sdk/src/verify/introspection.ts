import { createHash } from "node:crypto";
import { BehalfError } from "../errors.ts";
import { badAnswer, requestJson, type Transport } from "../http.ts";
import type { Clock } from "../store.ts";
import type { AccessTokenClaims, TokenReader } from "./access-token.ts";

/** How an API asks the server whether a token was revoked. */
export interface IntrospectionOptions {
  /** The API's own client at the server. */
  clientId: string;
  clientSecret: string;
  /** How long an answer is believed, in seconds: a revocation takes this long to count here. Default 5. */
  cacheSeconds?: number;
}

const DEFAULT_CACHE_SECONDS = 5;
/** Tokens whose answer is kept; the oldest goes. */
const MAX_CACHED = 10_000;

/**
 * Asks about a token whose signature and claims are good already. Concurrent callers with one token share one
 * request. A server that does not answer is an error, never a yes.
 * @throws BehalfError `token.revoked` (answer 401), `network.*`, `server.*` (answer 503)
 * @see RFC 7662 section 2
 */
export function createRevocationCheck(
  options: IntrospectionOptions,
  { reader, transport, clock }: { reader: TokenReader; transport: Transport; clock: Clock },
): (token: string, claims: AccessTokenClaims) => Promise<void> {
  const cacheMs = (options.cacheSeconds ?? DEFAULT_CACHE_SECONDS) * 1000;
  const answers = new Map<string, { active: Promise<boolean>; untilMs: number }>();

  async function ask(token: string, { sub }: AccessTokenClaims): Promise<boolean> {
    const url = await reader.introspectionEndpoint();
    if (!url) throw badAnswer(url ?? "https://issuer", 200, "discovery without introspection_endpoint");
    const { status, body } = await requestJson(transport, {
      url,
      method: "POST",
      headers: { authorization: basicCredentials(options) },
      body: new URLSearchParams({ token, token_type_hint: "access_token" }),
    });
    if (status !== 200) throw badAnswer(new URL(url).origin, status, "no introspection");
    // An answer about another user's token would be a mix-up, and is no yes.
    return body["active"] === true && (body["sub"] === undefined || body["sub"] === sub);
  }

  return async (token, claims) => {
    const key = createHash("sha256").update(token).digest("base64url");
    let answer = answers.get(key);
    if (!answer || answer.untilMs <= clock.now()) {
      answers.delete(key);
      const active = ask(token, claims);
      const fresh = { active, untilMs: clock.now() + cacheMs };
      answers.set(key, fresh);
      active.catch(() => answers.get(key) === fresh && answers.delete(key)); // reported, not remembered
      for (const [oldest] of answers) {
        if (answers.size <= MAX_CACHED) break;
        answers.delete(oldest);
      }
      answer = fresh;
    }
    if (await answer.active) return;
    throw new BehalfError("token.revoked", "The access token is no longer valid.", { status: 401 });
  };
}

/** RFC 6749 section 2.3.1: both are form-encoded first. */
function basicCredentials({ clientId, clientSecret }: IntrospectionOptions): string {
  const encode = (value: string) => new URLSearchParams({ v: value }).toString().slice("v=".length);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString("base64")}`;
}
