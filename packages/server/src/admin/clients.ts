import type { Audit } from "../audit/index.ts";
import {
  type ClientMetadata,
  type Config,
  ConfigError,
  clientMetadataSchema,
  clientProblems,
  hasKeys,
} from "../config.ts";
import { keyedHash } from "../crypto/hash.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids, RandomBytes } from "../lib/ids.ts";
import { type Secret, secret } from "../lib/secret.ts";
import type { Storage, Tx } from "../storage/index.ts";
import { adminError } from "./errors.ts";
import { adminEvents } from "./events.ts";
import type { Page } from "./paging.ts";
import { type AdminTables, type ClientRow, findClientRow, listClientRows, readSwitches } from "./store.ts";
import { type AdminClient, type MetadataChange, snakeCase, withChange } from "./wire.ts";

/** Clients of file and database together, as administrators see, make and switch them. */
export interface AdminClients {
  /** Configured ones first, in the order of the file, then those made at run time by id. */
  list(filter: {
    agentsOnly: boolean;
    after?: string | undefined;
    limit: number;
  }): Promise<Page<AdminClient>>;
  find(id: string): Promise<AdminClient | undefined>;
  /** @throws ApiError `admin.client_unknown` */
  get(id: string): Promise<AdminClient>;
  /**
   * Makes a client. A confidential one without keys of its own gets a secret, which is in the answer and nowhere
   * else: the database keeps a keyed hash.
   * @throws ApiError `admin.client_invalid`
   */
  create(
    metadata: ClientMetadata,
    confidential: boolean,
  ): Promise<{ client: AdminClient; clientSecret: Secret | undefined }>;
  /** @throws ApiError `admin.client_unknown`, `admin.read_only`, `admin.client_invalid` */
  change(id: string, change: MetadataChange): Promise<AdminClient>;
  /**
   * Switches a client off or on, wherever it was declared; safe to call twice.
   * @throws ApiError `admin.client_unknown`
   */
  setDisabled(id: string, disabled: boolean): Promise<AdminClient>;
}

/** 256 bits, as DESIGN section 14.4 asks. */
const SECRET_BYTES = 32;

export function createAdminClients(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  random: RandomBytes;
  keyring: Keyring;
  config: Pick<Config, "issuer" | "listen" | "clients" | "apis" | "connections">;
  /** Told after each change, so that nothing cached outlives it. */
  clientChanged: (id: string) => void;
}): AdminClients {
  const { storage, audit, clock, config } = deps;
  const configured = new Map(config.clients.map((entry) => [entry.id, entry]));
  const secretKey = deps.keyring.derive("client-secret");

  function fromConfig(id: string, switches: ReadonlyMap<string, number>): AdminClient | undefined {
    const entry = configured.get(id);
    if (!entry) return undefined;
    const { id: _id, secret: clientSecret, ...metadata } = entry;
    return {
      id,
      source: "configuration",
      hasSecret: clientSecret !== undefined,
      metadata,
      disabledAt: switches.get(id),
      createdAt: undefined,
    };
  }

  async function find(id: string): Promise<AdminClient | undefined> {
    if (configured.has(id)) return fromConfig(id, await readSwitches(storage));
    const row = await findClientRow(storage, id);
    return row && fromRow(row);
  }

  async function get(id: string): Promise<AdminClient> {
    const client = await find(id);
    if (!client) throw adminError("admin.client_unknown");
    return client;
  }

  function check(metadata: ClientMetadata, hasSecret: boolean): void {
    const problems = clientProblems(metadata, { hasSecret, config }).map(inWireSpelling);
    if (problems.length > 0)
      throw adminError("admin.client_invalid", { detail: problems.join("; "), members: { problems } });
  }

  const record = (tx: Tx, action: string, id: string, details: Record<string, string | boolean> = {}) =>
    audit.appendIn(tx, { action, objectId: id, outcome: "done", details });

  return {
    find,
    get,

    async list({ agentsOnly, after, limit }) {
      const switches = await readSwitches(storage);
      const fromFile = [...configured.keys()]
        .map((id) => fromConfig(id, switches))
        .filter((client) => client !== undefined)
        .filter((client) => !agentsOnly || client.metadata.agent !== undefined);
      // A place is an id: one of the file, or one of the database once the file is through.
      const seen = fromFile.findIndex((client) => client.id === after) + 1;
      const fileIsThrough = after !== undefined && seen === 0;
      const rest = fileIsThrough ? [] : fromFile.slice(seen);
      const head = rest.slice(0, limit);
      if (rest.length > limit) return { items: head, next: head.at(-1)?.id };
      const missing = limit - head.length;
      const place = fileIsThrough ? after : undefined;
      const rows = await listClientRows(storage, { agentsOnly, after: place, limit: missing + 1 });
      const items = [...head, ...rows.slice(0, missing).map(fromRow)];
      return { items, next: rows.length > missing ? items.at(-1)?.id : undefined };
    },

    async create(metadata, confidential) {
      const hasSecret = confidential && !hasKeys(metadata);
      check(metadata, hasSecret);
      const value = Buffer.from(deps.random(SECRET_BYTES)).toString("base64url");
      const now = clock.now();
      const row: ClientRow = {
        id: deps.ids.prefixed("cli"),
        metadata: JSON.stringify(metadata),
        secret_hash: hasSecret ? keyedHash(secretKey, value) : null,
        disabled_at: null,
        created_at: now,
        updated_at: now,
      };
      await storage.transaction(async (tx) => {
        await tx.db<AdminTables>().insertInto("clients").values(row).execute();
        await record(tx, adminEvents.clientCreated, row.id, {
          name: metadata.name,
          confidential: hasSecret || hasKeys(metadata),
        });
      });
      deps.clientChanged(row.id);
      return { client: fromRow(row), clientSecret: hasSecret ? secret(value) : undefined };
    },

    async change(id, change) {
      if (configured.has(id)) throw adminError("admin.read_only");
      const changed = await storage.transaction(async (tx) => {
        // Written first: of two changes at once the second waits here and then builds on the first.
        const row = await tx
          .db<AdminTables>()
          .updateTable("clients")
          .set({ updated_at: clock.now() })
          .where("id", "=", id)
          .returningAll()
          .executeTakeFirst();
        if (!row) throw adminError("admin.client_unknown");
        const client = fromRow(row);
        const metadata = withChange(client.metadata, change);
        check(metadata, client.hasSecret);
        await tx
          .db<AdminTables>()
          .updateTable("clients")
          .set({ metadata: JSON.stringify(metadata) })
          .where("id", "=", id)
          .execute();
        await record(tx, adminEvents.clientChanged, id, {
          members: Object.keys(change).map(snakeCase).sort().join(" "),
        });
        return { ...client, metadata };
      });
      deps.clientChanged(id);
      return changed;
    },

    async setDisabled(id, disabled) {
      await storage.transaction(async (tx) => {
        const switched = configured.has(id)
          ? await switchConfigured(tx, id, disabled ? clock.now() : null)
          : await switchRow(tx, id, disabled ? clock.now() : null);
        const action = disabled ? adminEvents.clientDisabled : adminEvents.clientEnabled;
        if (switched) await record(tx, action, id);
      });
      deps.clientChanged(id);
      return get(id);
    },
  };
}

