import { resolve } from "node:path";
import { type Config, loadConfig } from "../config.ts";
import { readKeyFile } from "../crypto/keyring.ts";
import { withRequestContext } from "../http/context.ts";
import type { Arguments, CommandContext, CommandServices } from "./command.ts";

/**
 * The configuration that `--config` names, once its root key file is safe to use.
 * @throws ConfigError, KeyringError
 */
export function readConfig(args: Arguments, context: CommandContext): Config {
  const config = loadConfig(configPath(args, context), context.env);
  // Read for its checks: who else may read it, and whether it holds keys.
  if ("file" in config.rootKeySource) readKeyFile(config.rootKeySource.file);
  return config;
}

export function configPath(args: Arguments, context: CommandContext): string {
  return resolve(context.cwd, args.text("config") ?? "behalf.yaml");
}

/** Runs `work` with the server's services; the audit log names the command as the one who acted. */
export async function withServices<T>(
  args: Arguments,
  context: CommandContext,
  work: (services: CommandServices) => Promise<T>,
): Promise<T> {
  return withServicesOf(readConfig(args, context), context, work);
}

export async function withServicesOf<T>(
  config: Config,
  context: CommandContext,
  work: (services: CommandServices) => Promise<T>,
): Promise<T> {
  const services = await context.openServices(config);
  try {
    const request = { requestId: services.ids.prefixed("cmd"), ip: undefined, actorId: "command" };
    return await withRequestContext(request, () => work(services));
  } finally {
    await services.close();
  }
}
