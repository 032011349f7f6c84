import type { Interaction as CoreInteraction, Provider } from "oidc-provider";
import { errors } from "oidc-provider";
import type { Organizations } from "../organizations/index.ts";
import type { ClientRegistry } from "./clients.ts";
import { EXTRA_PARAM, unpackExtra } from "./form.ts";
import type { Interaction, Interactions, NodeExchange } from "./index.ts";
import type { Resources } from "./resources.ts";

/** What the core says a consent still lacks; and when a log-in was asked for, in milliseconds. */
interface PromptDetails {
  readonly asked_at?: unknown;
  /** Id of the organization the consent is given in. */
  readonly organization?: string;
  readonly organization_state?: unknown;
  readonly missingOIDCScope?: readonly string[];
  readonly missingOIDCClaims?: readonly string[];
  readonly missingResourceScopes?: Readonly<Record<string, readonly string[]>>;
}

/** Reasons for which an existing session is not enough. */
const FRESH_LOGIN_REASONS = ["login_prompt", "max_age", "id_token_hint", "essential_acr", "essential_acrs"];

export function createInteractions(deps: {
  provider: Provider;
  clients: ClientRegistry;
  resources: Resources;
  organizations: Pick<Organizations, "bindGrant">;
}): Interactions {
  const { provider, clients, resources } = deps;

  async function load({ incoming, outgoing }: NodeExchange): Promise<CoreInteraction | undefined> {
    try {
      return await provider.interactionDetails(incoming, outgoing);
    } catch (error) {
      if (error instanceof errors.SessionNotFound) return undefined;
      throw error;
    }
  }

  const finish = (node: NodeExchange, result: Parameters<Provider["interactionResult"]>[2]) =>
    provider.interactionResult(node.incoming, node.outgoing, result, { mergeWithLastSubmission: true });

  function toInteraction(core: CoreInteraction, client: Interaction["client"]): Interaction {
    const details = core.prompt.details as PromptDetails;
    const text = (name: string) => (typeof core.params[name] === "string" ? core.params[name] : undefined);
    return {
      client,
      prompt: promptOf(core.prompt.name),
      organizationState:
        details.organization_state === undefined ? undefined : String(details.organization_state),
      mustAuthenticate: core.prompt.reasons.some((reason) => FRESH_LOGIN_REASONS.includes(reason)),
      startedAt: typeof details.asked_at === "number" ? details.asked_at : core.iat * 1_000,
      userId: core.session?.accountId,
      redirectUri: text("redirect_uri") ?? "",
      loginHint: text("login_hint"),
      uiLocales: text("ui_locales"),
      signUpFirst: text("screen_hint") === "signup",
      connection: text("connection"),
      organization: text("organization"),
      invitation: text("invitation"),
      acrValues: text("acr_values")?.split(" ").filter(Boolean) ?? [],
      // The core has checked that it is a whole number.
      maxAge: core.params["max_age"] === undefined ? undefined : Number(core.params["max_age"]),
      extra: unpackExtra(text(EXTRA_PARAM)),
      asked: {
        oidcScopes: details.missingOIDCScope ?? [],
        apis: Object.entries(details.missingResourceScopes ?? {}).map(([audience, scopes]) => {
          const resource = resources.find(audience);
          return {
            name: resource?.name ?? audience,
            scopes: scopes.map((name) => ({ name, title: resource?.scopes[name] ?? name })),
          };
        }),
      },
    };
  }

  return {
    async find(node) {
      const core = await load(node);
      const client = core && (await clients.find(String(core.params["client_id"])));
      return core && client && toInteraction(core, client);
    },
    finishLogin: (node, login) =>
      finish(node, {
        login: {
          accountId: login.userId,
          ts: Math.floor(login.authenticatedAt / 1_000),
          amr: [...login.amr],
          acr: login.acr,
        },
      }),
    async finishConsent(node) {
      const core = await load(node);
      if (!core?.session) throw new errors.SessionNotFound("interaction is gone");
      const clientId = String(core.params["client_id"]);
      const existing = core.grantId ? await provider.Grant.find(core.grantId) : undefined;
      const grant = existing ?? new provider.Grant({ accountId: core.session.accountId, clientId });
      const missing = core.prompt.details as PromptDetails;
      if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(" "));
      if (missing.missingOIDCClaims) grant.addOIDCClaims([...missing.missingOIDCClaims]);
      for (const [audience, scopes] of Object.entries(missing.missingResourceScopes ?? {}))
        grant.addResourceScope(audience, scopes.join(" "));
      const grantId = await grant.save();
      if (!existing && missing.organization !== undefined)
        await deps.organizations.bindGrant(grantId, missing.organization, core.session.accountId);
      return finish(node, { consent: { grantId } });
    },
    finishOrganization: (node, organizationId) => finish(node, { organization: { id: organizationId } }),
    async endLogin({ incoming, outgoing }) {
      const session = await provider.Session.get(provider.createContext(incoming, outgoing) as never);
      if (session.accountId) await session.destroy();
    },
    deny: (node, reason = "the user denied the request") =>
      finish(node, { error: "access_denied", error_description: reason }),
  };
}

function promptOf(name: string): Interaction["prompt"] {
  return name === "consent" || name === "organization" ? name : "login";
}
