#!/usr/bin/env node
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { keptSecret } from "./client-secret.ts";
import { type Command, HELP, parseCommand } from "./config.ts";
import { startMailbox } from "./mailbox/mailbox.ts";
import { startProvider } from "./provider/provider.ts";
import { startShop } from "./shop/shop.ts";
import { StartError } from "./support/start-error.ts";

type Started = { ready: Record<string, unknown>; sentence: string; close(): Promise<void> };

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  const json = args.includes("--json");
  try {
    const command = parseCommand(args, process.env);
    if (command.program === "help") {
      process.stdout.write(HELP);
      return;
    }
    const started = await start(command);
    // Before the ready line: whoever reads it may stop the program at once.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void started.close());
    process.stdout.write(`${json ? JSON.stringify({ ready: true, ...started.ready }) : started.sentence}\n`);
  } catch (error) {
    fail(error, json);
  }
}

function start(command: Exclude<Command, { program: "help" }>): Promise<Started> {
  mkdirSync(dirname(resolve(command.dataFile)), { recursive: true, mode: 0o700 });
  if (command.program === "provider") return runProvider(command);
  return command.program === "shop" ? runShop(command) : runMailbox(command);
}

async function runProvider(command: Command & { program: "provider" }): Promise<Started> {
  const { client, dataFile } = command;
  const secretFile = client.clientSecret === undefined ? `${dataFile}.client-secret` : null;
  const provider = await startProvider({
    port: command.port,
    dataFile,
    ...(command.issuer === undefined ? {} : { issuer: command.issuer }),
    clients: [
      {
        clientId: client.clientId,
        clientSecret: client.clientSecret ?? keptSecret(`${dataFile}.client-secret`),
        redirectUris: client.redirectUris,
        ...(client.name === undefined ? {} : { name: client.name }),
      },
    ],
  });
  const { url, issuer } = provider;
  return {
    ready: {
      name: "provider",
      url,
      issuer,
      dataFile,
      clientId: client.clientId,
      clientSecretFile: secretFile,
    },
    sentence:
      `Sandbox calendar provider: ${url} (issuer ${issuer}, client ${client.clientId}` +
      `${secretFile === null ? "" : `, its secret in ${secretFile}`})`,
    close: provider.close,
  };
}

async function runShop(command: Command & { program: "shop" }): Promise<Started> {
  const shop = await startShop({
    port: command.port,
    dataFile: command.dataFile,
    issuer: command.issuer,
    ...(command.audience === undefined ? {} : { audience: command.audience }),
  });
  const { url, issuer, audience } = shop;
  return {
    ready: { name: "shop", url, issuer, audience, dataFile: command.dataFile },
    sentence: `Sandbox shop: ${url} (takes tokens of ${issuer} for ${audience})`,
    close: shop.close,
  };
}

async function runMailbox(command: Command & { program: "mailbox" }): Promise<Started> {
  const { port, smtpPort, dataFile } = command;
  const mailbox = await startMailbox({ port, smtpPort, dataFile });
  const { url, smsUrl } = mailbox;
  return {
    ready: { name: "mailbox", url, smsUrl, smtpPort: mailbox.smtpPort, dataFile },
    sentence: `Sandbox mailbox: ${url}/mailbox (SMTP on port ${mailbox.smtpPort}, texts at ${smsUrl})`,
    close: mailbox.close,
  };
}

function fail(error: unknown, json: boolean): void {
  if (!(error instanceof StartError)) throw error;
  const { message, exitCode } = error;
  process.stderr.write(`${json ? JSON.stringify({ error: "cannot_start", message }) : message}\n`);
  process.exitCode = exitCode;
}
