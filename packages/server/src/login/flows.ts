import { sql } from "kysely";
import { tokenHash } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import type { Acr, Amr, MethodName } from "./amr.ts";
import type { LoginTables } from "./store.ts";

/** What a log-in is for: the same from its first page to its last. */
export interface FlowRequest {
  /** A path of ours. */
  readonly returnTo: string;
  /** The app one is on the way to. */
  readonly clientId?: string | undefined;
  /** What the app, or a page of ours, wants to be proven. */
  readonly acr?: Acr | undefined;
  /** Whoever logs in must prove it anew, at a provider too. */
  readonly again?: boolean | undefined;
  /** Somebody who is logged in proves again who they are: nobody else counts. */
  readonly expectedUserId?: string | undefined;
  /** Organization to log in to, by id. */
  readonly organizationId?: string | undefined;
  readonly invitation?: string | undefined;
  /** A new password is set at its end, in place of logging in. */
  readonly resetId?: string | undefined;
  /**
   * The connection that vouched for this person already: their own account is to be linked once they have proven
   * that as well, by whatever way, and then both count.
   */
  readonly linking?: MethodName | undefined;
  /** What this browser's session had proven before, for a log-in that only adds to it; `at` in milliseconds. */
  readonly carried?:
    | {
        readonly userId: string;
        readonly amr: readonly Amr[];
        readonly methods: readonly MethodName[];
        readonly at: number;
      }
    | undefined;
}

/** A log-in that is under way in one browser. */
export interface Flow extends FlowRequest {
  /** Names it in addresses of its pages; worth nothing in another browser. */
  readonly id: string;
  /** The e-mail address or telephone number as it was typed; empty when nobody was asked. */
  readonly identifier: string;
  /** Who has proven a first factor; `undefined` before. */
  readonly userId: string | undefined;
  readonly amr: readonly Amr[];
  /** By what it was proven, in the order of the proofs. */
  readonly methods: readonly MethodName[];
}

/** A proof: what it says of the person (RFC 8176), and by what it was made. */
export interface Proof {
  readonly amr: readonly Amr[];
  readonly methods: readonly [MethodName, ...MethodName[]];
}

/** Keeps log-ins that are under way. */
export interface Flows {
  /** `browser` is the value of this browser's form cookie. */
  begin(browser: string, request: FlowRequest & { readonly identifier: string }): Promise<Flow>;
  /** The flow, when it is this browser's and not over. */
  find(browser: string | undefined, id: string | null | undefined): Promise<Flow | undefined>;
  /**
   * Adds proofs; `undefined` when the flow is over, or somebody else has proven something in it. The first
   * caller decides whose flow it is.
   */
  addProof(flow: Flow, userId: string, proof: Proof): Promise<Flow | undefined>;
  /** Ends the flow; true for exactly one of any number of callers. */
  end(flow: Flow, on?: Queryable): Promise<boolean>;
  /** Removes a bounded number of flows that are over; for background work. */
  sweep(): Promise<void>;
}

/** As long as an authorization request waits. */
const FLOW_MS = 30 * 60_000;
/** Once something was proven, whoever finds the browser must not go on much later. */
const PROVEN_MS = 10 * 60_000;
const SWEEP_ROWS = 1_000;

export function createFlows(deps: { storage: Storage; clock: Clock }): Flows {
  const { storage, clock } = deps;
  const table = (on: Queryable = storage) => on.db<LoginTables>();

  return {
    async begin(browser, { identifier, ...request }) {
      const id = randomToken();
      const now = clock.now();
      await table()
        .insertInto("login_flows")
        .values({
          id_hash: tokenHash(id),
          browser_hash: tokenHash(browser),
          request: JSON.stringify(request),
          identifier,
          user_id: request.carried?.userId ?? null,
          amr: JSON.stringify(request.carried?.amr ?? []),
          methods: JSON.stringify(request.carried?.methods ?? []),
          proven_at: null,
          created_at: now,
          expires_at: now + FLOW_MS,
        })
        .execute();
      const { carried } = request;
      const { amr, methods } = carried ?? { amr: [], methods: [] };
      return { ...request, id, identifier, userId: carried?.userId, amr, methods };
    },

    async find(browser, id) {
      if (!browser || !id) return undefined;
      const row = await table()
        .selectFrom("login_flows")
        .selectAll()
        .where("id_hash", "=", tokenHash(id))
        .where("browser_hash", "=", tokenHash(browser))
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      return row && toFlow(id, row);
    },

    async addProof(flow, userId, proof) {
      if (flow.expectedUserId !== undefined && flow.expectedUserId !== userId) return undefined;
      const now = clock.now();
      const amr = JSON.stringify([...new Set([...flow.amr, ...proof.amr])]);
      const methods = JSON.stringify([...new Set([...flow.methods, ...proof.methods])]);
      const row = await table()
        .updateTable("login_flows")
        .set({ user_id: userId, amr, methods, proven_at: now, expires_at: now + PROVEN_MS })
        .where("id_hash", "=", tokenHash(flow.id))
        .where("expires_at", ">", now)
        .where((eb) => eb.or([eb("user_id", "is", null), eb("user_id", "=", userId)]))
        .returningAll()
        .executeTakeFirst();
      return row && toFlow(flow.id, row);
    },

    async end(flow, on) {
      const row = await table(on)
        .deleteFrom("login_flows")
        .where("id_hash", "=", tokenHash(flow.id))
        .returning("id_hash")
        .executeTakeFirst();
      return row !== undefined;
    },

    async sweep() {
      await sql`delete from login_flows where id_hash in (
        select id_hash from login_flows where expires_at < ${clock.now()} limit ${SWEEP_ROWS})`.execute(
        storage.db(),
      );
    },
  };
}

function toFlow(id: string, row: LoginTables["login_flows"]): Flow {
  return {
    // Written by begin() and addProof().
    ...(JSON.parse(row.request) as FlowRequest),
    amr: JSON.parse(row.amr) as Amr[],
    methods: JSON.parse(row.methods) as MethodName[],
    id,
    identifier: row.identifier,
    userId: row.user_id ?? undefined,
  };
}
