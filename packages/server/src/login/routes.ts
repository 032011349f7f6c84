import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { equalInConstantTime } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import { ApiError } from "../http/errors.ts";
import { secret } from "../lib/secret.ts";
import type { Clients, Interactions } from "../oauth/index.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { renderPage } from "../pages/layout.ts";
import { readFields } from "./form-fields.ts";
import type { Accounts, Sessions } from "./index.ts";
import { interactionRoutes } from "./interaction-routes.ts";
import { readCookie } from "./sessions.ts";
import { type LoginForm, loginView, logoutView, messageView, signUpView } from "./views.ts";

/** What the pages stand on. */
export interface LoginRouteDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly clients: Clients;
  readonly interactions: Interactions;
  readonly issuer: string;
  readonly signUp: boolean;
  /** Origins beside the app's that a log-in may lead to through redirects: providers that are being connected. */
  readonly formTargets: readonly string[];
}

const FORM_TOKEN = /^[A-Za-z0-9_-]{43}$/;
const HOME = "/approvals";

/** Log in, sign up, log out, and the interactions of authorization requests. */
export function loginRoutes(deps: LoginRouteDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();

  app.get("/login", async (c) => {
    const form = await emptyForm(deps, c.req.raw);
    return showLogin(deps, c.req.raw, form);
  });

  app.post("/login", async (c) => {
    const { form, fields } = await readForm(deps, c);
    const language = pickLanguage(c.req.raw);
    if (!form) return forged(language);
    const result = await deps.accounts.authenticate(form.email, secret(fields.get("password") ?? ""));
    if (result.outcome === "ok") return enter(deps, c.req.raw, result.user, form.returnTo);
    const problem = result.outcome === "locked" ? language.texts.login.locked : language.texts.login.wrong;
    return showLogin(deps, c.req.raw, { ...form, problem }, result.outcome === "locked" ? 429 : 401);
  });

  app.get("/signup", async (c) => {
    if (!deps.signUp) return c.notFound();
    return showSignUp(deps, c.req.raw, { ...(await emptyForm(deps, c.req.raw)), name: "" });
  });

  app.post("/signup", async (c) => {
    if (!deps.signUp) return c.notFound();
    const { form, fields } = await readForm(deps, c);
    const language = pickLanguage(c.req.raw);
    if (!form) return forged(language);
    const name = fields.get("name") ?? "";
    try {
      const password = secret(fields.get("password") ?? "");
      const user = await deps.accounts.create({ email: form.email, password, name, locale: language.tag });
      return await enter(deps, c.req.raw, user, form.returnTo);
    } catch (error) {
      const problem = ApiError.is(error)
        ? signUpProblem(language, error.code, fields.get("password") ?? "")
        : undefined;
      if (!problem) throw error;
      return showSignUp(deps, c.req.raw, { ...form, name, problem }, 400);
    }
  });

  app.get("/logout", async (c) => {
    const session = await deps.sessions.current(c.req.raw);
    if (!session) return c.redirect("/login", 303);
    const language = pickLanguage(c.req.raw);
    const { title } = language.texts.logout;
    return renderPage({ language, title, body: logoutView(language, session), self: "/logout" });
  });

  app.post("/logout", async (c) => {
    const session = await deps.sessions.current(c.req.raw);
    const form = await readFields(c.req.raw);
    if (session) deps.sessions.checkForm(c.req.raw, session, form);
    await deps.interactions.endLogin(c.env);
    const cookie = await deps.sessions.end(c.req.raw);
    const headers = { location: "/login", "set-cookie": cookie, "cache-control": "no-store" };
    return new Response(null, { status: 303, headers });
  });

  app.route("/", interactionRoutes(deps));
  return app as unknown as Hono;
}

/** After log-in one goes on to where one came from: only ever a path of ours. */
export function safeReturnTo(value: string | null): string {
  if (!value?.startsWith("/") || value.startsWith("//") || /[\\\s\p{Cc}]/u.test(value)) return HOME;
  const url = URL.parse(value, "http://self.invalid");
  // Dot segments are resolved by now, and what is left of "/..//host" would lead to that host.
  if (url?.origin !== "http://self.invalid" || url.pathname.startsWith("//")) return HOME;
  return url.pathname + url.search;
}

