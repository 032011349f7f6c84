import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ClientMetadata, clientMetadataSchema } from "../config.ts";
import { reveal } from "../lib/secret.ts";
import { type Arguments, CONFIG_OPTION, type Command, UsageError } from "./command.ts";
import { table } from "./output.ts";
import { withServices } from "./services.ts";

const PAGE = 200;

const grantNames = clientMetadataSchema.shape.grantTypes.unwrap().element.options;

/** What `--clear` takes away, by the option that gives it, with what is left then. */
const CLEARABLE: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map([
  ["redirect-uri", { redirectUris: [] }],
  ["logout-uri", { postLogoutRedirectUris: [] }],
  ["web-origin", { webOrigins: [] }],
  ["backchannel-logout-uri", { backchannelLogoutUri: null }],
  ["api", { apis: {} }],
  ["first-party", { firstParty: false }],
  ["rotate-refresh-tokens", { rotateRefreshTokens: null }],
  ["jwks", { jwks: null }],
  ["jwks-uri", { jwksUri: null }],
  ["tls-client-auth", { tlsClientAuth: null }],
  ["certificate", { selfSignedTlsClientAuth: null }],
  ["bound-tokens", { tlsClientCertificateBoundAccessTokens: false }],
  ["agent", { agent: null }],
]);

/** What a client may be given, at its making and later. */
const METADATA_OPTIONS: Command["options"] = {
  name: { value: "<name>", help: "how users see it" },
  "redirect-uri": { value: "<uri>", multiple: true, help: "where log-ins come back to" },
  "logout-uri": { value: "<uri>", multiple: true, help: "where log-outs come back to" },
  "web-origin": { value: "<origin>", multiple: true, help: "where its pages are: they may read our answers" },
  "backchannel-logout-uri": { value: "<uri>", help: "where it hears that a session has ended" },
  "backchannel-logout-format": { value: "<format>", help: "what the logout token comes in: form or json" },
  grant: {
    value: "<type>",
    multiple: true,
    help: grantNames.join(", "),
  },
  api: {
    value: "<audience>=<scopes>",
    multiple: true,
    help: "an API with the scopes it may have, by commas",
  },
  organizations: { value: "<when>", help: "its users act for organizations: none, optional or required" },
  "first-party": { help: "no consent page for its own APIs" },
  "rotate-refresh-tokens": {
    value: "<yes|no>",
    help: "a new one at each use (default: public clients only)",
  },
  "id-token-algorithm": { value: "<name>", help: "RS256 or ES256" },
  jwks: {
    value: "<file>",
    help: "its public keys (a JWK set): it proves itself with them, without a secret",
  },
  "jwks-uri": { value: "<uri>", help: "where its public keys are" },
  "tls-client-auth": {
    value: "<name>=<value>",
    help: "by its certificate of listen.mtls.caFile: subject_dn, san_dns, san_uri, san_ip or san_email",
  },
  certificate: { value: "<file>", multiple: true, help: "by this certificate (PEM), whoever signed it" },
  "bound-tokens": { help: "its tokens are good with the certificate alone that it got them with" },
  "agent-owner": { value: "<text>", help: "makes it an agent: who answers for it" },
  "agent-purpose": { value: "<text>", help: "makes it an agent: what it is for" },
  connection: { value: "<name>=<scopes>", multiple: true, help: "a connection the agent may use" },
};

