import { type AsyncAuthorizationOptions, withAsyncAuthorization } from "./approval.ts";
import { type BehalfOptions, resolveConfig } from "./config.ts";
import { type ConnectedAccounts, createConnectedAccounts } from "./connected-accounts.ts";
import { type DeviceAuthorizationOptions, withDeviceAuthorization } from "./device.ts";
import { createFgaClient, type FgaClient } from "./fga/client.ts";
import { type FgaGuardOptions, withFga } from "./fga/guard.ts";
import type { ProtectedTool, ToolFunction, ToolRun } from "./guard.ts";
import { createOAuthClient } from "./oauth.ts";
import type { Runtime } from "./runtime.ts";
import { createSealer } from "./seal.ts";
import { type TokenVaultOptions, withTokenVault } from "./vault.ts";

/** The configured SDK. Safe for concurrent use; make one for each process. */
export interface Behalf {
  /** Puts the Token Vault around a tool: see `TokenVaultOptions`. */
  withTokenVault<Args, Result, Run extends ToolRun = ToolRun>(
    options: TokenVaultOptions<Args>,
    tool: ToolFunction<Args, Result, Run>,
  ): ProtectedTool<Args, Result, Run>;
  /** Puts an approval around a tool: see `AsyncAuthorizationOptions`. */
  withAsyncAuthorization<Args, Result, Run extends ToolRun = ToolRun>(
    options: AsyncAuthorizationOptions<Args, Result>,
    tool: ToolFunction<Args, Result, Run>,
  ): ProtectedTool<Args, Result, Run>;
  /** Puts a login on another device around a tool: see `DeviceAuthorizationOptions`. */
  withDeviceAuthorization<Args, Result, Run extends ToolRun = ToolRun>(
    options: DeviceAuthorizationOptions,
    tool: ToolFunction<Args, Result, Run>,
  ): ProtectedTool<Args, Result, Run>;
  /** Puts a relation check around a tool: see `FgaGuardOptions`. */
  withFGA<Args, Result, Run extends ToolRun = ToolRun>(
    options: FgaGuardOptions<Args, Result>,
    tool: ToolFunction<Args, Result, Run>,
  ): ProtectedTool<Args, Result, Run>;
  readonly fga: FgaClient;
  readonly connectedAccounts: ConnectedAccounts;
  /** For this package's adapters. */
  readonly runtime: Runtime;
}

/**
 * The SDK of one client at one server.
 * @throws BehalfError `config.invalid`, naming everything that is missing or wrong
 */
export function createBehalf(options: BehalfOptions): Behalf {
  const config = resolveConfig(options);
  const runtime: Runtime = {
    config,
    oauth: createOAuthClient(config),
    sealer: createSealer(config.storeKeys),
  };
  const fga = createFgaClient(runtime);
  return {
    withTokenVault: (toolOptions, tool) => withTokenVault(runtime, toolOptions, tool),
    withAsyncAuthorization: (toolOptions, tool) => withAsyncAuthorization(runtime, toolOptions, tool),
    withDeviceAuthorization: (toolOptions, tool) => withDeviceAuthorization(runtime, toolOptions, tool),
    withFGA: (toolOptions, tool) => withFga(runtime, fga, toolOptions, tool),
    fga,
    connectedAccounts: createConnectedAccounts(runtime),
    runtime,
  };
}
