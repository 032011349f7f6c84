import type { Context, Hono } from "hono";
import type { z } from "zod";
import type { Audit } from "../audit/index.ts";
import type { Config } from "../config.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids, RandomBytes } from "../lib/ids.ts";
import type { Accounts, EndTokens, Users } from "../login/index.ts";
import type { RequireToken } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import { type AdminClients, createAdminClients, refuseClientsInBoth } from "./clients.ts";
import { createPageTokens } from "./paging.ts";
import { adminRoutes } from "./routes.ts";
import { type AdminUsers, createAdminUsers } from "./users.ts";

/** What routes of other slices under `/admin/v1` share with its own. */
export interface AdminTools {
  /** @throws ApiError `request.invalid` with every member that is wrong */
  body<T>(c: Context, schema: z.ZodType<T>): Promise<T>;
  /** One page of a list; `read` gives one row more than `limit` when there are more. */
  page<T>(
    c: Context,
    name: string,
    read: (filter: { after?: string | undefined; limit: number }) => Promise<readonly T[]>,
    placeOf: (row: T) => string,
    toWire: (row: T) => unknown,
  ): Promise<Response>;
  /** The user or client that acts. */
  actorId(): string | undefined;
}

/** Routes of another slice, behind the same checks. */
export type AdminExtension = (tools: AdminTools) => Hono;

export type { AdminClients } from "./clients.ts";
export type { AdminUsers } from "./users.ts";

/** What administrators do: through the API, and through the command on the same machine. */
export interface Admin {
  readonly users: AdminUsers;
  readonly clients: AdminClients;
  /**
   * Call before the server accepts requests.
   * @throws ConfigError when a client id is in the file and in the database
   */
  refuseClientsInBoth(): Promise<void>;
  /** `/admin/v1`; built once tokens can be verified. */
  routes(deps: { requireToken: RequireToken; extensions?: readonly AdminExtension[] }): Hono;
}

export function createAdmin(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  random: RandomBytes;
  keyring: Keyring;
  config: Pick<Config, "issuer" | "listen" | "clients" | "apis" | "connections">;
  users: Users;
  createUser: Accounts["create"];
  endTokens: EndTokens;
  /** Told after each change of a client, so that nothing cached outlives it. */
  clientChanged: (id: string) => void;
}): Admin {
  const users = createAdminUsers(deps);
  const clients = createAdminClients(deps);
  const pageTokens = createPageTokens(deps.keyring.derive("admin-page-token"));
  return {
    users,
    clients,
    refuseClientsInBoth: () => refuseClientsInBoth(deps.storage, deps.config),
    routes: ({ requireToken, extensions = [] }) =>
      adminRoutes({
        ...deps,
        requireToken,
        extensions,
        adminUsers: users,
        adminClients: clients,
        pageTokens,
      }),
  };
}