/** Whether anything changed: switching off what is off keeps the time it was switched off. */
async function switchConfigured(tx: Tx, id: string, disabledAt: number | null): Promise<boolean> {
  const table = tx.db<AdminTables>();
  const on = table.deleteFrom("client_switches").where("id", "=", id).where("disabled_at", "is not", null);
  const off = table
    .insertInto("client_switches")
    .values({ id, disabled_at: disabledAt })
    .onConflict((conflict) =>
      conflict
        .column("id")
        .doUpdateSet({ disabled_at: disabledAt })
        .where("client_switches.disabled_at", "is", null),
    );
  const changed =
    disabledAt === null ? await on.returning("id").execute() : await off.returning("id").execute();
  return changed.length > 0;
}

async function switchRow(tx: Tx, id: string, disabledAt: number | null): Promise<boolean> {
  const row = await tx
    .db<AdminTables>()
    .updateTable("clients")
    .set({ disabled_at: disabledAt })
    .where("id", "=", id)
    .where("disabled_at", disabledAt === null ? "is not" : "is", null)
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/** Problems name members as the configuration file spells them. */
function inWireSpelling(problem: string): string {
  return problem.replace(/^[.:]\s*/, "").replace(/^[A-Za-z]+(?=[:.])/, snakeCase);
}

function fromRow(row: ClientRow): AdminClient {
  return {
    id: row.id,
    source: "runtime",
    hasSecret: row.secret_hash !== null,
    metadata: clientMetadataSchema.parse(JSON.parse(row.metadata)),
    disabledAt: row.disabled_at ?? undefined,
    createdAt: row.created_at,
  };
}

/**
 * Refuses to start when an id is in the file and in the database: nobody could say which one counts.
 * @throws ConfigError naming each
 */
export async function refuseClientsInBoth(storage: Storage, config: Pick<Config, "clients">): Promise<void> {
  const ids = config.clients.map((entry) => entry.id);
  if (ids.length === 0) return;
  const rows = await storage
    .db<AdminTables>()
    .selectFrom("clients")
    .select("id")
    .where("id", "in", ids)
    .orderBy("id")
    .execute();
  if (rows.length > 0)
    throw new ConfigError(
      rows.map((row) => `clients: "${row.id}" is in the database too; give it another id in the file`),
    );
}
