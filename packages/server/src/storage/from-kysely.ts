import type { Kysely, Transaction } from "kysely";
import type { Storage, Tx } from "./index.ts";

/** Wraps a Kysely instance of either engine as {@link Storage}. */
export function fromKysely(
  engine: Storage["engine"],
  kysely: Kysely<unknown>,
  claim: { readonly take: () => boolean; readonly release: () => void } = UNLIMITED,
): Storage {
  return {
    engine,
    claim: claim.take,
    // A view by type only: the tables a slice declares are the ones its migration made.
    db: <T>() => kysely as unknown as Kysely<T>,
    transaction: (work) => kysely.transaction().execute((tx) => work(toTx(engine, tx))),
    async close() {
      await kysely.destroy();
      claim.release();
    },
  };
}

/** Any number of processes may serve. */
const UNLIMITED = { take: () => true, release: () => undefined };

function toTx(engine: Storage["engine"], tx: Transaction<unknown>): Tx {
  // The same view by type as above.
  return { engine, db: <T>() => tx as unknown as Transaction<T> };
}
