import { hash, verify } from "@node-rs/argon2";
import { reveal, type Secret } from "../lib/secret.ts";
import { loginError } from "./errors.ts";
import type { ImportedForms } from "./imported-forms.ts";
import { importedHashOf } from "./imported-passwords.ts";

/** Hashes and checks passwords, a few at a time. Throws `login.busy` when too many wait already. */
export interface Passwords {
  hash(password: Secret): Promise<string>;
  /** Whether a stored hash is of our own making; any other is to be replaced when its password comes by. */
  isOwn(stored: string): boolean;
  /** Takes the same time for `undefined` (no such user, no password) as for a wrong password. */
  matches(stored: string | undefined, password: Secret): Promise<boolean>;
}

/** OWASP's first choice for argon2id: 19 MiB, 2 passes, 1 lane; about 12 ms on one core. */
const ARGON2ID = 2;
const PARAMETERS = { algorithm: ARGON2ID, memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Hashes that run at once; more would take memory and the cores from everybody else. */
const MAX_CONCURRENT = 4;
/** Those that wait: about a second of work. More would only make everybody wait longer, and take their memory. */
const MAX_WAITING = 256;

/** While nothing was imported. */
const NO_FORMS: Pick<ImportedForms, "decoys"> = { decoys: async () => new Map() };

export async function createPasswords(maxWaiting = MAX_WAITING, forms = NO_FORMS): Promise<Passwords> {
  const turn = createQueue(MAX_CONCURRENT, maxWaiting);
  const decoy = await hash("no user has this password", PARAMETERS);
  return {
    hash: (password) => turn(() => hash(reveal(password).normalize("NFKC"), PARAMETERS)),
    isOwn: (stored) => importedHashOf(stored) === undefined,
    matches: async (stored, password) => {
      const imported = stored === undefined ? undefined : importedHashOf(stored);
      const decoys = await forms.decoys();
      const hasOwn = stored !== undefined && imported === undefined;
      return turn(async () => {
        // One check of every form that is in use, whosever password it is: what was imported takes no longer.
        const matchedOwn = await verify(hasOwn ? stored : decoy, reveal(password).normalize("NFKC"));
        const checks = new Map(decoys);
        if (imported) checks.set(imported.form, imported);
        let matchedImported = false;
        for (const check of checks.values())
          if (await check.matches(reveal(password))) matchedImported = true;
        return hasOwn ? matchedOwn : matchedImported;
      });
    },
  };
}

function createQueue(limit: number, maxWaiting: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= limit && waiting.length >= maxWaiting) throw loginError("login.busy");
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
}
