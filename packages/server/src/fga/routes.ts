import { type Context, Hono } from "hono";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Storage } from "../storage/index.ts";
import type { Assertions } from "./assertions.ts";
import type { Authenticate } from "./authenticate.ts";
import { fgaError } from "./errors.ts";
import { type Answer, errorAnswer, readFgaText, streamErrorAnswer, toResponse } from "./http.ts";
import type { Models } from "./models.ts";
import type { Paging } from "./paging.ts";
import type { QueryEndpoints } from "./query-endpoints.ts";
import { storeRoutes } from "./store-routes.ts";
import type { Stores } from "./stores.ts";
import { tupleRoutes } from "./tuple-routes.ts";
import type { Tuples } from "./tuples.ts";

/** Answers one request; `store` is the path's, or `""`. */
export type Handler = (c: Context, store: string) => Answer | Response | Promise<Answer | Response>;

/** Adds a route that asks for a token and turns what is thrown into an answer. */
export type Register = (method: string, path: string, handler: Handler) => void;

/** Objects written to a stream at once. */
const STREAM_CHUNK = 1_000;

/** OpenFGA's HTTP API under `/stores`. @see openfga/api `openfga_service.proto` */
export function fgaRoutes(deps: {
  storage: Storage;
  clock: Clock;
  log: Log;
  authenticate: Authenticate;
  endpoints: QueryEndpoints;
  stores: Stores;
  models: Models;
  tuples: Tuples;
  assertions: Assertions;
  paging: Paging;
}): Hono {
  const { log, endpoints } = deps;
  const app = new Hono();

  const guarded =
    (handler: Handler, onError = errorAnswer) =>
    async (c: Context) => {
      try {
        await deps.authenticate(c.req.header("authorization"));
        const answer = await handler(c, c.req.param("store") ?? "");
        return answer instanceof Response ? answer : toResponse(answer);
      } catch (error) {
        return toResponse(onError(log, error));
      }
    };
  const on: Register = (method, path, handler) => app.on(method, path, guarded(handler));

  for (const name of endpoints.names)
    on("POST", `/stores/:store/${name}`, async (c, store) =>
      endpoints.answer(name, store, await readFgaText(c)),
    );
  app.post(
    "/stores/:store/streamed-list-objects",
    guarded(async (c, store) => {
      const { objects, headers } = await endpoints.streamObjects(store, await readFgaText(c));
      return streamOf(objects, headers);
    }, streamErrorAnswer),
  );
  tupleRoutes(on, deps);
  storeRoutes(on, deps);
  app.all(
    "/stores/*",
    guarded(() => {
      throw fgaError("undefined_endpoint");
    }),
  );
  return app;
}

/** One JSON value a line, made as fast as the client reads. */
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
