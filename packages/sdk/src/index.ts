export type { AsyncAuthorizationOptions } from "./approval.ts";
export { type Behalf, createBehalf } from "./behalf.ts";
export { canonicalJson, parseStrictJson } from "./canonical-json.ts";
export type { BehalfOptions, FgaOptions } from "./config.ts";
export type { ConnectedAccount, ConnectedAccounts, ConnectStart } from "./connected-accounts.ts";
export {
  type AsyncAuthorizationCredentials,
  type BehalfContext,
  type CallContext,
  type DeviceAuthorizationCredentials,
  getAccessTokenFromTokenVault,
  getAsyncAuthorizationCredentials,
  getCredentialsFromTokenVault,
  getDeviceAuthorizationCredentials,
  runWithContext,
  type TokenVaultCredentials,
} from "./context.ts";
export type { DeviceAuthorizationOptions } from "./device.ts";
export { BehalfError, tokenRejected } from "./errors.ts";
export type { FgaCallOptions, FgaClient, FgaConsistency, FgaQuery, Tuple, TupleKey } from "./fga/client.ts";
export type { FgaGuardOptions } from "./fga/guard.ts";
export {
  FGAFilter,
  FGARetriever,
  type FgaFilter,
  type FgaFilterOptions,
  type Retriever,
} from "./fga/retrieval.ts";
export type { GuardOptions, ProtectedTool, Resolvable, ToolFunction, ToolRun } from "./guard.ts";
export {
  INTERRUPT_NAME,
  Interrupt,
  type InterruptAccount,
  type InterruptApproval,
  type InterruptCode,
  type InterruptData,
  type InterruptDevice,
  interruptFromError,
} from "./interrupt.ts";
export type { Runtime } from "./runtime.ts";
export { type Clock, createMemoryStore, type PutOptions, type Store } from "./store.ts";
export type { TokenVaultOptions } from "./vault.ts";
