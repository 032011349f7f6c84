import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../support/clock.ts";
import { isJsonObject, type JsonObject } from "../support/json.ts";
import { Refusal } from "../support/refusal.ts";

/** What is needed to know the issuer's keys. */
export type IssuerKeysDeps = {
  /** Compared byte for byte with the `issuer` of the discovery document. */
  issuer: string;
  fetch: typeof fetch;
  clock: Clock;
};

/** A token with an unknown key id makes the shop ask again at most this often, whoever sends how many. */
const UNKNOWN_KEY_INTERVAL_MS = 60_000;
/** After this time a key that the issuer withdrew is no longer accepted. */
const MAX_AGE_MS = 10 * 60_000;
const FETCH_TIMEOUT_MS = 5_000;
const MAX_DOCUMENT_BYTES = 256 * 1024;

/**
 * The issuer's public keys, read from its discovery document when the first token arrives and kept. Callers that
 * arrive together share one request.
 *
 * @throws (the returned function) Refusal 503 `issuer_unreachable` while no keys could be read; jose's
 * `JWKSNoMatchingKey` when the issuer has no such key.
 */
export function createIssuerKeys(deps: IssuerKeysDeps): JWTVerifyGetKey {
  let known: { resolve: JWTVerifyGetKey; readAt: number } | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const read = () => {
    askedAt = deps.clock();
    reading ??= readKeys(deps)
      .then((keys) => {
        known = { resolve: createLocalJWKSet(keys), readAt: deps.clock() };
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };

  return async (header, token) => {
    if (!known) await read();
    else if (deps.clock() - known.readAt > MAX_AGE_MS) await read();
    if (!known) throw unreachable(deps.issuer, "no keys");
    try {
      return await known.resolve(header, token);
    } catch (error) {
      const mayAsk = deps.clock() - askedAt >= UNKNOWN_KEY_INTERVAL_MS;
      if (!(error instanceof errors.JWKSNoMatchingKey) || !mayAsk) throw error;
      await read();
      return known.resolve(header, token);
    }
  };
}

async function readKeys({ issuer, fetch }: IssuerKeysDeps): Promise<JSONWebKeySet> {
  const base = issuer.replace(/\/$/, "");
  const metadata = await readDocument(fetch, issuer, `${base}/.well-known/openid-configuration`);
  // RFC 8414 section 3.3: a document that names another issuer is not this issuer's.
  if (metadata["issuer"] !== issuer) throw unreachable(issuer, "its discovery document names another issuer");
  const { jwks_uri: jwksUri } = metadata;
  if (typeof jwksUri !== "string" || !URL.canParse(jwksUri)) throw unreachable(issuer, "no jwks_uri");
  const set = await readDocument(fetch, issuer, jwksUri);
  if (!isKeySet(set)) throw unreachable(issuer, "its key set has no list of keys");
  return set;
}

async function readDocument(send: typeof fetch, issuer: string, url: string): Promise<JsonObject> {
  try {
    const response = await send(url, {
      headers: { accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const value: unknown = JSON.parse(await readLimited(response));
    if (!isJsonObject(value)) throw new Error("not a JSON object");
    return value;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "unknown error";
    throw unreachable(issuer, `${new URL(url).pathname}: ${why}`);
  }
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_DOCUMENT_BYTES) throw new Error("the document is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function isKeySet(value: JsonObject): value is JsonObject & JSONWebKeySet {
  return Array.isArray(value["keys"]) && value["keys"].every(isJsonObject);
}

function unreachable(issuer: string, reason: string): Refusal {
  return new Refusal({
    status: 503,
    error: "issuer_unreachable",
    description: `The keys of the issuer ${issuer} cannot be read. Start it, or start the shop with its --issuer.`,
    headers: { "retry-after": "1" },
    reason,
  });
}
