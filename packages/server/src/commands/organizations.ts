import { type Arguments, CONFIG_OPTION, type Command, type CommandServices, UsageError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";
import { findId } from "./users.ts";

const PAGE = 200;

const ROLE_OPTION = { role: { value: "<name>", multiple: true, help: "a role inside the organization" } };

/** Every row of a list that is read in pages. */
async function all<T>(
  read: (filter: { after?: string | undefined; limit: number }) => Promise<readonly T[]>,
  placeOf: (row: T) => string,
): Promise<readonly T[]> {
  const rows: T[] = [];
  for (;;) {
    const last = rows.at(-1);
    const page = await read({ limit: PAGE, after: last && placeOf(last) });
    rows.push(...page);
    if (page.length < PAGE) return rows;
  }
}

const list: Command = {
  name: "organizations list",
  summary: "List organizations, oldest first.",
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ organizations }) => {
      const rows = await all(organizations.manage.list, (row) => row.id);
      const cells = rows.map((row) => [
        row.id,
        row.name,
        row.display_name,
        row.disabled_at === null ? "" : "disabled",
      ]);
      context.output.result(table(["ID", "NAME", "DISPLAY NAME", "STATE"], cells), {
        organizations: rows.map((row) => ({
          id: row.id,
          name: row.name,
          display_name: row.display_name,
          disabled: row.disabled_at !== null,
        })),
      });
      return 0;
    }),
};

const create: Command = {
  name: "organizations create",
  summary: "Make an organization.",
  options: {
    ...CONFIG_OPTION,
    name: { value: "<name>", help: "lower-case slug, for good" },
    "display-name": { value: "<text>", help: "how people see it (default: the name)" },
  },
  run: (args, context) => {
    const name = args.required("name");
    // As the administrator's API takes it.
    if (!/^(?!org_)[a-z0-9][a-z0-9_-]{0,49}$/.test(name))
      throw new UsageError("--name: lower-case letters, digits, - _ (at most 50), not beginning with org_");
    return withServices(args, context, async ({ organizations }) => {
      const display_name = args.text("display-name")?.slice(0, 200) ?? name;
      const row = await organizations.manage.create({ name, display_name, branding: {}, metadata: {} });
      context.output.result(`Made organization ${row.name} (${row.id}).`, { id: row.id, name: row.name });
      return 0;
    });
  },
};

const memberCommand = (word: "add" | "remove", summary: string): Command => ({
  name: `organizations members ${word}`,
  summary,
  operands: ["organization", "user"],
  options: { ...CONFIG_OPTION, ...(word === "add" ? ROLE_OPTION : {}) },
  run: (args, context) =>
    withServices(args, context, async (services) => {
      const organization = args.operand("organization");
      const userId = await findId(services, args.operand("user"));
      const { members } = services.organizations;
      if (word === "add") await members.add(organization, [userId], args.list("role"));
      else await members.remove(organization, userId);
      const done = word === "add" ? "a member" : "no member any more";
      context.output.result(`${userId} is ${done} of ${organization}.`, { organization, user_id: userId });
      return 0;
    }),
});

const members: Command = {
  name: "organizations members list",
  summary: "List members with their roles inside the organization.",
  operands: ["organization"],
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async (services) => {
      const rows = await readMembers(args, services);
      const cells = rows.map((row) => [row.user_id, row.email, row.roles.join(" ")]);
      context.output.result(table(["USER", "E-MAIL", "ROLES"], cells), {
        members: rows.map(({ user_id, email, roles }) => ({ user_id, email, roles })),
      });
      return 0;
    }),
};

const readMembers = (args: Arguments, { organizations }: CommandServices) =>
  all(
    (filter) => organizations.members.list(args.operand("organization"), filter),
    (row) => row.user_id,
  );

const invite: Command = {
  name: "organizations invite",
  summary: "Invite a person; the address to hand over is printed once and kept nowhere.",
  operands: ["organization", "e-mail address"],
  options: {
    ...CONFIG_OPTION,
    ...ROLE_OPTION,
    days: { value: "<n>", help: "how long it can be accepted, 1 to 30 (default: 7)" },
  },
  run: (args, context) => {
    const days = args.number("days", { least: 1, most: 30, otherwise: 7 });
    return withServices(args, context, async ({ organizations }) => {
      const body = {
        email: args.operand("e-mail address"),
        roles: [...args.list("role")],
        ttl_seconds: days * 86_400,
        language: "en",
      };
      const { row, address } = await organizations.invitations.create(
        args.operand("organization"),
        body,
        undefined,
      );
      context.output.result(`Invited ${row.email}. Address, shown this once:\n${address}`, {
        id: row.id,
        email: row.email,
        invitation_url: address,
      });
      return 0;
    });
  },
};

export const organizationCommands: readonly Command[] = [
  list,
  create,
  members,
  memberCommand("add", "Make a user a member."),
  memberCommand("remove", "End a membership and what was granted in it."),
  invite,
];
