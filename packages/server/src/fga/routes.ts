import type { JsonObject } from "@behalf/fga";
import { type Context, Hono } from "hono";
import type { Log } from "../lib/log.ts";
import type { Storage } from "../storage/index.ts";
import type { Assertions } from "./assertions.ts";
import type { Authenticate } from "./authenticate.ts";
import type { ContinuationTokens } from "./continuation.ts";
import { fgaError, invalidField } from "./errors.ts";
import { errorResponse, json, readFgaBody, streamErrorResponse } from "./http.ts";
import { ID, integerOf, matching, parseTime, pattern, TYPE, textOf } from "./message.ts";
import { type Models, modelNotFound } from "./models.ts";
import { checkOne, type Queries, type QueryTarget, type Snapshot } from "./queries.ts";
import { readChangesOf, readTuplesOf } from "./read.ts";
import {
  readAssertions,
  readBatch,
  readCheck,
  readExpand,
  readListObjects,
  readListUsers,
  readReadFilter,
  readTarget,
  readWrite,
} from "./requests.ts";
import type { Stores } from "./stores.ts";
import type { Tuples } from "./tuples.ts";
import {
  assertionToWire,
  changeToWire,
  newStoreToWire,
  readTupleToWire,
  storeToWire,
  userToWire,
} from "./wire.ts";

/** OpenFGA's `listObjectsMaxResults` and `listUsersMaxResults`; the streamed list has none. */
const MAX_RESULTS = 1_000;
const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 100;
/** Objects written to a stream at once. */
const STREAM_CHUNK = 1_000;
const STORE_NAME = pattern("^[a-zA-Z0-9\\s\\.\\-\\/^_&@]{3,64}$");

type Handler = (c: Context) => Response | Promise<Response>;

