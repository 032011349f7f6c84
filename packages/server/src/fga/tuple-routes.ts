import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/index.ts";
import { fgaError, invalidField } from "./errors.ts";
import { headersOf, json, readFgaText } from "./http.ts";
import { ID, integerOf, matching, parseBody, parseTime, TYPE, textOf } from "./message.ts";
import { type Paging, pageSize, queryInteger, queryText } from "./paging.ts";
import { lastSeqBefore, readChangesOf, readTuplesOf } from "./read.ts";
import type { Register } from "./routes.ts";
import type { Tuples } from "./tuples.ts";
import { changeToWire, readTupleToWire } from "./wire.ts";
import { readReadFilter, readWrite } from "./write-requests.ts";

/** Writing and reading tuples, and the log of their changes. */
export function tupleRoutes(
  on: Register,
  deps: { storage: Storage; clock: Clock; tuples: Tuples; paging: Paging },
): void {
  const { storage, clock, tuples, paging } = deps;

  on("POST", "/stores/:store/write", async (c, store) => {
    const request = readWrite(parseBody(await readFgaText(c)), store);
    const modelId = await tuples.write(request);
    return json(200, {}, headersOf(request.storeId, modelId));
  });

  on("POST", "/stores/:store/read", async (c, store) => {
    const body = parseBody(await readFgaText(c));
    const storeId = matching(store, ID, "ReadRequest.StoreId");
    const filter = readReadFilter(body);
    const list = ["read", storeId, ...Object.values(filter)];
    const size = pageSize(integerOf(body, "page_size"), "ReadRequest");
    const after = Number(paging.placeOf(list, textOf(body, "continuation_token")) ?? 0);
    const rows = await readTuplesOf(storage, storeId, filter, { after, limit: size + 1 });
    const page = paging.pageOf(list, rows, size, (row) => String(row.seq));
    const answer = { tuples: page.items.map(readTupleToWire), continuation_token: page.token };
    return json(200, answer, headersOf(storeId));
  });

  on("GET", "/stores/:store/changes", async (c, store) => {
    const storeId = matching(store, ID, "ReadChangesRequest.StoreId");
    const type = queryText(c, "type");
    if (type !== "") matching(type, TYPE, "ReadChangesRequest.Type");
    const size = pageSize(queryInteger(c, "page_size"), "ReadChangesRequest");
    const token = queryText(c, "continuation_token");
    const start = parseStart(queryText(c, "start_time"), clock.now());
    const list = ["changes", storeId];
    const [seq, ofType] = splitPlace(paging.placeOf(list, token));
    if (token !== "" && ofType !== type) throw fgaError("query_string_type_continuation_token_mismatch");
    // A token says where to go on; a time only where to begin.
    const after = token === "" && start !== undefined ? await lastSeqBefore(storage, storeId, start) : seq;
    const changes = await readChangesOf(storage, storeId, type, { after, limit: size });
    const last = changes.at(-1);
    // Changes keep coming, so there is always a place to go on from; without news it stays the same.
    const next = last ? paging.tokenOf(list, `${last.seq}|${type}`) : token;
    return json(200, { changes: changes.map(changeToWire), continuation_token: next }, headersOf(storeId));
  });
}

/** Milliseconds, or `undefined` for `""`. */
function parseStart(text: string, now: number): number | undefined {
  if (text === "") return undefined;
  const time = parseTime(text);
  if (time >= now) throw invalidField("ReadChangesRequest.StartTime", "value must be less than now");
  if (time < 0) throw fgaError("invalid_start_time");
  return time;
}

/** A place in the log is `<seq>|<type>`; no type holds a `|` that would be the first. */
function splitPlace(place: string | undefined): [seq: number, type: string] {
  if (place === undefined) return [0, ""];
  const bar = place.indexOf("|");
  return [Number(place.slice(0, bar)), place.slice(bar + 1)];
}
