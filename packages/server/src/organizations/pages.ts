import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { html } from "hono/html";
import type { BrowserSession, BrowserSessions, Users } from "../login/index.ts";
import type { Interaction, Interactions } from "../oauth/index.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { type Html, renderPage } from "../pages/layout.ts";
import type { Organization, Organizations } from "./index.ts";
import type { Invitations } from "./invitations.ts";

const MAX_FORM_BYTES = 4_096;

export interface OrganizationPageDeps extends Pick<Organizations, "organizationsOf"> {
  readonly interactions: Interactions;
  readonly sessions: BrowserSessions;
  readonly users: Users;
  readonly invitations: Invitations;
}

/** The pages of this slice: an invitation, and the choice that an authorization request waits for. */
export function organizationPages(deps: OrganizationPageDeps): Hono {
  const app = new Hono().route("/", invitationRoutes(deps));
  return app.route("/", choiceRoutes(deps) as unknown as Hono);
}

/** `/interaction/<id>/organization`: pick one, accept an invitation, or learn that one cannot go on. */
function choiceRoutes(deps: OrganizationPageDeps): Hono<{ Bindings: HttpBindings }> {
  const { interactions, sessions, users, invitations } = deps;
  const app = new Hono<{ Bindings: HttpBindings }>();

  /** The interaction and the person it is for, who must be the one that is logged in. */
  async function load(c: { env: HttpBindings; req: { raw: Request } }) {
    const interaction = await interactions.find(c.env);
    const session = await sessions.current(c.req.raw);
    if (interaction?.prompt !== "organization" || !session || interaction.userId !== session.userId)
      return undefined;
    return { interaction, session };
  }

  app.get("/interaction/:uid/organization", async (c) => {
    const found = await load(c);
    if (!found) return expired(c.req.raw);
    const { interaction, session } = found;
    const language = pickLanguage(c.req.raw, interaction.uiLocales);
    const invitation = await invitations.peek(interaction.invitation ?? "");
    const choices =
      interaction.organizationState === "pick" ? await deps.organizationsOf(session.userId) : [];
    const offered = interaction.organizationState === "invited" ? invitation?.organization : undefined;
    return choicePage(language, interaction, { choices, offered, session, path: c.req.path });
  });

  app.post("/interaction/:uid/organization", async (c) => {
    const found = await load(c);
    if (!found || tooLarge(c.req.raw)) return expired(c.req.raw);
    const { interaction, session } = found;
    const form = await c.req.raw.formData();
    sessions.checkForm(c.req.raw, session, form);
    const picked = form.get("organization");
    if (interaction.organizationState === "pick" && typeof picked === "string")
      return go(await interactions.finishOrganization(c.env, picked));
    if (interaction.organizationState !== "invited" || form.get("decision") !== "accept")
      return go(await interactions.deny(c.env, "the user may not act for this organization"));
    const language = pickLanguage(c.req.raw, interaction.uiLocales);
    const user = await users.find(session.userId);
    const answer = user
      ? await invitations.accept(interaction.invitation ?? "", user)
      : { outcome: "invalid" as const };
    if (answer.outcome === "joined")
      return go(await interactions.finishOrganization(c.env, answer.organization.id));
    const { title, text } = refusalOf(language, answer.outcome);
    return message(language, title, text, 403);
  });
  return app;
}

function choicePage(
  language: Language,
  interaction: Interaction,
  shown: {
    choices: readonly Organization[];
    offered: Organization | undefined;
    session: BrowserSession;
    path: string;
  },
): Promise<Response> {
  const { choices, offered, session, path } = shown;
  const t = language.texts.organization;
  const app = interaction.client.name;
  const [title, text, actions] = choices.length
    ? [
        t.chooseTitle,
        t.choose(app),
        choices.map(
          ({ id, displayName }) =>
            html`<button class="plain" name="organization" value="${id}">${displayName}</button>`,
        ),
      ]
    : offered
      ? [
          t.join(offered.displayName),
          t.invited(offered.displayName),
          [html`<button name="decision" value="accept">${t.accept}</button>`],
        ]
      : [t.refusedTitle, t.refused(app), []];
  const body = html`<h1>${title}</h1>
<p class="soft">${language.texts.common.signedInAs(session.email)}</p>
<p>${text}</p>
<form method="post" action="${path}">
<input type="hidden" name="csrf" value="${session.csrf}">
<div class="actions ${choices.length ? "choices" : ""}">${actions}<button class="plain" name="decision" value="deny">${t.back}</button></div>
</form>`;
  const target = URL.parse(interaction.redirectUri);
  return renderPage({ language, title, body, formTargets: target ? [target.origin] : [], self: path });
}

/** `/invitations?invitation=…`: what is offered, to the person it was sent to, and a button that accepts it. */
function invitationRoutes(deps: Pick<OrganizationPageDeps, "sessions" | "users" | "invitations">): Hono {
  const { sessions, users, invitations } = deps;
  const app = new Hono();

  app.get("/invitations", async (c) => {
    const token = c.req.query("invitation") ?? "";
    const session = await sessions.current(c.req.raw);
    // Whether the invitation is any good is told to nobody who has not logged in.
    const self = `/invitations?invitation=${encodeURIComponent(token)}`;
    if (!session) return c.redirect(sessions.loginAddress(self), 303);
    const language = pickLanguage(c.req.raw);
    const t = language.texts.organization;
    const invitation = await invitations.peek(token);
    if (!invitation) return message(language, t.invitationTitle, t.invitationInvalid, 400);
    const body = html`<h1>${t.join(invitation.organization.displayName)}</h1>
<p class="soft">${language.texts.common.signedInAs(session.email)}</p>
<p>${t.invited(invitation.organization.displayName)}</p>
<form method="post" action="/invitations">
<input type="hidden" name="csrf" value="${session.csrf}">
<input type="hidden" name="invitation" value="${token}">
<div class="actions"><button>${t.accept}</button></div>
</form>`;
    return renderPage({ language, title: t.invitationTitle, body });
  });

  app.post("/invitations", async (c) => {
    const language = pickLanguage(c.req.raw);
    const t = language.texts.organization;
    const session = await sessions.current(c.req.raw);
    if (!session || tooLarge(c.req.raw))
      return message(language, t.invitationTitle, t.invitationInvalid, 400);
    const form = await c.req.raw.formData();
    sessions.checkForm(c.req.raw, session, form);
    const user = await users.find(session.userId);
    const token = String(form.get("invitation") ?? "");
    const answer = user ? await invitations.accept(token, user) : { outcome: "invalid" as const };
    if (answer.outcome === "joined")
      return message(language, t.joinedTitle, t.joined(answer.organization.displayName), 200);
    const { title, text } = refusalOf(language, answer.outcome);
    return message(language, title, text, 403);
  });
  return app;
}

function refusalOf({ texts }: Language, outcome: "invalid" | "other_address" | "unproven") {
  const t = texts.organization;
  const sentences = { invalid: t.invitationInvalid, other_address: t.otherAddress, unproven: t.unproven };
  return { title: t.invitationTitle, text: sentences[outcome] };
}

/** A body without a length is no form of ours. */
function tooLarge(request: Request): boolean {
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  return !(length <= MAX_FORM_BYTES);
}

function expired(request: Request): Promise<Response> {
  const language = pickLanguage(request);
  return message(language, language.texts.login.expiredTitle, language.texts.login.expired, 400);
}

function go(location: string): Response {
  return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
}

function message(language: Language, title: string, text: string, status: number): Promise<Response> {
  const body: Html = html`<h1>${title}</h1><p>${text}</p>`;
  return renderPage({ language, title, body, status });
}
