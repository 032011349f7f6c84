import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Interaction } from "../oauth/index.ts";
import { pickLanguage } from "../pages/languages/index.ts";
import { renderPage } from "../pages/layout.ts";
import { readFields } from "./form-fields.ts";
import type { BrowserSession } from "./index.ts";
import { redirect } from "./kit.ts";
import type { LoginRouteDeps } from "./routes.ts";
import { consentView } from "./views.ts";

/** The pages that an authorization request waits for: `/interaction/<id>`. */
export function interactionRoutes(deps: LoginRouteDeps): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { interactions, sessions, kit } = deps;

  app.get("/interaction/:uid", async (c) => {
    const interaction = await interactions.find(c.env);
    if (!interaction) return kit.expired(c.req.raw);
    const session = await sessions.current(c.req.raw);
    const path = `/interaction/${c.req.param("uid")}`;
    if (!session) return toLogin(deps, interaction, path);
    if (interaction.prompt === "login") {
      if (interaction.mustAuthenticate && session.authenticatedAt < interaction.startedAt)
        return toLogin(deps, interaction, path);
      // Asked once for a log-in that reaches it; a person who has no way to prove more goes on as they are.
      if (needsMore(deps, interaction, session)) return toLogin(deps, interaction, path);
      return redirect(await interactions.finishLogin(c.env, session));
    }
    if (interaction.userId !== session.userId) return kit.expired(c.req.raw);
    return showConsent(c.req.raw, interaction, session, path);
  });

  app.post("/interaction/:uid", async (c) => {
    const interaction = await interactions.find(c.env);
    const session = await sessions.current(c.req.raw);
    // A consent counts for the person who is logged in now, and the request may be older than their login.
    if (interaction?.prompt !== "consent" || !session || interaction.userId !== session.userId)
      return kit.expired(c.req.raw);
    const form = await readFields(c.req.raw);
    sessions.checkForm(c.req.raw, session, form);
    const allowed = form.get("decision") === "allow";
    return redirect(allowed ? await interactions.finishConsent(c.env) : await interactions.deny(c.env));
  });

  return app;
}

/** Whether the app asks for a context that this session has not reached, and nobody was asked for it since. */
function needsMore(deps: LoginRouteDeps, interaction: Interaction, session: BrowserSession): boolean {
  if (session.renewedAt > interaction.startedAt) return false;
  return !deps.sessions.reaches(session, interaction.acrValues.join(" "));
}

function toLogin(deps: LoginRouteDeps, interaction: Interaction, path: string): Response {
  const address = new URL(deps.sessions.loginAddress(path), deps.issuer);
  address.searchParams.set("client_id", interaction.client.id);
  if (interaction.loginHint) address.searchParams.set("login_hint", interaction.loginHint);
  if (interaction.uiLocales) address.searchParams.set("ui_locales", interaction.uiLocales);
  if (interaction.acrValues.length > 0) address.searchParams.set("acr", interaction.acrValues.join(" "));
  if (interaction.connection) address.searchParams.set("connection", interaction.connection);
  if (interaction.mustAuthenticate) address.searchParams.set("again", "1");
  if (interaction.organization) address.searchParams.set("organization", interaction.organization);
  if (interaction.invitation) address.searchParams.set("invitation", interaction.invitation);
  if ((interaction.signUpFirst || interaction.invitation) && deps.signUp) address.pathname = "/signup";
  return redirect(address.pathname + address.search);
}

async function showConsent(
  request: Request,
  interaction: Interaction,
  session: BrowserSession,
  path: string,
): Promise<Response> {
  const language = pickLanguage(request, interaction.uiLocales);
  const title = language.texts.consent.title(interaction.client.name);
  const target = URL.parse(interaction.redirectUri);
  return renderPage({
    language,
    title,
    body: consentView(language, interaction, session, path),
    formTargets: target ? [target.origin] : [],
    self: path,
  });
}
