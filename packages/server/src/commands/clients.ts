import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { clientMetadataSchema } from "../config.ts";
import { reveal } from "../lib/secret.ts";
import { type Arguments, CONFIG_OPTION, type Command, UsageError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

const PAGE = 200;

const create: Command = {
  name: "clients create",
  summary: "Make a client in the database. Its secret, if it has no keys, is printed once and kept nowhere.",
  options: {
    ...CONFIG_OPTION,
    name: { value: "<name>", help: "how users see it" },
    "redirect-uri": { value: "<uri>", multiple: true, help: "where log-ins come back to" },
    "logout-uri": { value: "<uri>", multiple: true, help: "where log-outs come back to" },
    grant: {
      value: "<type>",
      multiple: true,
      help: "authorization_code, refresh_token, client_credentials, ciba, device_code, token_vault, passkey",
    },
    api: {
      value: "<audience>=<scopes>",
      multiple: true,
      help: "an API with the scopes it may have, by commas",
    },
    jwks: {
      value: "<file>",
      help: "its public keys (a JWK set): it proves itself with them, without a secret",
    },
    "jwks-uri": { value: "<uri>", help: "where its public keys are" },
    public: { help: "no secret: it authenticates with PKCE alone" },
    "first-party": { help: "no consent page for its own APIs" },
    "agent-owner": { value: "<text>", help: "makes it an agent: who answers for it" },
    "agent-purpose": { value: "<text>", help: "makes it an agent: what it is for" },
    connection: { value: "<name>=<scopes>", multiple: true, help: "a connection the agent may use" },
  },
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      const made = await admin.clients.create(readMetadata(args, context.cwd), !args.flag("public"));
      const clientSecret = made.clientSecret && reveal(made.clientSecret);
      const shown = clientSecret ? `\nSecret, shown this once: ${clientSecret}` : "";
      context.output.result(`Made client ${made.client.id}.${shown}`, {
        id: made.client.id,
        name: made.client.metadata.name,
        ...(clientSecret ? { client_secret: clientSecret } : {}),
      });
      return 0;
    }),
};

function readMetadata(args: Arguments, cwd: string) {
  const [owner, purpose] = [args.text("agent-owner"), args.text("agent-purpose")];
  const connections = scopeLists(args, "connection");
  const isAgent = owner !== undefined || purpose !== undefined || Object.keys(connections).length > 0;
  const grants = args.list("grant");
  const result = clientMetadataSchema.safeParse({
    name: args.required("name"),
    redirectUris: args.list("redirect-uri"),
    postLogoutRedirectUris: args.list("logout-uri"),
    ...(grants.length > 0 ? { grantTypes: grants } : {}),
    apis: scopeLists(args, "api"),
    firstParty: args.flag("first-party"),
    jwks: readKeySet(args.text("jwks"), cwd),
    jwksUri: args.text("jwks-uri"),
    ...(isAgent
      ? {
          agent: {
            owner: args.required("agent-owner"),
            purpose: args.required("agent-purpose"),
            connections,
          },
        }
      : {}),
  });
  if (result.success) return result.data;
  throw new UsageError(
    result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("\n"),
  );
}

function readKeySet(file: string | undefined, cwd: string): unknown {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(resolve(cwd, file), "utf8"));
  } catch (cause) {
    throw new UsageError(`--jwks: ${file} cannot be read as JSON`, { cause });
  }
}

/** `name=a,b` given any number of times, as the configuration holds it. */
function scopeLists(args: Arguments, option: string): Record<string, { scopes: string[] }> {
  const entries = args.list(option).map((text) => {
    // The last sign: an audience may hold one, a scope list does not.
    const at = text.lastIndexOf("=");
    if (at < 1) throw new UsageError(`--${option} must look like <name>=<scopes>, scopes by commas`);
    const scopes = text
      .slice(at + 1)
      .split(",")
      .filter(Boolean);
    return [text.slice(0, at), { scopes }] as const;
  });
  return Object.fromEntries(entries);
}

const list: Command = {
  name: "clients list",
  summary: "List clients: those of the configuration file, then those of the database.",
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      const clients = [];
      let after: string | undefined;
      do {
        const page = await admin.clients.list({ agentsOnly: false, after, limit: PAGE });
        clients.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      const rows = clients.map((client) => [
        client.id,
        client.metadata.name,
        client.source,
        client.metadata.agent ? "agent" : "",
        client.disabledAt === undefined ? "" : "disabled",
      ]);
      context.output.result(table(["ID", "NAME", "SOURCE", "KIND", "STATE"], rows), {
        clients: clients.map((client) => ({
          id: client.id,
          name: client.metadata.name,
          source: client.source,
          agent: client.metadata.agent !== undefined,
          disabled: client.disabledAt !== undefined,
        })),
      });
      return 0;
    }),
};

const switchCommand = (word: "disable" | "enable", summary: string): Command => ({
  name: `clients ${word}`,
  summary,
  operands: ["id"],
  options: CONFIG_OPTION,
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      const client = await admin.clients.setDisabled(args.operand("id"), word === "disable");
      context.output.result(`${client.id} is ${word}d.`, {
        id: client.id,
        disabled: client.disabledAt !== undefined,
      });
      return 0;
    }),
});

export const clientCommands: readonly Command[] = [
  create,
  list,
  switchCommand("disable", "Switch a client or agent off: nothing of it works until it is enabled."),
  switchCommand("enable", "Switch a client or agent on again."),
];
