import type { Context } from "hono";
import { note } from "../support/base-app.ts";
import { readForm } from "../support/body.ts";
import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import { Refusal } from "../support/refusal.ts";
import { digest, newSecret } from "../support/secrets.ts";
import { ACCOUNTS, findAccount, OFFLINE_SCOPE } from "./accounts.ts";
import { type AuthorizationRequest, checkAuthorize, redirectTo } from "./authorize.ts";
import type { Client } from "./clients.ts";
import type { ProviderEnv } from "./faults.ts";
import { consentPage, problemPage } from "./pages.ts";
import type { GrantStore } from "./store.ts";

/** What the authorization endpoint needs. */
export type AuthorizeDeps = {
  db: Database;
  grants: GrantStore;
  clients: ReadonlyMap<string, Client>;
  clock: Clock;
  issuer: string;
};

/** How long a person may look at the page. */
const QUESTION_LIFE_MS = 10 * 60_000;
/** RFC 6749 section 4.1.2 recommends at most ten minutes; one is enough for a redirect. */
const CODE_LIFE_MS = 60_000;

/** `GET /authorize`: the page on which a person picks an account and answers, or a redirect with an error. */
export function handleAuthorize(deps: AuthorizeDeps, c: Context<ProviderEnv>): Promise<Response> {
  return orProblemPage(c, async () => {
    const result = checkAuthorize(new URL(c.req.url).searchParams, deps.clients, deps.issuer);
    if ("errorRedirect" in result) {
      c.set("outcome", result.error);
      return c.redirect(result.errorRedirect, 303);
    }
    const { request } = result;
    note(c, { clientId: request.clientId });
    const question = newSecret("cal_q_");
    deps.db.run("DELETE FROM questions WHERE expires_at <= ?", deps.clock());
    deps.db.run(
      "INSERT INTO questions (id, request, expires_at) VALUES (?, ?, ?)",
      digest(question),
      JSON.stringify(request),
      deps.clock() + QUESTION_LIFE_MS,
    );
    const client = deps.clients.get(request.clientId);
    return consentPage({
      question,
      application: client?.name ?? request.clientId,
      redirectUri: request.redirectUri,
      // Asked for by access_type too, and the person must read it either way.
      scopes: request.offline ? [...request.scopes, OFFLINE_SCOPE] : request.scopes,
      accounts: ACCOUNTS,
      selected: findAccount(request.loginHint ?? "") ?? ACCOUNTS[0],
    });
  });
}

/** `POST /authorize/decision`: the person's answer. Each page can be answered once. */
export async function handleDecision(deps: AuthorizeDeps, c: Context<ProviderEnv>): Promise<Response> {
  const form = await readForm(c.req.raw);
  return orProblemPage(c, async () => {
    const decision = form.get("decision");
    const account = findAccount(form.get("account") ?? "");
    if (decision !== "allow" && decision !== "deny") throw badAnswer("The answer must be allow or deny.");
    if (decision === "allow" && !account) throw badAnswer("Pick one of the accounts.");
    const request = takeQuestion(deps, form.get("question") ?? "");
    if (!request)
      throw badAnswer("This page was answered already or is too old. Start again from the application.");
    note(c, { clientId: request.clientId, decision });
    const { authorizationIssuer } = c.get("plan").switches;
    const iss = authorizationIssuer ?? deps.issuer;
    const echo = { state: request.state, iss: iss === "" ? null : iss };
    if (decision === "deny" || !account) {
      const description = "The user did not allow the access.";
      const answer = { error: "access_denied", error_description: description, ...echo };
      return c.redirect(redirectTo(request.redirectUri, answer), 303);
    }
    note(c, { account: account.email });
    const code = saveCode(deps, request, account.id);
    return c.redirect(redirectTo(request.redirectUri, { code, ...echo }), 303);
  });
}

function takeQuestion(deps: AuthorizeDeps, question: string): AuthorizationRequest | undefined {
  const row = deps.db.first<{ request: string }>(
    "DELETE FROM questions WHERE id = ? AND expires_at > ? RETURNING request",
    digest(question),
    deps.clock(),
  );
  // Written by handleAuthorize alone.
  return row && (JSON.parse(row.request) as AuthorizationRequest);
}

function saveCode(deps: AuthorizeDeps, request: AuthorizationRequest, accountId: string): string {
  const code = newSecret("cal_code_");
  deps.grants.saveCode(digest(code), {
    client_id: request.clientId,
    account_id: accountId,
    redirect_uri: request.redirectUri,
    code_challenge: request.codeChallenge,
    scope: request.scopes.join(" "),
    nonce: request.nonce,
    offline: !request.offline ? "no" : request.consentForced ? "forced" : "asked",
    expires_at: deps.clock() + CODE_LIFE_MS,
  });
  return code;
}

/** A person reads this answer, so a refusal is a page. */
async function orProblemPage(c: Context<ProviderEnv>, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    c.set("outcome", error.answer.error);
    return problemPage(error.answer);
  }
}

function badAnswer(description: string): Refusal {
  return new Refusal({ status: 400, error: "invalid_request", description });
}
