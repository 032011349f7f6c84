import { interactionPolicy } from "oidc-provider";
import { assert } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import type { BrowserSessions } from "../login/index.ts";
import type { ClientRegistry } from "./clients.ts";
import type { ChooseOrganization } from "./organization-choice.ts";
import { toRequest } from "./request.ts";
import { isLoopbackOnly } from "./strangers.ts";

/**
 * Our own browser session decides who is logged in; without it, or with somebody else's, login is due. What a
 * person allowed a stranger on their own machine, another program there must not take in silence (RFC 8252
 * section 8.6).
 */
export function promptPolicy(deps: {
  sessions: BrowserSessions;
  clients: ClientRegistry;
  clock: Clock;
  chooseOrganization: ChooseOrganization;
}): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  const login = policy.get("login");
  assert(login, "the core has a prompt for log-in");
  const details = login.details;
  // The core counts seconds; within one of them an older log-in would pass for a new one.
  login.details = async (ctx) => ({ ...(await details(ctx)), asked_at: deps.clock.now() });
  login.checks.add(
    new interactionPolicy.Check("browser_session", "the user must log in", async (ctx) => {
      const session = await deps.sessions.current(toRequest(ctx));
      const { session: core, client } = ctx.oidc;
      if (session?.userId !== core?.accountId) return interactionPolicy.Check.REQUEST_PROMPT;
      // The `sid` of the ID token names our session: the core's own ends and begins as it likes.
      if (session && client) core?.sidFor(client.clientId, session.id);
      return interactionPolicy.Check.NO_NEED_TO_PROMPT;
    }),
  );
  // A context that is asked for by `acr_values` is voluntary (OpenID Connect Core section 5.5.1.1): after one
  // log-in for it the request goes on with what was reached, and the ID token says what that is.
  login.checks.add(
    new interactionPolicy.Check("acr", "the user must prove more", async (ctx) => {
      const { session: known, params, result } = ctx.oidc;
      const wanted = params?.["acr_values"];
      if (typeof wanted !== "string" || result?.login) return interactionPolicy.Check.NO_NEED_TO_PROMPT;
      const session = await deps.sessions.current(toRequest(ctx));
      // What the core remembers may be older than what the person has proven since.
      return session && session.acr === known?.acr && deps.sessions.reaches(session, wanted)
        ? interactionPolicy.Check.NO_NEED_TO_PROMPT
        : interactionPolicy.Check.REQUEST_PROMPT;
    }),
  );
  policy.add(organizationPrompt(deps.chooseOrganization), 1);
  const consent = policy.get("consent");
  assert(consent, "the core has a prompt for consent");
  const consentDetails = consent.details;
  // A consent is given in one organization, and its grant counts there alone.
  consent.details = async (ctx) => {
    const choice = await deps.chooseOrganization(ctx);
    const organization = choice.state === "chosen" ? choice.organization.id : undefined;
    return { ...(await consentDetails(ctx)), organization };
  };
  consent.checks.add(
    new interactionPolicy.Check(
      "loopback_stranger",
      "the user must consent each time",
      "interaction_required",
      async ({ oidc }) => {
        const client = await deps.clients.find(oidc.client?.clientId ?? "");
        const asks = client?.unverified && isLoopbackOnly(client) && !oidc.result?.consent;
        return asks ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT;
      },
      ({ oidc }) => ({ missingOIDCScope: [...oidc.requestParamOIDCScopes] }),
    ),
  );
  return policy;
}

/** Between log-in and consent: the person picks an organization, accepts an invitation, or learns that they cannot go on. */
function organizationPrompt(choose: ChooseOrganization): interactionPolicy.Prompt {
  const { Check, Prompt } = interactionPolicy;
  const when = (states: readonly string[]) => async (ctx: Parameters<ChooseOrganization>[0]) =>
    states.includes((await choose(ctx)).state) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
  return new Prompt(
    { name: "organization", requestable: false },
    async (ctx) => ({ organization_state: (await choose(ctx)).state }),
    new Check(
      "organization_refused",
      "the user may not act for this organization",
      "access_denied",
      when(["refused"]),
    ),
    new Check("organization_due", "the user must choose an organization", when(["pick", "invited"])),
  );
}