async function emptyForm(deps: LoginRouteDeps, request: Request): Promise<LoginForm> {
  const { searchParams } = new URL(request.url);
  return {
    returnTo: safeReturnTo(searchParams.get("return_to")),
    formToken: formCookie(deps, request) ?? randomToken(),
    client: await deps.clients.find(searchParams.get("client_id") ?? ""),
    email: searchParams.get("login_hint")?.slice(0, 254) ?? "",
    problem: undefined,
  };
}

/** On https no other host can set this cookie, not even one below or above ours. */
const formCookieName = (issuer: string) =>
  issuer.startsWith("https:") ? "__Host-behalf_form" : "behalf_form";

function formCookie(deps: LoginRouteDeps, request: Request): string | undefined {
  const value = readCookie(request, formCookieName(deps.issuer));
  return value !== undefined && FORM_TOKEN.test(value) ? value : undefined;
}

/** A form counts when its token equals this browser's cookie: nobody can log a visitor in as somebody else. */
async function readForm(
  deps: LoginRouteDeps,
  c: Context,
): Promise<{ form: LoginForm | undefined; fields: ReadonlyMap<string, string> }> {
  const fields = new Map([...(await readFields(c.req.raw))].map(([name, value]) => [name, String(value)]));
  const cookie = formCookie(deps, c.req.raw);
  const token = fields.get("form_token");
  const genuine = cookie !== undefined && token !== undefined && equalInConstantTime(cookie, token);
  if (!genuine || !deps.sessions.isSameOrigin(c.req.raw)) return { form: undefined, fields };
  const form = {
    returnTo: safeReturnTo(fields.get("return_to") ?? null),
    formToken: token,
    client: await deps.clients.find(fields.get("client_id") ?? ""),
    // As it came: cut to length it would be another address.
    email: fields.get("email") ?? "",
    problem: undefined,
  };
  return { form, fields };
}

async function enter(deps: LoginRouteDeps, request: Request, user: { id: string }, returnTo: string) {
  const cookie = await deps.sessions.start(request, user);
  return new Response(null, {
    status: 303,
    headers: { location: returnTo, "set-cookie": cookie, "cache-control": "no-store" },
  });
}

function showLogin(deps: LoginRouteDeps, request: Request, form: LoginForm, status = 200): Promise<Response> {
  const language = pickLanguage(request);
  const signUp = deps.signUp ? addressOf("/signup", form) : undefined;
  const body = loginView(language, form, signUp);
  return page(deps, {
    language,
    title: language.texts.login.title,
    body,
    form,
    status,
    self: addressOf("/login", form),
  });
}

function showSignUp(
  deps: LoginRouteDeps,
  request: Request,
  form: LoginForm & { name: string },
  status = 200,
) {
  const language = pickLanguage(request);
  const body = signUpView(language, form, addressOf("/login", form));
  return page(deps, {
    language,
    title: language.texts.signUp.title,
    body,
    form,
    status,
    self: addressOf("/signup", form),
  });
}

function page(
  deps: LoginRouteDeps,
  options: {
    language: Language;
    title: string;
    body: ReturnType<typeof loginView>;
    form: LoginForm;
    status: number;
    self: string;
  },
): Promise<Response> {
  const { language, form } = options;
  const secure = deps.issuer.startsWith("https:") ? "; Secure" : "";
  return renderPage({
    ...options,
    formTargets: [...deps.formTargets, ...originsOf(form.client?.redirectUris ?? [])],
    headers: {
      "set-cookie": `${formCookieName(deps.issuer)}=${form.formToken}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600${secure}`,
      "content-language": language.tag,
    },
  });
}

function addressOf(path: string, form: LoginForm): string {
  const email = form.email ? `&login_hint=${encodeURIComponent(form.email)}` : "";
  const client = form.client ? `&client_id=${encodeURIComponent(form.client.id)}` : "";
  return `${path}?return_to=${encodeURIComponent(form.returnTo)}${client}${email}`;
}

const originsOf = (addresses: readonly string[]) => [
  ...new Set(addresses.map((address) => new URL(address).origin)),
];

function signUpProblem({ texts }: Language, code: string, password: string): string | undefined {
  if (code === "login.email_invalid") return texts.signUp.emailInvalid;
  if (code === "login.email_taken") return texts.signUp.failed;
  if (code !== "login.password_unfit") return undefined;
  return password.length > 200 ? texts.signUp.passwordLong : texts.signUp.passwordShort;
}

function forged({ texts, tag }: Language): Promise<Response> {
  const language = { texts, tag };
  return renderPage({
    language,
    title: texts.error.title,
    body: messageView(texts.error.title, texts.error.forbidden),
    status: 403,
  });
}
