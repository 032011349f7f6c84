import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { createKeyFile } from "../crypto/keyring.ts";
import { randomToken } from "../crypto/random.ts";
import { secret } from "../lib/secret.ts";
import { type CertificateFiles, certificateFiles, ensureCertificates } from "./certificates.ts";
import { type Arguments, type Command, type CommandContext, CommandError, UsageError } from "./command.ts";
import { trustText } from "./dev-cert.ts";
import { auth0Environment, configurationText, FIRST_CLIENT_ID } from "./init-files.ts";
import { withServicesOf } from "./services.ts";
import { readPassword } from "./users.ts";

export const init: Command = {
  name: "init",
  summary: "Write a working configuration, keys and the first administrator. Never overwrites.",
  options: {
    dir: { value: "<folder>", help: "where to write (default: this folder)" },
    issuer: {
      value: "<address>",
      help: "public address of the server (default: http://localhost:4000/, https with --profile auth0)",
    },
    email: { value: "<address>", help: "the administrator's e-mail address (default: admin@localhost)" },
    password: {
      value: "<text>",
      help: "the administrator's password; other users of this machine may see it",
    },
    "password-stdin": { help: "read the password from standard input" },
    profile: { value: "auth0", help: "also write settings for the published Auth0 SDKs" },
  },
  notes: "Without a password one is generated and printed once.",
  async run(args, context) {
    const plan = makePlan(args, context);
    const { password, generated } = await choosePassword(args, context);
    const taken = plan.files.filter((file) => existsSync(file));
    if (taken.length > 0)
      throw new CommandError(
        `${taken.map(plan.show).join(", ")} ${taken.length > 1 ? "exist" : "exists"} already. Nothing was written; choose another folder with --dir.`,
      );
    const made: string[] = [];
    try {
      made.push(...(await makeTls(plan, context)));
      writeFiles(plan);
      const admin = await withServicesOf(loadConfig(plan.config, context.env), context, ({ login }) =>
        login.accounts.create({ email: plan.email, password, role: "admin" }),
      );
      context.output.result(summaryOf(plan, generated), {
        config: plan.config,
        issuer: plan.issuer,
        client_id: FIRST_CLIENT_ID,
        client_secret_file: plan.clientSecret,
        ...(plan.tls ? { ca_file: plan.tls.authority } : {}),
        administrator: { id: admin.id, email: admin.email, ...(generated ? { password: generated } : {}) },
      });
      return 0;
    } catch (error) {
      // Half a deployment would keep the next attempt from starting; all of these are ours.
      for (const file of [...plan.files, ...made]) rmSync(file, { force: true });
      throw error;
    }
  },
};

interface Plan {
  readonly dir: string;
  readonly issuer: string;
  readonly email: string;
  readonly config: string;
  readonly rootKey: string;
  readonly clientSecret: string;
  readonly auth0: string | undefined;
  /** The local certificate, for an https address of this machine. */
  readonly tls: CertificateFiles | undefined;
  /** Everything that will exist afterwards, the database with its companions included. */
  readonly files: readonly string[];
  /** A path as the operator would type it. */
  show(path: string): string;
}

function makePlan(args: Arguments, context: CommandContext): Plan {
  const dir = resolve(context.cwd, args.text("dir") ?? ".");
  const profile = args.text("profile");
  const scheme = profile === "auth0" ? "https" : "http";
  const issuer = args.text("issuer") ?? `${scheme}://localhost:4000/`;
  if (!issuer.endsWith("/") || !URL.canParse(issuer))
    throw new UsageError('--issuer must be an address that ends in "/", such as https://id.example.com/');
  if (profile !== undefined && profile !== "auth0") throw new UsageError("--profile must be auth0");
  if (profile === "auth0" && !issuer.startsWith("https:"))
    throw new UsageError(
      "--profile auth0 needs --issuer https://…/: the Auth0 SDKs put https:// before the domain",
    );
  const [config, rootKey, clientSecret] = ["behalf.yaml", "root.key", "assistant.secret"].map((name) =>
    join(dir, name),
  );
  // All three come out of the list above.
  const named = { config, rootKey, clientSecret } as {
    config: string;
    rootKey: string;
    clientSecret: string;
  };
  const auth0 = profile === "auth0" ? join(dir, "auth0.env") : undefined;
  const database = ["behalf.db", "behalf.db-wal", "behalf.db-shm"].map((name) => join(dir, name));
  return {
    ...named,
    dir,
    issuer,
    email: args.text("email") ?? "admin@localhost",
    auth0,
    tls: isLocalHttps(issuer) ? certificateFiles(join(dir, TLS_FOLDER)) : undefined,
    files: [...Object.values(named), ...(auth0 ? [auth0] : []), ...database],
    show(path) {
      const short = relative(context.cwd, path);
      return short.startsWith("..") ? path : short;
    },
  };
}

const TLS_FOLDER = "tls";

function isLocalHttps(issuer: string): boolean {
  const { protocol, hostname } = new URL(issuer);
  return protocol === "https:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

/** The certificate of this machine, made unless `dev-cert` has made it before; returns the files that are new. */
async function makeTls({ tls, dir }: Plan, { clock }: CommandContext): Promise<readonly string[]> {
  if (!tls) return [];
  const before = Object.values(tls).filter((file) => existsSync(file));
  await ensureCertificates({ folder: join(dir, TLS_FOLDER), hosts: [], now: clock.now() });
  return Object.values(tls).filter((file) => !before.includes(file));
}

async function choosePassword(args: Arguments, context: CommandContext) {
  const given = args.text("password");
  if (given === undefined) return readPassword(args, context);
  if (args.flag("password-stdin")) throw new UsageError("give --password or --password-stdin, not both");
  return { password: secret(given), generated: undefined };
}

function writeFiles(plan: Plan): void {
  mkdirSync(plan.dir, { recursive: true });
  const clientSecret = randomToken();
  createKeyFile(plan.rootKey);
  // "wx": somebody else's file is never replaced, not even one that appeared just now.
  writeFileSync(plan.clientSecret, `${clientSecret}\n`, { mode: 0o600, flag: "wx" });
  writeFileSync(plan.config, configurationText(plan), { flag: "wx" });
  if (plan.auth0)
    writeFileSync(plan.auth0, auth0Environment(plan.issuer, clientSecret), { mode: 0o600, flag: "wx" });
}

function summaryOf(plan: Plan, generated: string | undefined): string {
  const config = plan.show(plan.config);
  return [
    `Wrote ${[config, ...[plan.rootKey, plan.clientSecret, plan.auth0].filter((path) => path !== undefined).map(plan.show)].join(", ")}.`,
    `Administrator: ${plan.email}`,
    ...(generated ? [`Password, shown this once: ${generated}`] : []),
    `Keep a copy of ${plan.show(plan.rootKey)} apart from the database: without it nothing that is sealed opens again.`,
    `Start with: behalf serve --config ${config}`,
    ...(plan.tls
      ? [
          "",
          `The certificate is of an authority for this machine alone: ${plan.show(plan.tls.authority)}.`,
          trustText(plan.tls.authority),
        ]
      : []),
  ].join("\n");
}
