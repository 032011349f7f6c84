import type { ImportOutcome } from "../../login/index.ts";
import type { CommandServices } from "../command.ts";
import type { Output } from "../output.ts";
import { type MappedUser, mapUser } from "./map-user.ts";
import { readUsers } from "./read-users.ts";
import type { Report } from "./report.ts";

/** Users of one transaction. */
const BATCH = 100;

const REFUSED: Partial<Record<ImportOutcome["account"], string>> = {
  id_invalid: "the user_id is no id that a user can have here",
  email_invalid: "the e-mail address is none",
  email_taken: "another user has the e-mail address: one address, one person",
};

export interface UserImport {
  readonly services: Pick<CommandServices, "login" | "roles">;
  readonly report: Report;
  readonly output: Output;
  readonly dryRun: boolean;
  /** Ids of people who log in by a password and have none here; filled in. */
  readonly withoutPassword: Set<string>;
  /** Addresses seen, and whose they are, in a trial run: there the database does not know of those before. */
  readonly seen: Map<string, string>;
}

/** Takes the users of one file. */
export async function importUsers(file: string, given: UserImport): Promise<void> {
  const { report, output } = given;
  let batch: { place: string; mapped: MappedUser }[] = [];
  let count = 0;
  const flush = async () => {
    await importBatch(batch, given);
    count += batch.length;
    batch = [];
    output.progress(`${count} users read`);
  };
  for await (const { place, value, problem } of readUsers(file)) {
    // `value` is a JSON object whenever there is no problem.
    const mapped = problem ?? mapUser(value as Record<string, unknown>);
    if (typeof mapped === "string") report.add("user", place, "refused", [mapped]);
    else batch.push({ place, mapped });
    if (batch.length >= BATCH) await flush();
  }
  await flush();
}

async function importBatch(
  batch: readonly { place: string; mapped: MappedUser }[],
  given: UserImport,
): Promise<void> {
  const { services, dryRun, report, seen } = given;
  const outcomes = await services.login.importAccounts(
    batch.map(({ mapped }) => mapped.account),
    { dryRun },
  );
  for (const [i, outcome] of outcomes.entries()) {
    const entry = batch[i];
    if (!entry) continue;
    const { account } = entry.mapped;
    const key = account.email.normalize("NFKC").trim().toLowerCase();
    const owner = dryRun && outcome.account === "made" ? seen.get(key) : undefined;
    const isSeen = owner !== undefined && owner !== account.id;
    if (dryRun && owner === undefined) seen.set(key, account.id);
    const reason = isSeen ? REFUSED.email_taken : REFUSED[outcome.account];
    if (reason) report.add("user", `${account.id} (${entry.place})`, "refused", [reason]);
    else await finish(entry.mapped, outcome, given);
  }
}

/** Metadata, and what to say of a user who is here now. */
async function finish(mapped: MappedUser, outcome: ImportOutcome, given: UserImport): Promise<void> {
  const { account, hash, metadata } = mapped;
  const notes = [...mapped.notes];
  if (outcome.password === "unknown" || (hash && "unknown" in hash && outcome.account !== "unchanged")) {
    const how = hash && "unknown" in hash ? `hash (${hash.unknown})` : "hash";
    notes.push(`the password's ${how} cannot be checked here: the person resets it`);
  }
  const lacksPassword = outcome.password === "none" || outcome.password === "unknown";
  if (mapped.hasDatabaseIdentity && lacksPassword) given.withoutPassword.add(account.id);
  else given.withoutPassword.delete(account.id);
  const added = await addMetadata(account.id, metadata, given);
  if (typeof added === "string") notes.push(added);
  const isThere = outcome.account === "unchanged" && added !== true;
  given.report.add(
    "user",
    account.id,
    // What was said of somebody the first time is no news the second time.
    isThere ? "there" : notes.length > 0 ? "partly" : "taken",
    isThere ? [] : notes,
  );
}

/** Only where there is none yet. Returns whether it was added, or why it cannot be. */
async function addMetadata(
  userId: string,
  metadata: MappedUser["metadata"],
  { services: { roles }, dryRun }: UserImport,
): Promise<boolean | string> {
  const isEmpty = (members: object | undefined) => Object.values(members ?? {}).every((one) => one === null);
  if (isEmpty(metadata.app) && isEmpty(metadata.user)) return false;
  const known = await roles.metadataOf(userId);
  if (!isEmpty(known.app) || !isEmpty(known.user)) return false;
  if (dryRun) return true;
  try {
    const change = {
      ...(metadata.app ? { app: metadata.app } : {}),
      ...(metadata.user ? { user: metadata.user } : {}),
    };
    await roles.changeMetadata(userId, change);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "request.invalid") throw error;
    return "the metadata is larger than 16 KiB and not taken";
  }
}
