import { BehalfError } from "../errors.ts";
import {
  badAnswer,
  isObject,
  type JsonAnswer,
  type JsonObject,
  quantity,
  requestJson,
  text,
  texts,
} from "../http.ts";
import type { Runtime } from "../runtime.ts";
import { oauthError } from "../wire-errors.ts";

/** "`user` has `relation` to `object`", such as user:anne, viewer, document:budget. */
export interface TupleKey {
  user: string;
  relation: string;
  object: string;
}

/** A relation to check, with what holds for this check alone. */
export interface FgaQuery extends TupleKey {
  contextualTuples?: readonly TupleKey[];
  /** Values for the conditions of the model. */
  context?: JsonObject;
}

/** A stored tuple, possibly under a condition. */
export interface Tuple extends TupleKey {
  condition?: { name: string; context?: JsonObject };
}

/** `HIGHER_CONSISTENCY` sees every acknowledged write; `MINIMIZE_LATENCY` may not. */
export type FgaConsistency = "HIGHER_CONSISTENCY" | "MINIMIZE_LATENCY";

export interface FgaCallOptions {
  /** Default `HIGHER_CONSISTENCY`. */
  consistency?: FgaConsistency;
}

/** One store of an OpenFGA-compatible engine. Every method throws when the engine did not decide. */
export interface FgaClient {
  check(query: FgaQuery, options?: FgaCallOptions): Promise<boolean>;
  /** One answer for each query, in their order. Sent by 50; equal queries are sent once. */
  batchCheck(queries: readonly FgaQuery[], options?: FgaCallOptions): Promise<boolean[]>;
  /** The objects of a type that the user has the relation to, as `type:id`. The engine may truncate. */
  listObjects(
    query: { user: string; relation: string; type: string } & Omit<FgaQuery, keyof TupleKey>,
    options?: FgaCallOptions,
  ): Promise<string[]>;
  /** One page of stored tuples; `continuationToken` is absent on the last. */
  read(filter: {
    user?: string;
    relation?: string;
    object?: string;
    pageSize?: number;
    continuationToken?: string;
  }): Promise<{ tuples: Tuple[]; continuationToken?: string }>;
  /** Writes and deletes in one transaction, at most 100 together. */
  write(change: { writes?: readonly Tuple[]; deletes?: readonly TupleKey[] }): Promise<void>;
}

/** The most checks that engines take in one request. */
const MAX_CHECKS_PER_REQUEST = 50;
/** How many such requests run at once. */
const MAX_PARALLEL_REQUESTS = 10;
/** A token is renewed this long before it ends, so that none ends on its way. */
const TOKEN_MARGIN_MS = 30_000;

/**
 * A client of the OpenFGA HTTP API.
 * @throws BehalfError `config.invalid` at the first call when no store is configured; `fga.<code>` with the
 * engine's own code; `oauth.*` when the token was refused; `network.*` and `server.*` for transport
 */
export function createFgaClient(runtime: Runtime): FgaClient {
  const send = createSender(runtime);
  const model = runtime.config.fga.modelId ? { authorization_model_id: runtime.config.fga.modelId } : {};

  async function checkChunk(queries: readonly FgaQuery[], options: FgaCallOptions): Promise<boolean[]> {
    const checks = queries.map((query, i) => ({ ...wireQuery(query), correlation_id: String(i) }));
    const answer = await send("batch-check", { checks, ...model, ...wireOptions(options) });
    return queries.map((_, i) => believeChecked(answer, String(i)));
  }

  return {
    async check(query, options = {}) {
      const { body, status } = await send("check", {
        ...wireQuery(query),
        ...model,
        ...wireOptions(options),
      });
      if (typeof body["allowed"] === "boolean") return body["allowed"];
      throw badAnswer(runtime.config.fga.url, status, "no decision");
    },
    async batchCheck(queries, options = {}) {
      const { distinct, indexOf } = distinctQueries(queries);
      const chunks = chunksOf(distinct, MAX_CHECKS_PER_REQUEST);
      const decisions = (await mapInParallel(chunks, (chunk) => checkChunk(chunk, options))).flat();
      return queries.map((query) => decisions[indexOf(query)] === true);
    },
    async listObjects({ user, relation, type, ...rest }, options = {}) {
      const { tuple_key: _, ...extras } = wireQuery({ user, relation, object: "", ...rest });
      const query = { user, relation, type, ...extras, ...model, ...wireOptions(options) };
      const { body, status } = await send("list-objects", query);
      if (!Array.isArray(body["objects"])) throw badAnswer(runtime.config.fga.url, status, "no objects");
      return texts(body, "objects");
    },
    async read({ pageSize, continuationToken, ...key }) {
      const { body } = await send("read", {
        ...(Object.keys(key).length > 0 ? { tuple_key: key } : {}),
        ...(pageSize === undefined ? {} : { page_size: pageSize }),
        ...(continuationToken === undefined ? {} : { continuation_token: continuationToken }),
        consistency: "HIGHER_CONSISTENCY",
      });
      const next = text(body, "continuation_token");
      return { tuples: believeTuples(body), ...(next ? { continuationToken: next } : {}) };
    },
    async write({ writes = [], deletes = [] }) {
      await send("write", {
        ...(writes.length > 0 ? { writes: { tuple_keys: writes } } : {}),
        ...(deletes.length > 0 ? { deletes: { tuple_keys: deletes } } : {}),
        ...model,
      });
    },
  };
}

