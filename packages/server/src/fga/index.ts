import type { Hono } from "hono";
import type { NodeHandler } from "../http/server.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Secret } from "../lib/secret.ts";
import type { RequireToken } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import { createAssertions } from "./assertions.ts";
import { createAuthenticate } from "./authenticate.ts";
import { createContinuationTokens } from "./continuation.ts";
import { createModels } from "./models.ts";
import { createNodeHandler } from "./node-handler.ts";
import { createPaging } from "./paging.ts";
import { createQueries } from "./queries.ts";
import { createQueryEndpoints } from "./query-endpoints.ts";
import { createResidents, type ResidentLimits } from "./resident.ts";
import { fgaRoutes } from "./routes.ts";
import { createStores } from "./stores.ts";
import { createTuples } from "./tuples.ts";

/** Fine-grained authorization: OpenFGA's HTTP API over the embedded engine. */
export interface Fga {
  /** `/stores` and everything below. */
  readonly routes: Hono;
  /** The query endpoints of {@link routes} on `node:http`; serve it first. */
  readonly handler: NodeHandler;
}

export function createFga(deps: {
  storage: Storage;
  clock: Clock;
  ids: Ids;
  log: Log;
  presharedKeys: readonly Secret[];
  requireToken: RequireToken;
  issuer: string;
  /** Key of continuation tokens; 32 bytes. */
  cursorKey: Uint8Array;
  limits?: Partial<ResidentLimits>;
}): Fga {
  const residents = createResidents(deps);
  const models = createModels({ ...deps, onWritten: residents.recordModel });
  const stores = createStores({
    ...deps,
    onDeleted(id) {
      residents.drop(id);
      models.forget(id);
    },
  });
  const queries = createQueries({ ...deps, models, residents });
  const endpoints = createQueryEndpoints({ queries });
  const authenticate = createAuthenticate({ ...deps, audience: `${deps.issuer}fga/` });
  return {
    handler: createNodeHandler({ ...deps, endpoints, authenticate }),
    routes: fgaRoutes({
      ...deps,
      authenticate,
      endpoints,
      stores,
      models,
      tuples: createTuples({ ...deps, models, residents }),
      assertions: createAssertions({ ...deps, models }),
      paging: createPaging(createContinuationTokens(deps.cursorKey)),
    }),
  };
}
