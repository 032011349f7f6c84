import { openStorage, type Storage } from "../storage/index.ts";
import { migrate as applyMigrations, pendingMigrations } from "../storage/migrate.ts";
import { migrations } from "../storage/migrations/index.ts";
import { CONFIG_OPTION, type Command } from "./command.ts";
import { readConfig } from "./services.ts";

export const migrate: Command = {
  name: "migrate",
  summary: "Bring the database up to date. The server does so too when it starts.",
  options: { ...CONFIG_OPTION, check: { help: "change nothing; exit with 1 when something is pending" } },
  async run(args, context) {
    const storage = await openStorage(readConfig(args, context).storage);
    try {
      if (args.flag("check")) {
        const pending = await pendingNames(storage);
        const text =
          pending.length === 0 ? "Up to date." : `Pending: ${pending.join(", ")}. Run "behalf migrate".`;
        context.output.result(text, { pending });
        return pending.length === 0 ? 0 : 1;
      }
      const applied = await applyMigrations(storage, context.clock);
      context.output.result(applied.length === 0 ? "Up to date." : `Applied: ${applied.join(", ")}.`, {
        applied,
      });
      return 0;
    } finally {
      await storage.close();
    }
  },
};

/** Steps this database has not seen; all of them when it is empty. Changes nothing. */
export async function pendingNames(storage: Storage): Promise<readonly string[]> {
  const tables = await storage.db().introspection.getTables();
  const known = tables.some((one) => one.name === "behalf_migrations");
  return (known ? await pendingMigrations(storage) : migrations).map((migration) => migration.name);
}
