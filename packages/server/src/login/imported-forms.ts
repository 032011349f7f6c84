import type { Clock } from "../lib/clock.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import { decoyOf, type ImportedHash, storedLike } from "./imported-passwords.ts";
import type { LoginTables } from "./store.ts";

/** The forms in which imported passwords are hashed here, so that checking takes as long for everybody. */
export interface ImportedForms {
  /** A decoy of each form, by form. */
  decoys(): Promise<ReadonlyMap<string, ImportedHash>>;
  /** Forgets forms that nobody's password is in any longer. Reads every user: for the start. */
  forgetUnused(): Promise<void>;
}

/** Each further form would be one more check at each log-in. */
export const MAX_IMPORTED_FORMS = 4;
/** An import in another process is seen after this. */
const KNOWN_FOR_MS = 10_000;

export function createImportedForms(deps: { storage: Storage; clock: Clock }): ImportedForms {
  const { storage, clock } = deps;
  let readAt = Number.NEGATIVE_INFINITY;
  let decoys: ReadonlyMap<string, ImportedHash> = new Map();
  return {
    async decoys() {
      if (clock.now() - readAt < KNOWN_FOR_MS) return decoys;
      readAt = clock.now();
      const rows = await forms(storage).selectFrom("imported_password_forms").select("form").execute();
      const entries = rows.map(
        async ({ form }) => [form, decoys.get(form) ?? (await decoyOf(form))] as const,
      );
      decoys = new Map(await Promise.all(entries));
      return decoys;
    },
    async forgetUnused() {
      const rows = await forms(storage).selectFrom("imported_password_forms").select("form").execute();
      for (const { form } of rows)
        await forms(storage)
          .deleteFrom("imported_password_forms")
          .where("form", "=", form)
          .where(({ not, exists, selectFrom }) =>
            not(exists(selectFrom("users").select("id").where("password_hash", "like", storedLike(form)))),
          )
          .execute();
    },
  };
}

/** Notes a form before the first password in it; false when there are too many already. */
export async function noteForm(on: Queryable, form: string): Promise<boolean> {
  const known = await forms(on).selectFrom("imported_password_forms").select("form").execute();
  if (known.some((row) => row.form === form)) return true;
  if (known.length >= MAX_IMPORTED_FORMS) return false;
  await forms(on)
    .insertInto("imported_password_forms")
    .values({ form })
    .onConflict((conflict) => conflict.column("form").doNothing())
    .execute();
  return true;
}

const forms = (on: Queryable) => on.db<LoginTables>();
