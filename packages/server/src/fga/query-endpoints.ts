import type { JsonObject } from "@behalf/fga";
import { type Answer, headersOf, json } from "./http.ts";
import { parseBody } from "./message.ts";
import { checkOne, type Queries, type QueryTarget, type Snapshot } from "./queries.ts";
import { readBatch, readCheck, readExpand, readListObjects, readListUsers, readTarget } from "./requests.ts";
import { userToWire } from "./wire.ts";

/** The endpoints that ask and change nothing, by the last part of their path: `/stores/{store}/check`. */
export interface QueryEndpoints {
  readonly names: readonly string[];
  /**
   * Answers the body of one request, at once if store and model are in memory.
   * @throws FgaError, FgaApiError
   */
  answer(name: string, storeId: string, text: string): Answer | Promise<Answer>;
  /** All objects of a list, for the stream; with the headers of the answer. @throws FgaError, FgaApiError */
  streamObjects(
    storeId: string,
    text: string,
  ): Promise<{ objects: readonly string[]; headers: Answer["headers"] }>;
}

/** OpenFGA's `listObjectsMaxResults` and `listUsersMaxResults`; the streamed list has none. */
const MAX_RESULTS = 1_000;
const STREAMED = "StreamedListObjectsRequest";

interface Endpoint {
  /** Name of the request's message, for errors. */
  readonly message: string;
  answer(snapshot: Snapshot, body: JsonObject): unknown;
}

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  check: {
    message: "CheckRequest",
    answer: (snapshot, body) => ({
      allowed: snapshot.check(readCheck(body, "CheckRequest")),
      resolution: "",
    }),
  },
  "batch-check": {
    message: "BatchCheckRequest",
    answer: (snapshot, body) => ({
      result: Object.fromEntries(
        readBatch(body).map(({ correlationId, request }) => [correlationId, checkOne(snapshot, request)]),
      ),
    }),
  },
  "list-objects": {
    message: "ListObjectsRequest",
    answer: (snapshot, body) => ({
      objects: snapshot.listObjects({
        ...readListObjects(body, "ListObjectsRequest"),
        maxResults: MAX_RESULTS,
      }),
    }),
  },
  "list-users": {
    message: "ListUsersRequest",
    answer: (snapshot, body) => ({
      users: snapshot.listUsers({ ...readListUsers(body), maxResults: MAX_RESULTS }).map(userToWire),
    }),
  },
  expand: {
    message: "ExpandRequest",
    answer: (snapshot, body) => ({ tree: { root: snapshot.expand(readExpand(body)) } }),
  },
};

export function createQueryEndpoints({ queries }: { queries: Queries }): QueryEndpoints {
  function finish(endpoint: Endpoint, target: QueryTarget, snapshot: Snapshot, body: JsonObject): Answer {
    return json(200, endpoint.answer(snapshot, body), headersOf(target.storeId, snapshot.modelId));
  }
  return {
    names: Object.keys(ENDPOINTS),
    answer(name, storeId, text) {
      const endpoint = ENDPOINTS[name];
      if (!endpoint) throw new TypeError(`no query endpoint ${name}`);
      const body = parseBody(text);
      const target = readTarget(body, storeId, endpoint.message);
      const snapshot = queries.snapshot(target);
      return snapshot instanceof Promise
        ? snapshot.then((opened) => finish(endpoint, target, opened, body))
        : finish(endpoint, target, snapshot, body);
    },
    async streamObjects(storeId, text) {
      const body = parseBody(text);
      const target = readTarget(body, storeId, STREAMED);
      const request = readListObjects(body, STREAMED);
      const snapshot = await queries.snapshot(target);
      return { objects: snapshot.listObjects(request), headers: headersOf(storeId, snapshot.modelId) };
    },
  };
}