/** OpenFGA's HTTP API under `/stores`. @see reference OpenFGA API v1 */
export function fgaRoutes(deps: {
  storage: Storage;
  log: Log;
  authenticate: Authenticate;
  tokens: ContinuationTokens;
  stores: Stores;
  models: Models;
  tuples: Tuples;
  queries: Queries;
  assertions: Assertions;
}): Hono {
  const { storage, log, stores, models, tuples, queries, assertions } = deps;
  const app = new Hono();

  const guarded =
    (handler: Handler, onError = errorResponse): Handler =>
    async (c) => {
      try {
        const waiting = deps.authenticate(c.req.raw);
        if (waiting) await waiting;
        return await handler(c);
      } catch (error) {
        return onError(log, error);
      }
    };
  const on = (method: string, path: string, handler: Handler, onError = errorResponse): void => {
    app.on(method, path, guarded(handler, onError));
  };

  on("POST", "/stores/:store/check", (c) =>
    query(c, "CheckRequest", (snapshot, body) => ({
      allowed: snapshot.check(readCheck(body, "CheckRequest")),
      resolution: "",
    })),
  );
  on("POST", "/stores/:store/batch-check", (c) =>
    query(c, "BatchCheckRequest", (snapshot, body) => ({
      result: Object.fromEntries(
        readBatch(body).map(({ correlationId, request }) => [correlationId, checkOne(snapshot, request)]),
      ),
    })),
  );
  on("POST", "/stores/:store/list-objects", (c) =>
    query(c, "ListObjectsRequest", (snapshot, body) => ({
      objects: snapshot.listObjects({
        ...readListObjects(body, "ListObjectsRequest"),
        maxResults: MAX_RESULTS,
      }),
    })),
  );
  on(
    "POST",
    "/stores/:store/streamed-list-objects",
    async (c) => {
      const name = "StreamedListObjectsRequest";
      const body = await readFgaBody(c);
      const target = readTarget(body, storeOf(c), name);
      const request = readListObjects(body, name);
      const snapshot = await queries.snapshot(target);
      return streamOf(snapshot.listObjects(request), resolvedHeaders(target, snapshot));
    },
    streamErrorResponse,
  );
  on("POST", "/stores/:store/list-users", (c) =>
    query(c, "ListUsersRequest", (snapshot, body) => ({
      users: snapshot.listUsers({ ...readListUsers(body), maxResults: MAX_RESULTS }).map(userToWire),
    })),
  );
  on("POST", "/stores/:store/expand", (c) =>
    query(c, "ExpandRequest", (snapshot, body) => ({ tree: { root: snapshot.expand(readExpand(body)) } })),
  );

  on("POST", "/stores/:store/write", async (c) => {
    const request = readWrite(await readFgaBody(c), storeOf(c));
    const modelId = await tuples.write(request);
    return json(200, {}, headersOf(request.storeId, modelId));
  });
  on("POST", "/stores/:store/read", async (c) => {
    const body = await readFgaBody(c);
    const storeId = matching(storeOf(c), ID, "ReadRequest.StoreId");
    const filter = readReadFilter(body);
    const list = ["read", storeId, ...Object.values(filter)];
    const size = pageSize(integerOf(body, "page_size"), "ReadRequest");
    const after = Number(placeOf(list, textOf(body, "continuation_token")) ?? 0);
    const rows = await readTuplesOf(storage, storeId, filter, { after, limit: size + 1 });
    const page = pageOf(list, rows, size, (row) => String(row.seq));
    return json(
      200,
      { tuples: page.items.map(readTupleToWire), continuation_token: page.token },
      headersOf(storeId),
    );
  });
  on("GET", "/stores/:store/changes", async (c) => {
    const storeId = matching(storeOf(c), ID, "ReadChangesRequest.StoreId");
    const type = queryText(c, "type");
    if (type !== "") matching(type, TYPE, "ReadChangesRequest.Type");
    const size = pageSize(queryInteger(c, "page_size"), "ReadChangesRequest");
    const token = queryText(c, "continuation_token");
    const startTime = queryText(c, "start_time");
    const place = placeOf(["changes", storeId], token);
    const [seq = "0", ...rest] = (place ?? "").split("|");
    if (place !== undefined && rest.join("|") !== type)
      throw fgaError("query_string_type_continuation_token_mismatch");
    const since = place === undefined && startTime !== "" ? parseTime(startTime) : undefined;
    const page = { after: Number(seq), limit: size };
    const changes = await readChangesOf(storage, storeId, { type, since }, page);
    const last = changes.at(-1);
    // There is always a place to go on from, because changes keep coming; without news it stays the same.
    const next = last ? deps.tokens.issue(["changes", storeId], `${last.seq}|${type}`) : token;
    return json(200, { changes: changes.map(changeToWire), continuation_token: next }, headersOf(storeId));
  });

  on("POST", "/stores/:store/authorization-models", async (c) => {
    const body = await readFgaBody(c);
    const storeId = matching(storeOf(c), ID, "WriteAuthorizationModelRequest.StoreId");
    const id = await models.write(storeId, body);
    return json(201, { authorization_model_id: id }, headersOf(storeId, id));
  });
  on("GET", "/stores/:store/authorization-models", async (c) => {
    const storeId = matching(storeOf(c), ID, "ReadAuthorizationModelsRequest.StoreId");
    const list = ["models", storeId];
    const size = pageSize(queryInteger(c, "page_size"), "ReadAuthorizationModelsRequest");
    const before = placeOf(list, queryText(c, "continuation_token"));
    const page = pageOf(list, await models.list(storeId, before, size + 1), size, (row) => row.id);
    const items = page.items.map((row) => ({ id: row.id, ...row.json }));
    return json(200, { authorization_models: items, continuation_token: page.token }, headersOf(storeId));
  });
  on("GET", "/stores/:store/authorization-models/:model", async (c) => {
    const storeId = matching(storeOf(c), ID, "ReadAuthorizationModelRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "ReadAuthorizationModelRequest.Id");
    const model = await models.find(storeId, id);
    if (!model) throw modelNotFound(id);
    return json(200, { authorization_model: { id, ...model.json } }, headersOf(storeId, id));
  });

  on("PUT", "/stores/:store/assertions/:model", async (c) => {
    const body = await readFgaBody(c);
    const storeId = matching(storeOf(c), ID, "WriteAssertionsRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "WriteAssertionsRequest.AuthorizationModelId");
    await assertions.write(storeId, id, readAssertions(body));
    return new Response(null, { status: 204, headers: headersOf(storeId, id) });
  });
  on("GET", "/stores/:store/assertions/:model", async (c) => {
    const storeId = matching(storeOf(c), ID, "ReadAssertionsRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "ReadAssertionsRequest.AuthorizationModelId");
    const stored = await assertions.read(storeId, id);
    const body = { authorization_model_id: id, assertions: stored.map(assertionToWire) };
    return json(200, body, headersOf(storeId, id));
  });

  on("POST", "/stores", async (c) => {
    const name = textOf(await readFgaBody(c), "name");
    const made = await stores.create(matching(name, STORE_NAME, "CreateStoreRequest.Name"));
    return json(201, newStoreToWire(made), headersOf(made.id));
  });
  on("GET", "/stores", async (c) => {
    const name = queryText(c, "name");
    const list = ["stores", name];
    const size = pageSize(queryInteger(c, "page_size"), "ListStoresRequest");
    const after = placeOf(list, queryText(c, "continuation_token")) ?? "";
    const page = pageOf(list, await stores.list({ after, name, limit: size + 1 }), size, (row) => row.id);
    return json(200, { stores: page.items.map(storeToWire), continuation_token: page.token });
  });
  on("GET", "/stores/:store", async (c) => {
    const row = await stores.get(matching(storeOf(c), ID, "GetStoreRequest.StoreId"));
    return json(200, storeToWire(row), headersOf(row.id));
  });
  on("DELETE", "/stores/:store", async (c) => {
    const id = matching(storeOf(c), ID, "DeleteStoreRequest.StoreId");
    await stores.delete(id);
    return new Response(null, { status: 204, headers: headersOf(id) });
  });
  // Declared by OpenFGA's API and not implemented there either.
  on("PATCH", "/stores/:store", () => {
    throw fgaError("unimplemented");
  });
  app.all(
    "/stores/*",
    guarded(() => {
      throw fgaError("undefined_endpoint");
    }),
  );

  /** One query: the body is read and the snapshot opened before the answer is computed in one go. */
  async function query(
    c: Context,
    name: string,
    answer: (snapshot: Snapshot, body: JsonObject) => unknown,
  ): Promise<Response> {
    const body = await readFgaBody(c);
    const target = readTarget(body, storeOf(c), name);
    const found = queries.snapshot(target);
    const snapshot = found instanceof Promise ? await found : found;
    return json(200, answer(snapshot, body), resolvedHeaders(target, snapshot));
  }

  function placeOf(list: readonly string[], token: string): string | undefined {
    return token === "" ? undefined : deps.tokens.read(list, token);
  }

  /** Cuts a page out of `size + 1` rows; the token is `""` on the last one. */
  function pageOf<T>(
    list: readonly string[],
    rows: readonly T[],
    size: number,
    placeOfRow: (row: T) => string,
  ) {
    const items = rows.slice(0, size);
    const last = items.at(-1);
    const token = rows.length > size && last !== undefined ? deps.tokens.issue(list, placeOfRow(last)) : "";
    return { items, token };
  }

  return app;
}

function storeOf(c: Context): string {
  return c.req.param("store") ?? "";
}

function pageSize(given: number | undefined, name: string): number {
  if (given === undefined) return DEFAULT_PAGE_SIZE;
  if (given < 1 || given > MAX_PAGE_SIZE)
    throw invalidField(`${name}.PageSize`, `value must be inside range [1, ${MAX_PAGE_SIZE}]`);
  return given;
}

function queryText(c: Context, name: string): string {
  return textOf(c.req.query(), name);
}

function queryInteger(c: Context, name: string): number | undefined {
  return integerOf(c.req.query(), name);
}

/** Headers that OpenFGA's clients and proxies read. */
function headersOf(storeId: string, modelId?: string): Record<string, string> {
  return {
    "openfga-store-id": storeId,
    ...(modelId === undefined ? {} : { "openfga-authorization-model-id": modelId }),
  };
}

function resolvedHeaders(target: QueryTarget, snapshot: Snapshot): Record<string, string> {
  return headersOf(target.storeId, snapshot.modelId);
}

/** One JSON value a line, written as fast as the client reads. */
function streamOf(objects: readonly string[], headers: Readonly<Record<string, string>>): Response {
  const encoder = new TextEncoder();
  let next = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const lines = objects.slice(next, next + STREAM_CHUNK);
      next += STREAM_CHUNK;
      if (lines.length === 0) return controller.close();
      const text = lines.map((object) => `${JSON.stringify({ result: { object } })}\n`).join("");
      controller.enqueue(encoder.encode(text));
    },
  });
  return new Response(body, { headers: { "content-type": "application/json", ...headers } });
}
