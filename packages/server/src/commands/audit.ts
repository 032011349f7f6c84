import type { Storage } from "../storage/index.ts";
import { CONFIG_OPTION, type Command } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

const verify: Command = {
  name: "audit verify",
  summary: "Walk the whole audit chain and say whether anything was changed, moved or taken out.",
  options: {
    ...CONFIG_OPTION,
    head: { value: "<hash>", help: "an earlier last hash, noted elsewhere: it must be in the chain" },
  },
  notes: "Note the printed hash in a place the server cannot write: a chain cut off whole shows only there.",
  run: (args, context) =>
    withServices(args, context, async ({ audit, storage }) => {
      const verdict = await audit.verify((checked) => context.output.progress(`${checked} events checked`));
      if (!verdict.ok) {
        context.output.failure(
          `The audit log is broken at event ${verdict.seq}: ${verdict.problem}. Compare with a backup; whoever did this could write to the database.`,
          { seq: verdict.seq, problem: verdict.problem },
        );
        return 1;
      }
      const head = args.text("head");
      if (head !== undefined && !(await holdsHash(storage, head))) {
        context.output.failure(`No event has the hash ${head}: the log was replaced since it was noted.`, {
          head,
        });
        return 1;
      }
      context.output.result(`${verdict.events} events, unbroken. Last hash: ${verdict.head}`, verdict);
      return 0;
    }),
};

async function holdsHash(storage: Storage, hash: string): Promise<boolean> {
  const row = await storage
    .db<{ audit_events: { hash: string } }>()
    .selectFrom("audit_events")
    .select("hash")
    .where("hash", "=", hash)
    .executeTakeFirst();
  return row !== undefined;
}

const list: Command = {
  name: "audit list",
  summary: "Show audit events, newest first.",
  options: {
    ...CONFIG_OPTION,
    user: { value: "<id>", help: "only events of this user" },
    action: { value: "<action>", help: "only events of this action" },
    limit: { value: "<number>", help: "how many, 1 to 200 (default: 50)" },
  },
  run(args, context) {
    const limit = args.number("limit", { least: 1, most: 200, otherwise: 50 });
    const [userId, action] = [args.text("user"), args.text("action")];
    return withServices(args, context, async ({ audit }) => {
      const filter = {
        ...(userId === undefined ? {} : { userId }),
        ...(action === undefined ? {} : { action }),
      };
      const { events } = await audit.list({ limit, ...filter });
      const rows = events.map((event) => [
        String(event.seq),
        event.time,
        event.action,
        event.outcome,
        event.actor_id ?? event.client_id ?? "",
        event.user_id ?? "",
        event.object_id ?? "",
      ]);
      context.output.result(table(["SEQ", "TIME", "ACTION", "OUTCOME", "ACTOR", "USER", "OBJECT"], rows), {
        events,
      });
      return 0;
    });
  },
};

export const auditCommands: readonly Command[] = [verify, list];
