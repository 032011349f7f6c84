import type { Audit } from "../../../audit/index.ts";
import type { ConnectionConfig } from "../../../config.ts";
import type { Sealer } from "../../../crypto/seal.ts";
import type { Discovery } from "../../../http/discovery.ts";
import type { Egress } from "../../../http/egress.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Ids } from "../../../lib/ids.ts";
import type { Log } from "../../../lib/log.ts";
import type { Messages } from "../../../messages/index.ts";
import type { Storage } from "../../../storage/index.ts";
import type { Accounts, LoginProvider } from "../../index.ts";
import { createIdTokens } from "./id-token.ts";
import { createManageIdentities } from "./manage.ts";
import { createStates } from "./states.ts";
import { createIdentityStore } from "./store.ts";
import { createUpstream, type LoginConnection } from "./upstream.ts";
import { createWho } from "./who.ts";

/** Providers, and how they are talked to. */
export interface ConnectionUse {
  /** Those that nobody may log in with are left out here. */
  readonly all: readonly ConnectionConfig[];
  readonly provider: LoginProvider;
  readonly discovery: Discovery;
  readonly egress: Egress;
  readonly log: Log;
}

/** The parts of logging in at other providers. */
export function createFederation(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  sealer: Sealer;
  accounts: Accounts;
  signUp: boolean;
  messages?: Pick<Messages, "mail">;
  connections?: ConnectionUse | undefined;
}) {
  const { accounts, connections: use } = deps;
  const connections = (use?.all ?? []).filter(isForLogin);
  const identities = createIdentityStore(deps);
  const displayName = (name: string) => connections.find((one) => one.name === name)?.displayName;
  return {
    connections,
    identities,
    states: createStates(deps),
    manageIdentities: createManageIdentities({
      ...deps,
      users: accounts,
      identities,
      messages: deps.messages,
      displayName,
    }),
    who: createWho({ accounts, identities, signUp: deps.signUp }),
    talk: use && {
      upstream: createUpstream({ ...use, verifyIdToken: createIdTokens({ ...use, clock: deps.clock }) }),
      discovery: use.discovery,
      log: use.log,
    },
  };
}

function isForLogin(connection: ConnectionConfig): connection is LoginConnection {
  return connection.login !== undefined;
}
