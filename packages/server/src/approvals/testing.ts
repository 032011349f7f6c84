import { createAudit } from "../audit/index.ts";
import type { ApiConfig } from "../config.ts";
import { createKeyring } from "../crypto/keyring.ts";
import { randomBytes } from "../crypto/random.ts";
import { createSealer } from "../crypto/seal.ts";
import { createIds } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import { createLogin } from "../login/index.ts";
import type { Client } from "../oauth/index.ts";
import { endTokensOf } from "../oauth/store.ts";
import { createOutbox } from "../storage/outbox.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { type ApprovalDeps, type Approvals, createApprovals, type OpenRequest } from "./index.ts";
import type { ApprovalTables } from "./store.ts";

/** A whole slice on a real database with real logins, and a clock that stands still until it is moved. */
export interface Bench extends AsyncDisposable {
  readonly approvals: Approvals;
  readonly deps: ApprovalDeps;
  readonly clock: { now(): number; advance(ms: number): void };
  /** The clients there are; replace or delete one to change it. */
  readonly clients: Map<string, Client>;
  readonly anne: Person;
  readonly ben: Person;
  /** Opens a request of `agent` to anne, valid for five minutes; returns what to poll and redeem it with. */
  open(over?: Partial<OpenRequest>): Promise<Opened>;
  /** Answers as anne, having seen what is stored. */
  answer(opened: Opened, decision: "approve" | "deny"): Promise<void>;
  /** Changes a stored row behind the slice's back. */
  tamper(id: string, change: Partial<ApprovalTables["approvals"]>): Promise<void>;
  switchOff(person: Person): Promise<void>;
  /** Audit actions of the slice, oldest first. */
  actions(): Promise<string[]>;
}

/** A user who is logged in, in one browser. */
export interface Person {
  readonly id: string;
  readonly cookie: string;
}

export interface Opened {
  readonly id: string;
  readonly digest: string;
  readonly key: { readonly authReqIdHash: string; readonly clientId: string };
}

export const ISSUER = "https://id.example/";
export const SHOP = "https://shop.example/";

export const shopApi: ApiConfig = {
  audience: SHOP,
  name: "Shop",
  scopes: { "orders:write": "Place orders for you" },
  signingAlgorithm: "ES256",
  accessTokenTtlSeconds: 3_600,
  detailTypes: { purchase: { title: "Purchase" } },
  introspectionClients: [],
  requireDetails: false,
  requireSecondFactor: false,
  rbac: { enforce: false, permissionsClaim: false },
  claims: {},
};

export const purchase = { type: "purchase", item: "Desk lamp", total: "49.90", currency: "EUR" };

export function testClient(id: string, over: Partial<Client> = {}): Client {
  return {
    id,
    name: id,
    source: "configuration",
    redirectUris: [],
    postLogoutRedirectUris: [],
    webOrigins: [],
    grantTypes: ["ciba"],
    firstParty: false,
    organizations: "none",
    confidential: true,
    agent: { owner: "Example Ltd", purpose: "Buys what you ask for", connections: {} },
    disabledAt: undefined,
    ...over,
  };
}

export async function createBench(
  engine = testEngines()[0],
  over: Partial<Pick<ApprovalDeps, "apis" | "channels">> = {},
): Promise<Bench> {
  const storage = await openTestStorage(engine?.open);
  let now = Date.UTC(2030, 0, 1, 12);
  const clock = {
    now: () => now,
    advance(ms: number) {
      now += ms;
    },
  };
  const ids = createIds({ clock, random: randomBytes });
  const audit = createAudit({ storage, clock });
  const keyring = createKeyring([randomBytes(32)]);
  const login = await createLogin({
    endTokens: endTokensOf,
    storage,
    audit,
    clock,
    ids,
    keyring,
    sealer: createSealer({ keyring }),
    issuer: ISSUER,
    signUp: false,
  });
  const person = async (name: string): Promise<Person> => {
    const user = await login.accounts.create({ email: `${name}@example.com`, name });
    const cookie = await login.sessions.start(new Request(ISSUER), user, { amr: ["pwd"] });
    return { id: user.id, cookie: cookie.split(";")[0] ?? "" };
  };
  const anne = await person("anne");
  const ben = await person("ben");
  const clients = new Map<string, Client>();
  for (const client of [testClient("agent", { name: "Shopping helper" }), testClient("other")])
    clients.set(client.id, client);
  const deps: ApprovalDeps = {
    storage,
    audit,
    clock,
    ids,
    outbox: createOutbox({ storage, clock, ids }),
    clients: { find: async (id) => clients.get(id) },
    users: login.accounts,
    sessions: login.sessions,
    apis: [shopApi],
    log: createLog({ write: () => undefined, clock, level: "silent" }),
    ...over,
  };
  const approvals = createApprovals(deps);
  let count = 0;
  return {
    approvals,
    deps,
    clock,
    clients,
    anne,
    ben,
    async open(request = {}) {
      count += 1;
      const complete: OpenRequest = {
        userId: anne.id,
        clientId: "agent",
        audience: SHOP,
        scopes: ["openid", "orders:write"],
        bindingMessage: "Buy a lamp",
        details: [purchase],
        expiresAt: now + 300_000,
        authReqIdHash: `hash-${count}`,
        ...request,
      };
      const { id, digest } = await approvals.open(complete);
      return { id, digest, key: { authReqIdHash: complete.authReqIdHash, clientId: complete.clientId } };
    },
    async answer({ id, digest }, decision) {
      await approvals.decide({ approvalId: id, userId: anne.id, decision, digest, authenticatedAt: now });
    },
    async tamper(id, change) {
      await storage.db<ApprovalTables>().updateTable("approvals").set(change).where("id", "=", id).execute();
    },
    async switchOff({ id }) {
      const db = storage.db<{ users: { id: string; disabled_at: number } }>();
      await db.updateTable("users").set({ disabled_at: now }).where("id", "=", id).execute();
    },
    async actions() {
      const { events } = await audit.list({});
      return events
        .map(({ action }) => action)
        .filter((action) => action.startsWith("approval."))
        .reverse();
    },
    [Symbol.asyncDispose]: () => storage.close(),
  };
}

/** Numbers from 0 to 1 that are the same at each run. */
export function repeatableRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
