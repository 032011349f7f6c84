import { createAudit } from "../audit/index.ts";
import type { ApiConfig } from "../config.ts";
import { randomBytes } from "../crypto/random.ts";
import { httpError } from "../http/errors.ts";
import { createIds } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import type { BrowserSession, BrowserSessions, User } from "../login/index.ts";
import type { Client } from "../oauth/index.ts";
import { createOutbox } from "../storage/outbox.ts";
import { openTestStorage, testEngines } from "../storage/testing.ts";
import { type ApprovalDeps, type Approvals, createApprovals, type OpenRequest } from "./index.ts";
import type { ApprovalTables } from "./store.ts";

/** A whole slice on a real database, with a clock that stands still until it is moved. */
export interface Bench extends AsyncDisposable {
  readonly approvals: Approvals;
  readonly deps: ApprovalDeps;
  readonly clock: { now(): number; advance(ms: number): void };
  /** Clients and users of this bench; change one to switch it off. */
  readonly clients: Map<string, Client>;
  readonly users: Map<string, User>;
  /** Opens a request of `agent` to anne, valid for five minutes; returns what to poll and redeem it with. */
  open(over?: Partial<OpenRequest>): Promise<Opened>;
  /** Answers as anne, having seen what is stored. */
  answer(opened: Opened, decision: "approve" | "deny"): Promise<void>;
  /** Changes a stored row behind the slice's back. */
  tamper(id: string, change: Partial<ApprovalTables["approvals"]>): Promise<void>;
  actions(): Promise<string[]>;
}

export interface Opened {
  readonly id: string;
  readonly digest: string;
  readonly key: { readonly authReqIdHash: string; readonly clientId: string };
}

export const SHOP = "https://shop.example/";

export const shopApi: ApiConfig = {
  audience: SHOP,
  name: "Shop",
  scopes: { "orders:write": "Place orders for you" },
  signingAlgorithm: "ES256",
  accessTokenTtlSeconds: 3_600,
  detailTypes: { purchase: { title: "Purchase" } },
  requireDetails: false,
};

export const purchase = { type: "purchase", item: "Desk lamp", total: "49.90", currency: "EUR" };

/** A session named by the cookie `session=<user>`; its forms carry `csrf-<user>`. */
function testSessions(users: ReadonlyMap<string, User>, authenticatedAt: number): BrowserSessions {
  return {
    async current(request): Promise<BrowserSession | undefined> {
      const user = users.get(/session=([^;]+)/.exec(request.headers.get("cookie") ?? "")?.[1] ?? "");
      if (!user) return undefined;
      const { id, email, name } = user;
      return { id: `ses_${id}`, userId: id, email, name, authenticatedAt, csrf: `csrf-${id}` };
    },
    loginAddress: (returnTo) => `/login?return_to=${encodeURIComponent(returnTo)}`,
    checkForm(_request, session, form) {
      if (form.get("csrf") !== session.csrf) throw httpError("auth.insufficient_scope");
    },
  };
}

export function testClient(id: string, name = id): Client {
  return {
    id,
    name,
    source: "configuration",
    redirectUris: [],
    postLogoutRedirectUris: [],
    grantTypes: ["ciba"],
    firstParty: false,
    confidential: true,
    agent: { owner: "Example Ltd", purpose: "Buys what you ask for", connections: {} },
    disabledAt: undefined,
  } as Client; // The slice reads these members alone; others may be added to the type.
}

export function testUser(id: string): User {
  return {
    id,
    email: `${id}@example.com`,
    name: id,
    locale: undefined,
    role: "user",
    disabledAt: undefined,
  } as User; // As above.
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
  const clients = new Map(
    [testClient("agent", "Shopping helper"), testClient("other")].map((c) => [c.id, c]),
  );
  const users = new Map([testUser("anne"), testUser("ben")].map((user) => [user.id, user]));
  const deps: ApprovalDeps = {
    storage,
    audit,
    clock,
    ids,
    outbox: createOutbox({ storage, clock, ids }),
    clients: { find: async (id) => clients.get(id) },
    users: { find: async (id) => users.get(id) },
    sessions: testSessions(users, now),
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
    users,
    async open(request = {}) {
      count += 1;
      const authReqIdHash = request.authReqIdHash ?? `hash-${count}`;
      const clientId = request.clientId ?? "agent";
      const approval = await approvals.open({
        userId: "anne",
        audience: SHOP,
        scopes: ["openid", "orders:write"],
        bindingMessage: "Buy a lamp",
        details: [purchase],
        expiresAt: now + 300_000,
        ...request,
        authReqIdHash,
        clientId,
      });
      return { id: approval.id, digest: approval.digest, key: { authReqIdHash, clientId } };
    },
    async answer({ id, digest }, decision) {
      await approvals.decide({ approvalId: id, userId: "anne", decision, digest, authenticatedAt: now });
    },
    async tamper(id, change) {
      await storage.db<ApprovalTables>().updateTable("approvals").set(change).where("id", "=", id).execute();
    },
    actions: async () => (await audit.list({})).events.map((event) => event.action).reverse(),
    [Symbol.asyncDispose]: () => storage.close(),
  };
}
