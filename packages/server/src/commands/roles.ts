import { CONFIG_OPTION, type Command, UsageError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";
import { findId } from "./users.ts";

const list: Command = {
  name: "roles list",
  summary: "List roles: those of the configuration file, then those of the database.",
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ roles }) => {
      const all = await roles.list();
      const rows = all.map((role) => [role.name, role.source, role.description]);
      context.output.result(table(["NAME", "SOURCE", "DESCRIPTION"], rows), { roles: all });
      return 0;
    }),
};

const create: Command = {
  name: "roles create",
  summary: "Make a role in the database.",
  options: {
    ...CONFIG_OPTION,
    name: { value: "<name>", help: "lower-case letters, digits and : . _ -" },
    description: { value: "<text>", help: "what it is" },
    permission: { value: "<audience>=<scopes>", multiple: true, help: "what it permits, scopes by commas" },
  },
  run(args, context) {
    const name = args.required("name");
    if (!/^[a-z0-9][a-z0-9:._-]{0,63}$/.test(name))
      throw new UsageError("--name: lower-case letters, digits and : . _ - (at most 64)");
    const permissions = args.list("permission").map((text) => {
      // The last sign: an audience may hold one, a scope list does not.
      const at = text.lastIndexOf("=");
      if (at < 1) throw new UsageError("--permission must look like <audience>=<scopes>, scopes by commas");
      const scopes = text.slice(at + 1).split(",");
      return [text.slice(0, at), scopes.filter(Boolean)] as const;
    });
    return withServices(args, context, async ({ roles }) => {
      const description = args.text("description")?.slice(0, 300) ?? "";
      const role = await roles.create({ name, description, permissions: Object.fromEntries(permissions) });
      context.output.result(`Made role ${role.name}.`, role);
      return 0;
    });
  },
};

const assign: Command = {
  name: "roles assign",
  summary: "Replace the roles a user has everywhere; without --role none is left.",
  operands: ["user"],
  options: { ...CONFIG_OPTION, role: { value: "<name>", multiple: true, help: "a role" } },
  run: (args, context) =>
    withServices(args, context, async (services) => {
      const userId = await findId(services, args.operand("user"));
      const names = await services.roles.assign(userId, args.list("role"));
      context.output.result(`${userId} has ${names.join(", ") || "no role"}.`, {
        user_id: userId,
        roles: names,
      });
      return 0;
    }),
};

export const roleCommands: readonly Command[] = [list, create, assign];
