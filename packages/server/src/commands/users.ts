import { randomBytes } from "../crypto/random.ts";
import { type Secret, secret } from "../lib/secret.ts";
import {
  type Arguments,
  CONFIG_OPTION,
  type Command,
  type CommandContext,
  CommandError,
  type CommandServices,
  UsageError,
} from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

const PAGE = 200;
const GENERATED_BYTES = 18;

const create: Command = {
  name: "users create",
  summary: "Make a user. Without a password one is generated and printed once.",
  options: {
    ...CONFIG_OPTION,
    email: { value: "<address>", help: "e-mail address, with which the user logs in" },
    name: { value: "<name>", help: "how the user is called on pages" },
    role: { value: "user|admin", help: "what the user may do (default: user)" },
    "password-stdin": { help: "read the password from standard input" },
  },
  async run(args, context) {
    const email = args.required("email");
    const role = args.text("role") ?? "user";
    if (role !== "user" && role !== "admin") throw new UsageError("--role must be user or admin");
    const { password, generated } = await readPassword(args, context);
    return withServices(args, context, async ({ login }) => {
      const user = await login.accounts.create({ email, name: args.text("name"), role, password });
      context.output.result(
        `Made ${role} ${user.email} (${user.id}).${generated ? `\nPassword, shown this once: ${generated}` : ""}`,
        { id: user.id, email: user.email, role, ...(generated ? { password: generated } : {}) },
      );
      return 0;
    });
  },
};

const list: Command = {
  name: "users list",
  summary: "List users, oldest first.",
  options: { ...CONFIG_OPTION, email: { value: "<text>", help: "only addresses that contain this text" } },
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      const users = [];
      let after: string | undefined;
      do {
        const page = await admin.users.list({ email: args.text("email"), after, limit: PAGE });
        users.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      const rows = users.map((user) => [
        user.id,
        user.email,
        user.role,
        user.disabled_at === null ? "" : "disabled",
      ]);
      context.output.result(table(["ID", "E-MAIL", "ROLE", "STATE"], rows), {
        users: users.map((user) => ({
          id: user.id,
          email: user.email,
          name: user.name,
          role: user.role,
          disabled: user.disabled_at !== null,
        })),
      });
      return 0;
    }),
};

const switchCommand = (word: "disable" | "enable", summary: string): Command => ({
  name: `users ${word}`,
  summary,
  operands: ["id or e-mail address"],
  options: CONFIG_OPTION,
  run(args, context) {
    const given = args.operand("id or e-mail address");
    return withServices(args, context, async (services) => {
      const user = await services.admin.users.setDisabled(await findId(services, given), word === "disable");
      context.output.result(`${user.email} is ${word}d.`, {
        id: user.id,
        email: user.email,
        disabled: user.disabled_at !== null,
      });
      return 0;
    });
  },
});

/** The id of a user given by id or e-mail address. */
export async function findId({ admin }: CommandServices, given: string): Promise<string> {
  if (!given.includes("@")) return given;
  const key = given.normalize("NFKC").trim().toLowerCase();
  const { items } = await admin.users.list({ email: given, limit: PAGE });
  const user = items.find((one) => one.email_key === key);
  if (!user)
    throw new CommandError(`There is no user with the address ${given}. "behalf users list" shows all.`);
  return user.id;
}

/** The password given on standard input (one line), or a generated one of 144 bits. */
export async function readPassword(
  args: Arguments,
  context: CommandContext,
): Promise<{ password: Secret; generated: string | undefined }> {
  if (args.flag("password-stdin")) {
    const text = (await context.readStandardInput()).replace(/\r?\n$/, "");
    if (text === "") throw new UsageError("--password-stdin: standard input is empty");
    return { password: secret(text), generated: undefined };
  }
  const generated = randomBytes(GENERATED_BYTES).toString("base64url");
  return { password: secret(generated), generated };
}

export const userCommands: readonly Command[] = [
  create,
  list,
  switchCommand("disable", "Keep a user from logging in and end every session."),
  switchCommand("enable", "Let a user log in again."),
];
