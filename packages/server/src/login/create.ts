import type { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Clients, Interactions } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import { createAccounts } from "./accounts.ts";
import type { Accounts, Sessions } from "./index.ts";
import { createPasswords } from "./passwords.ts";
import { loginRoutes } from "./routes.ts";
import { createSessions } from "./sessions.ts";

/** People, their sessions, and the pages on which they log in and consent. */
export interface Login {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** The pages; built once the OAuth core exists, whose interactions they end. */
  routes(deps: { interactions: Interactions; clients: Clients; formTargets: readonly string[] }): Hono;
}

export async function createLogin(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  keyring: Keyring;
  issuer: string;
  signUp: boolean;
}): Promise<Login> {
  const { storage, clock, issuer } = deps;
  const passwords = await createPasswords();
  const accounts = createAccounts({ ...deps, passwords });
  const sessions = createSessions({ storage, clock, issuer, csrfKey: deps.keyring.derive("csrf") });
  return {
    accounts,
    sessions,
    routes: (late) => loginRoutes({ accounts, sessions, issuer, signUp: deps.signUp, ...late }),
  };
}