const create: Command = {
  name: "clients create",
  summary: "Make a client in the database. Its secret, if it has no keys, is printed once and kept nowhere.",
  options: {
    ...CONFIG_OPTION,
    ...METADATA_OPTIONS,
    public: { help: "no secret: it authenticates with PKCE alone" },
  },
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      args.required("name");
      const metadata = parsed({
        ...readMembers(args, context.cwd),
        agent: readAgent(args, undefined),
      });
      const made = await admin.clients.create(metadata, !args.flag("public"));
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

const update: Command = {
  name: "clients update",
  summary: "Change a client of the database: what is given replaces what it had, the rest stays.",
  operands: ["id"],
  options: {
    ...CONFIG_OPTION,
    ...METADATA_OPTIONS,
    clear: { value: "<member>", multiple: true, help: `take away: ${[...CLEARABLE.keys()].join(", ")}` },
  },
  run: (args, context) =>
    withServices(args, context, async ({ admin }) => {
      const client = await admin.clients.get(args.operand("id"));
      const members = readMembers(args, context.cwd);
      const agent = readAgent(args, client.metadata.agent);
      const cleared = args.list("clear").map((name) => {
        const empty = CLEARABLE.get(name);
        if (!empty) throw new UsageError(`--clear must be one of: ${[...CLEARABLE.keys()].join(", ")}`);
        return empty;
      });
      const change = Object.assign({}, members, agent ? { agent } : {}, ...cleared);
      if (Object.keys(change).length === 0) throw new UsageError("say what to change");
      const whole = Object.entries({ ...client.metadata, ...change }).filter(([, value]) => value !== null);
      parsed(Object.fromEntries(whole));
      const changed = await admin.clients.change(client.id, change);
      context.output.result(`Changed ${changed.id}: ${Object.keys(change).join(", ")}.`, {
        id: changed.id,
        changed: Object.keys(change),
      });
      return 0;
    }),
};

/** The members that the options name; those that were not given are absent. */
function readMembers(args: Arguments, cwd: string): Record<string, unknown> {
  const members = {
    name: args.text("name"),
    redirectUris: given(args.list("redirect-uri")),
    postLogoutRedirectUris: given(args.list("logout-uri")),
    webOrigins: given(args.list("web-origin")),
    backchannelLogoutUri: args.text("backchannel-logout-uri"),
    backchannelLogoutFormat: args.text("backchannel-logout-format"),
    grantTypes: given(args.list("grant")),
    apis: args.list("api").length > 0 ? scopeLists(args, "api") : undefined,
    organizations: args.text("organizations"),
    firstParty: args.flag("first-party") || undefined,
    rotateRefreshTokens: yesOrNo(args, "rotate-refresh-tokens"),
    idTokenAlgorithm: args.text("id-token-algorithm"),
    jwks: readKeySet(args.text("jwks"), cwd),
    jwksUri: args.text("jwks-uri"),
    ...readCertificates(args, cwd),
    tlsClientCertificateBoundAccessTokens: args.flag("bound-tokens") || undefined,
  } satisfies Partial<Record<keyof ClientMetadata, unknown>>;
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

const given = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined);

function yesOrNo(args: Arguments, option: string): boolean | undefined {
  const text = args.text(option);
  if (text !== undefined && text !== "yes" && text !== "no")
    throw new UsageError(`--${option} must be yes or no`);
  return text === undefined ? undefined : text === "yes";
}

/** The agent policy that the options describe, on top of the one it has; absent when none of them was given. */
function readAgent(args: Arguments, has: ClientMetadata["agent"]): unknown {
  const connections = scopeLists(args, "connection");
  const isNamed = args.text("agent-owner") ?? args.text("agent-purpose") ?? given(args.list("connection"));
  if (isNamed === undefined) return undefined;
  return {
    owner: args.text("agent-owner") ?? has?.owner ?? args.required("agent-owner"),
    purpose: args.text("agent-purpose") ?? has?.purpose ?? args.required("agent-purpose"),
    connections: given(args.list("connection")) ? connections : (has?.connections ?? {}),
  };
}

function parsed(value: unknown): ClientMetadata {
  const result = clientMetadataSchema.safeParse(value);
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

/** What it proves itself with in place of a secret, when that is a certificate. */
function readCertificates(args: Arguments, cwd: string) {
  const named = args.text("tls-client-auth");
  const files = args.list("certificate");
  const at = named?.indexOf("=") ?? 0;
  const certificates = files.map((file) => {
    try {
      return readFileSync(resolve(cwd, file), "utf8");
    } catch (cause) {
      throw new UsageError(`--certificate: ${file} cannot be read`, { cause });
    }
  });
  return {
    ...(named === undefined ? {} : { tlsClientAuth: { by: named.slice(0, at), value: named.slice(at + 1) } }),
    ...(files.length === 0 ? {} : { selfSignedTlsClientAuth: { certificates } }),
  };
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
  update,
  list,
  switchCommand("disable", "Switch a client or agent off: nothing of it works until it is enabled."),
  switchCommand("enable", "Switch a client or agent on again."),
];