function createSender(runtime: Runtime): (path: string, body: JsonObject) => Promise<JsonAnswer> {
  const { config } = runtime;
  const bearer = createBearer(runtime);
  const base = config.fga.url.replace(/\/+$/, "");
  return async (path, body) => {
    if (!config.fga.storeId) {
      const message = "No FGA store is configured: pass fga.storeId or set BEHALF_FGA_STORE_ID.";
      throw new BehalfError("config.invalid", message);
    }
    const answer = await requestJson(config, {
      url: `${base}/stores/${encodeURIComponent(config.fga.storeId)}/${path}`,
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await bearer()}` },
      body: JSON.stringify(body),
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw fgaError(answer);
  };
}

/** The preshared key, or an access token of this client (RFC 6749 section 4.4), renewed before it ends. */
function createBearer({ config, oauth }: Runtime): () => Promise<string> {
  let current: { token: Promise<{ accessToken: string; untilMs: number }> } | undefined;

  async function requestToken() {
    const answer = await oauth.token({ grant_type: "client_credentials", audience: config.fga.audience });
    if (answer.status !== 200) throw oauthError(answer);
    const accessToken = text(answer.body, "access_token");
    if (!accessToken) throw badAnswer(config.issuer, answer.status, "no access_token");
    const lifetimeMs = (quantity(answer.body, "expires_in") ?? 0) * 1000;
    return { accessToken, untilMs: config.clock.now() + lifetimeMs - TOKEN_MARGIN_MS };
  }

  return async () => {
    if (config.fga.presharedKey) return config.fga.presharedKey;
    const held = await current?.token.catch(() => undefined);
    if (held && held.untilMs > config.clock.now()) return held.accessToken;
    const mine = { token: requestToken() };
    current = mine;
    return (await mine.token).accessToken;
  };
}

/** OpenFGA's errors are `{ code, message }`; 4xx of the same request will not succeed later. */
function fgaError(answer: JsonAnswer): BehalfError {
  const { status, body, retryAfterSeconds } = answer;
  const code = text(body, "code") ?? text(body, "error") ?? `status_${status}`;
  const said = text(body, "message") ?? text(body, "error_description") ?? "no message";
  return new BehalfError(`fga.${code}`, `The FGA engine did not decide: ${said}`, {
    status,
    retryable: status >= 500 || status === 429,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function wireQuery({ user, relation, object, contextualTuples, context }: FgaQuery) {
  return {
    tuple_key: { user, relation, object },
    ...(contextualTuples ? { contextual_tuples: { tuple_keys: contextualTuples } } : {}),
    ...(context ? { context } : {}),
  };
}

function wireOptions({ consistency = "HIGHER_CONSISTENCY" }: FgaCallOptions) {
  return { consistency };
}

/** An item that failed or is missing is not a "no": the whole call fails, and so does what relies on it. */
function believeChecked({ body, status }: JsonAnswer, id: string): boolean {
  const result = isObject(body["result"]) ? body["result"][id] : undefined;
  if (!isObject(result)) throw badAnswer("The FGA engine", status, "no decision for a check");
  if (isObject(result["error"])) throw fgaError({ status, body: result["error"] });
  return result["allowed"] === true;
}

function believeTuples(body: JsonObject): Tuple[] {
  const rows: unknown[] = Array.isArray(body["tuples"]) ? body["tuples"] : [];
  return rows.flatMap((row) => {
    const key = isObject(row) && isObject(row["key"]) ? row["key"] : {};
    const [user, relation, object] = [text(key, "user"), text(key, "relation"), text(key, "object")];
    if (!user || !relation || !object) return [];
    const condition = isObject(key["condition"]) ? believeCondition(key["condition"]) : undefined;
    return [{ user, relation, object, ...(condition ? { condition } : {}) }];
  });
}

function believeCondition(value: JsonObject): Tuple["condition"] {
  const name = text(value, "name");
  if (!name) return undefined;
  return { name, ...(isObject(value["context"]) ? { context: value["context"] } : {}) };
}

/**
 * Equal queries once. The key is JSON of a list, in which no user can end where a relation begins: "a|b"
 * with "c" is another key than "a" with "b|c".
 */
function distinctQueries(queries: readonly FgaQuery[]) {
  const keyOf = ({ user, relation, object, contextualTuples, context }: FgaQuery) =>
    JSON.stringify([user, relation, object, contextualTuples ?? null, context ?? null]);
  const positions = new Map<string, number>();
  const distinct: FgaQuery[] = [];
  for (const query of queries) {
    const key = keyOf(query);
    if (positions.has(key)) continue;
    positions.set(key, distinct.length);
    distinct.push(query);
  }
  return { distinct, indexOf: (query: FgaQuery) => positions.get(keyOf(query)) ?? -1 };
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** In order of the items, at most `MAX_PARALLEL_REQUESTS` at a time; the first failure fails all. */
async function mapInParallel<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await map(items[i] as T); // i is in range
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL_REQUESTS, items.length) }, worker));
  return results;
}
