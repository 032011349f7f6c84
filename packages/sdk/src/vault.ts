import type { CallContext, TokenVaultCredentials } from "./context.ts";
import { BehalfError, isTokenRejected } from "./errors.ts";
import type { ToolFunction, ToolRun } from "./guard.ts";
import {
  type GuardedRun,
  type GuardOptions,
  guard,
  type ProtectedTool,
  type Resolvable,
  resolve,
} from "./guard.ts";
import { badAnswer, type JsonAnswer, quantity, scopeWords, text, texts } from "./http.ts";
import type { Runtime } from "./runtime.ts";
import { rfc3339 } from "./time.ts";
import { accountsOf, vaultRefusal } from "./wire-errors.ts";

type UserToken<Args> = (
  args: Args,
  context: CallContext,
) => string | undefined | PromiseLike<string | undefined>;

/** How a tool gets a connected account's token. Exactly one of `refreshToken` and `accessToken`. */
export interface TokenVaultOptions<Args> extends GuardOptions {
  /** The connection's name on the server, such as `google-oauth2`. */
  connection: string;
  /** The scopes the tool needs at the provider. `[]` for providers that grant none by name. */
  scopes: readonly string[];
  /** The user's refresh token for this client; undefined when the user is not logged in. */
  refreshToken?: UserToken<Args>;
  /** The user's access token for an API whose client this is; undefined when there is none. */
  accessToken?: UserToken<Args>;
  /** Chooses among several accounts of the connection: a `loginHint` of the interrupt's `accounts`. */
  loginHint?: Resolvable<string | undefined, Args>;
}

const GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const REQUESTED = "http://auth0.com/oauth/token-type/federated-connection-access-token";
const SUBJECT_TYPES = {
  refreshToken: "urn:ietf:params:oauth:token-type:refresh_token",
  accessToken: "urn:ietf:params:oauth:token-type:access_token",
};

/**
 * The tool runs with a fresh token of the user's account, which `getAccessTokenFromTokenVault()` returns
 * inside it. Each run exchanges once; nothing is kept, so that every release is recorded by the server and
 * a revocation counts at once.
 *
 * The protected tool throws an `Interrupt` with `vault.*` or `login.required` when only the user can go on,
 * and a `BehalfError` otherwise (`vault.agent_not_allowed`, `vault.provider_unavailable`, `network.*`, …).
 */
export function withTokenVault<Args, Result, Run extends ToolRun>(
  runtime: Runtime,
  options: TokenVaultOptions<Args>,
  tool: ToolFunction<Args, Result, Run>,
): ProtectedTool<Args, Result, Run> {
  if (!options.refreshToken === !options.accessToken) {
    const message = "withTokenVault needs exactly one of refreshToken and accessToken.";
    throw new BehalfError("config.invalid", message);
  }
  return guard(runtime, options, tool, async (run) => {
    const subject = await subjectOf(options, run);
    const loginHint = await resolve(options.loginHint, run.args, run.call);
    const answer = await requestToken(runtime, options, subject, loginHint);
    const credentials = believeToken(runtime, options, run, answer);
    try {
      return await run.proceed({ vault: new Map([[options.connection, credentials]]) });
    } catch (error) {
      throw isTokenRejected(error) ? brokenAccount(options, run) : error;
    }
  });
}

async function subjectOf<Args, Result>(options: TokenVaultOptions<Args>, run: GuardedRun<Args, Result>) {
  const kind = options.refreshToken ? "refreshToken" : "accessToken";
  const token = await options[kind]?.(run.args, run.call);
  if (!token) throw loginRequired(options, run);
  return { token, type: SUBJECT_TYPES[kind] };
}

async function requestToken<Args>(
  { oauth }: Runtime,
  { connection, scopes }: TokenVaultOptions<Args>,
  subject: { token: string; type: string },
  loginHint: string | undefined,
): Promise<JsonAnswer> {
  return oauth.token({
    grant_type: GRANT,
    requested_token_type: REQUESTED,
    subject_token_type: subject.type,
    subject_token: subject.token,
    connection,
    login_hint: loginHint,
    scope: scopes.length > 0 ? scopes.join(" ") : undefined,
  });
}

function believeToken<Args, Result>(
  { config }: Runtime,
  options: TokenVaultOptions<Args>,
  run: GuardedRun<Args, Result>,
  answer: JsonAnswer,
): TokenVaultCredentials {
  if (answer.status !== 200) throw refusal(options, run, answer);
  const accessToken = text(answer.body, "access_token");
  if (!accessToken) throw badAnswer(config.issuer, answer.status, "no access_token");
  const granted = scopeWords(text(answer.body, "scope"));
  // The token the provider gave may carry less than was asked for: RFC 6749 section 3.3.
  if (options.scopes.some((scope) => !granted.includes(scope))) throw scopeMissing(options, run, granted);
  const lifetimeSeconds = quantity(answer.body, "expires_in");
  return {
    connection: options.connection,
    accessToken,
    tokenType: text(answer.body, "token_type") ?? "Bearer",
    scopes: granted,
    ...(lifetimeSeconds === undefined
      ? {}
      : { expiresAt: rfc3339(config.clock.now() + lifetimeSeconds * 1000) }),
  };
}

function refusal<Args, Result>(
  options: TokenVaultOptions<Args>,
  run: GuardedRun<Args, Result>,
  answer: JsonAnswer,
): Error {
  const meaning = vaultRefusal(answer);
  if ("error" in meaning) return meaning.error;
  const { connection, scopes } = options;
  const base = { connection, scopes: [...scopes], requiredScopes: [...scopes] };
  switch (meaning.interrupt) {
    case "vault.scope_missing":
      return scopeMissing(options, run, texts(answer.body, "scopes"));
    case "vault.account_ambiguous":
      return run.interrupt("vault.account_ambiguous", `Choose which account of ${connection} to use.`, {
        ...base,
        accounts: accountsOf(answer.body),
      });
    case "vault.account_broken":
      return brokenAccount(options, run);
    case "login.required":
      return loginRequired(options, run);
    default:
      return run.interrupt("vault.not_connected", `Connect your account at ${connection} to go on.`, base);
  }
}

function loginRequired<Args, Result>({ connection }: TokenVaultOptions<Args>, run: GuardedRun<Args, Result>) {
  return run.interrupt("login.required", "Log in again to go on.", { connection });
}

function brokenAccount<Args, Result>(options: TokenVaultOptions<Args>, run: GuardedRun<Args, Result>) {
  const { connection, scopes } = options;
  const message = `Your account at ${connection} no longer grants access. Connect it again to go on.`;
  const extra = { connection, scopes: [...scopes], requiredScopes: [...scopes] };
  return run.interrupt("vault.account_broken", message, extra);
}

/** @param others scopes to ask for as well, so that connecting again takes none of them away */
function scopeMissing<Args, Result>(
  { connection, scopes }: TokenVaultOptions<Args>,
  run: GuardedRun<Args, Result>,
  others: readonly string[],
) {
  const message = `Your account at ${connection} has not granted everything this needs. Grant it to go on.`;
  const requiredScopes = [...new Set([...others, ...scopes])];
  return run.interrupt("vault.scope_missing", message, { connection, scopes: [...scopes], requiredScopes });
}
