import type { Adapter, AdapterPayload } from "oidc-provider";
import { errors } from "oidc-provider";
import { tokenHash } from "../crypto/hash.ts";
import type { Clock } from "../lib/clock.ts";
import { consumeOnce } from "../storage/consume.ts";
import type { Storage } from "../storage/index.ts";
import { findModel, type OAuthModelRow, type OAuthTables } from "./store.ts";

/** The core looks for these and then writes them: only the write can tell which of two parallel callers came first. */
const SEEN_ONCE: ReadonlySet<string> = new Set(["ReplayDetection"]);

/** The core ends these and then goes on: of parallel callers the one goes on that removed the row. */
const ENDED_ONCE: ReadonlySet<string> = new Set(["Interaction"]);

/** Gives the core its clients: `undefined` is "no such client". */
export type FindClientMetadata = (id: string) => Promise<AdapterPayload | undefined>;

/**
 * Storage of the OAuth core. The id of a model is the token itself, so it is kept as a hash and taken out of
 * the payload; it comes back when somebody presents it. `consume` is one conditional statement: of any number
 * of parallel redemptions exactly one goes on.
 */
export function createAdapter(deps: { storage: Storage; clock: Clock; findClient: FindClientMetadata }) {
  return (model: string): Adapter =>
    model === "Client" ? clientAdapter(deps.findClient) : modelAdapter(model, deps);
}

function modelAdapter(model: string, { storage, clock }: { storage: Storage; clock: Clock }): Adapter {
  const table = () => storage.db<OAuthTables>();

  async function findBy(column: "uid" | "user_code", value: string): Promise<AdapterPayload | undefined> {
    const row = await table()
      .selectFrom("oauth_models")
      .selectAll()
      .where("model", "=", model)
      .where(column, "=", value)
      .executeTakeFirst();
    return row && toPayload(row, undefined);
  }

  return {
    async upsert(id, payload, expiresIn) {
      const now = clock.now();
      const row = toRow(model, id, payload, expiresIn ? now + expiresIn * 1_000 : null);
      const once = SEEN_ONCE.has(model);
      const written = await table()
        .insertInto("oauth_models")
        .values({ ...row, consumed_at: null })
        .onConflict((conflict) => {
          const update = conflict.columns(["model", "id_hash"]).doUpdateSet(row);
          return once ? update.where("oauth_models.expires_at", "<=", now) : update;
        })
        .returning("id_hash")
        .executeTakeFirst();
      if (!written) throw new errors.InvalidGrant("seen before");
    },
    async find(id) {
      const row = await findModel(storage, model, tokenHash(id));
      return row && toPayload(row, id);
    },
    findByUid: (uid) => findBy("uid", uid),
    findByUserCode: (userCode) => findBy("user_code", userCode),
    async consume(id) {
      const won = await consumeOnce(storage, "oauth_models", { model, id_hash: tokenHash(id) }, clock.now());
      if (!won) throw new errors.InvalidGrant("already used");
    },
    async destroy(id) {
      const { numDeletedRows } = await table()
        .deleteFrom("oauth_models")
        .where("model", "=", model)
        .where("id_hash", "=", tokenHash(id))
        .executeTakeFirst();
      if (ENDED_ONCE.has(model) && numDeletedRows === 0n)
        throw new errors.SessionNotFound("the interaction has gone on already");
    },
    async revokeByGrantId(grantId) {
      await table()
        .deleteFrom("oauth_models")
        .where("model", "=", model)
        .where("grant_id", "=", grantId)
        .execute();
    },
  };
}

function toRow(model: string, id: string, payload: AdapterPayload, expiresAt: number | null) {
  const { jti: _isTheToken, ...kept } = payload;
  // An interaction remembers the session cookie's value and has no use for it.
  if (model === "Interaction" && kept.session) kept.session = { ...kept.session, cookie: "" };
  return {
    model,
    id_hash: tokenHash(id),
    payload: JSON.stringify(kept),
    grant_id: payload.grantId ?? null,
    uid: payload.uid ?? null,
    user_code: payload.userCode ?? null,
    account_id: payload.accountId ?? null,
    client_id: payload.clientId ?? null,
    expires_at: expiresAt,
  };
}

/** `id` is missing when a model was found by another key; the core only reads such a model. */
function toPayload(row: OAuthModelRow, id: string | undefined): AdapterPayload {
  // Written by toRow() from the core's own payload.
  const payload = JSON.parse(row.payload) as AdapterPayload;
  if (id !== undefined) payload.jti = id;
  if (row.consumed_at !== null) payload.consumed = Math.floor(row.consumed_at / 1_000);
  return payload;
}

/** Clients live in the configuration and in a table of their own; the core only reads them. */
function clientAdapter(find: FindClientMetadata): Adapter {
  const readOnly = () => Promise.reject(new errors.InvalidRequest("clients are not registered here"));
  return {
    find,
    upsert: readOnly,
    destroy: readOnly,
    consume: readOnly,
    revokeByGrantId: readOnly,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
  };
}
