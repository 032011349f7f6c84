import type { HttpBindings } from "@hono/node-server";
import { Hono, type MiddlewareHandler } from "hono";
import { html } from "hono/html";
import type { Audit } from "../audit/index.ts";
import { ApiError } from "../http/errors.ts";
import { secret } from "../lib/secret.ts";
import type { Clients, Cors, Interactions } from "../oauth/index.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { type Html, renderPage } from "../pages/layout.ts";
import { isAddress } from "./accounts.ts";
import { type MethodName, satisfies, wantedAcr } from "./amr.ts";
import type { BrowserToken } from "./browser-token.ts";
import type { Codes } from "./codes.ts";
import type { ConfirmEmail } from "./email/index.ts";
import { emailRoutes } from "./email/routes.ts";
import { loginError } from "./errors.ts";
import type { Flow, FlowRequest, Flows } from "./flows.ts";
import { readFields } from "./form-fields.ts";
import type { HomeRealm, LoginOrganizations } from "./home-realm.ts";
import type { Accounts, BrowserSession, PasswordHash, Sessions } from "./index.ts";
import { interactionRoutes } from "./interaction-routes.ts";
import { type Hidden, type LoginKit, redirect } from "./kit.ts";
import type { ConnectionMethod } from "./methods/connection/index.ts";
import type { EnabledMethods, LoginMethod } from "./methods/index.ts";
import { passkeyAppRoutes } from "./methods/passkey/app-routes.ts";
import type { PasskeyMethod } from "./methods/passkey/index.ts";
import type { Passkeys } from "./methods/passkey/passkeys.ts";
import { passkeyScript } from "./methods/passkey/script.ts";
import type { SignUpWithPasskey } from "./methods/passkey/sign-up.ts";
import { passkeySignUpRoutes } from "./methods/passkey/sign-up-routes.ts";
import { signUpWithPasskeyView, startView } from "./methods/passkey/views.ts";
import type { PasswordMethod } from "./methods/password/index.ts";
import { secondFactorRoutes } from "./methods/second-factor.ts";
import { passwordProblem } from "./password-problem.ts";
import { profileRoutes } from "./profile/routes.ts";
import type { PasswordReset } from "./reset/index.ts";
import type { Resets } from "./reset/resets.ts";
import { resetRoutes } from "./reset/routes.ts";
import { safeReturnTo } from "./return-to.ts";
import { SIGN_UP_CODE_PATH, type SignUpByCode } from "./sign-up-code.ts";
import { identifierView, logoutView, type StartForm, signUpView } from "./views.ts";

/** What the pages stand on. */
export interface LoginRouteDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly clients: Clients;
  readonly interactions: Interactions;
  readonly cors: Pick<Cors, "preflightHeaders" | "answerHeaders">;
  readonly issuer: string;
  readonly signUp: boolean;
  readonly browser: BrowserToken;
  readonly flows: Flows;
  readonly kit: LoginKit;
  readonly home: HomeRealm;
  readonly organizations: LoginOrganizations;
  readonly methods: readonly LoginMethod[];
  readonly password: PasswordMethod;
  readonly passkey: PasskeyMethod;
  readonly passkeys: Passkeys;
  readonly connection: ConnectionMethod;
  readonly signUpWithPasskey: SignUpWithPasskey;
  readonly audit: Audit;
  /** Stands before every form of logging in and signing up. */
  readonly limit: MiddlewareHandler;
  /** Stores a new password, tells the person, and leaves a record. */
  readonly changePassword: (userId: string, hash: PasswordHash, keptSession?: string) => Promise<void>;
  readonly enabled: EnabledMethods;
  /** Whether this server sends mail. */
  readonly hasMail: boolean;
  /** Whether an account is made only once its address was confirmed. */
  readonly mustConfirmEmail: boolean;
  readonly signUpByCode: SignUpByCode;
  readonly confirmEmail: ConfirmEmail;
  readonly codes: Codes;
  readonly resets: Resets;
  readonly reset: PasswordReset;
}

/** Log in, sign up, log out, and the interactions of authorization requests. */
export function loginRoutes(deps: LoginRouteDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, browser, sessions } = deps;

  app.use("/login/*", deps.limit);
  app.use("/signup", deps.limit);
  app.use("/signup/passkey", deps.limit);

  app.get("/login", async (c) => {
    const request = c.req.raw;
    const form = await readQuery(deps, request);
    const session = await sessions.current(request);
    if (session && isConfirm(request)) {
      const flow = await beginFlow(deps, request, form, { email: session.email, confirms: session });
      return withBrowser(browser, request, redirect(await firstPage(deps, request, flow)));
    }
    const wanted = wantedAcr(form.acr);
    // Somebody who is logged in and has to prove more adds to what they have proven. Who has nothing to add
    // proves who they are anew before they set something up.
    if (session && wanted && !satisfies(session.acr, wanted) && !isAgain(request)) {
      const has = await kit.hasSecondFactor(session.userId);
      const flow = await beginFlow(deps, request, form, {
        email: session.email,
        ...(has ? { carried: session } : { confirms: session }),
      });
      const page = has ? `/login/second-factor?flow=${flow.id}` : await firstPage(deps, request, flow);
      return withBrowser(browser, request, redirect(page));
    }
    const name = new URL(request.url).searchParams.get("connection") ?? "";
    // The app knows where its user is to log in.
    if (deps.connection.has(name)) {
      const flow = await beginFlow(deps, request, form, { email: form.email });
      return (await deps.connection.startConnection(request, flow, name)) ?? kit.expired(request);
    }
    return showLogin(deps, request, form);
  });

  app.post("/login/connection/:name", async (c) => {
    const request = c.req.raw;
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const form = await readStart(deps, fields);
    if (!deps.connection.has(c.req.param("name"))) return c.notFound();
    const flow = await beginFlow(deps, request, form, { email: form.email });
    return (
      (await deps.connection.startConnection(request, flow, c.req.param("name"))) ?? kit.expired(request)
    );
  });

  app.post("/login", async (c) => {
    const request = c.req.raw;
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const form = await readStart(deps, fields);
    // An address says where its owner logs in, unless the app has said so already.
    const home = form.organization ? undefined : await deps.home.discover(form.email);
    const flow = await beginFlow(deps, request, form, { email: form.email, home: home?.organizationId });
    if (home?.connection !== undefined && deps.connection.has(home.connection))
      return (await deps.connection.startConnection(request, flow, home.connection)) ?? kit.expired(request);
    const password = fields.get("password") ?? "";
    // A password manager fills in both at once.
    if (password !== "" && deps.enabled.password && (await kit.takes(flow, "password")))
      return deps.password.attempt(request, flow, password);
    return redirect(await firstPage(deps, request, flow));
  });

  // Whoever has a passkey need not say who they are.
  app.post("/login/passkey/start", async (c) => {
    const request = c.req.raw;
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const flow = await beginFlow(deps, request, await readStart(deps, fields), { email: "" });
    if (!(await kit.takes(flow, "passkey"))) return kit.notTaken(request, flow);
    return deps.passkey.attempt(request, flow, fields.get("answer") ?? "");
  });

  // Where no method of this server counts: the organization logs in by a connection that is not here.
  app.get("/login/none", async (c) => {
    const flow = await kit.flowOf(c.req.raw);
    return flow ? kit.notTaken(c.req.raw, flow) : kit.expired(c.req.raw);
  });

  app.get("/signup", async (c) => {
    if (!deps.signUp) return c.notFound();
    const form = await readQuery(deps, c.req.raw);
    if (!(await takesSignUp(deps, form))) return redirect(addressOf("/login", form));
    return showSignUp(deps, c.req.raw, { ...form, name: "" });
  });

  app.post("/signup", async (c) => {
    if (!deps.signUp) return c.notFound();
    const request = c.req.raw;
    const fields = await kit.readForm(c);
    if (fields instanceof Response) return fields;
    const form = { ...(await readStart(deps, fields)), name: fields.get("name") ?? "" };
    const language = pickLanguage(request);
    const password = fields.get("password") ?? "";
    const withoutPassword = fields.get("with") === "code" && deps.enabled.emailCode;
    if (!withoutPassword && !deps.enabled.password) return c.notFound();
    if (!(await takes(deps, form, withoutPassword ? "email-code" : "password"))) return c.notFound();
    try {
      if (withoutPassword || deps.mustConfirmEmail)
        return await signUpByCode(deps, request, form, withoutPassword ? undefined : password);
      const account = {
        email: form.email,
        password: secret(password),
        name: form.name,
        locale: language.tag,
      };
      const user = await deps.accounts.create(account);
      const flow = await beginFlow(deps, request, form, { email: form.email });
      if (deps.hasMail) await deps.confirmEmail.send(user, user.email);
      return await kit.prove(request, flow, user.id, ["pwd"], "password");
    } catch (error) {
      if (ApiError.is(error) && error.code === "login.email_taken")
        await deps.signUpByCode.tellOwner(form.email, language.tag);
      const problem = ApiError.is(error) ? signUpProblem(language, error.code, password) : undefined;
      if (!problem) throw error;
      const isPassword = ApiError.is(error) && error.code.startsWith("login.password_");
      const problemField = isPassword ? "password" : "email";
      return showSignUp(deps, request, { ...form, problem, problemField }, 400);
    }
  });

  app.get("/logout", async (c) => {
    const session = await sessions.current(c.req.raw);
    if (!session) return c.redirect("/login", 303);
    const language = pickLanguage(c.req.raw);
    const { title } = language.texts.logout;
    return renderPage({ language, title, body: logoutView(language, session), self: "/logout" });
  });

  app.post("/logout", async (c) => {
    const session = await sessions.current(c.req.raw);
    const form = await readFields(c.req.raw);
    if (session) sessions.checkForm(c.req.raw, session, form);
    await deps.interactions.endLogin(c.env);
    return redirect("/login", await sessions.end(c.req.raw));
  });

  app.route(
    "/",
    secondFactorRoutes(kit, () => deps.methods),
  );
  for (const method of deps.methods) app.route("/", method.routes());
  app.route("/", passkeyAppRoutes(deps));
  if (deps.hasMail) app.route("/", emailRoutes(deps));
  if (deps.hasMail && deps.enabled.password) app.route("/", resetRoutes(deps));
  if (deps.signUp && deps.hasMail) app.route("/", deps.signUpByCode.routes());
  if (canSignUpWithPasskey(deps))
    app.route(
      "/",
      passkeySignUpRoutes({
        ...deps,
        readStart: (fields) => readStart(deps, fields),
        beginFlow: (request, form) => beginFlow(deps, request, form, { email: form.email }),
        showSignUp: (request, form) => showSignUp(deps, request, form, 400),
      }),
    );
  app.route("/", profileRoutes(deps));
  app.route("/", interactionRoutes(deps));
  return app as unknown as Hono;
}

/** A passkey alone does not show whose address it is that the account would have. */
const canSignUpWithPasskey = (deps: LoginRouteDeps): boolean =>
  deps.signUp && deps.enabled.passkey && !deps.mustConfirmEmail;

/** Makes the account once a code came back that was mailed there; the page is the same for an address that is taken. */
async function signUpByCode(
  deps: LoginRouteDeps,
  request: Request,
  form: StartForm & { name: string },
  password: string | undefined,
): Promise<Response> {
  const { email, name } = form;
  const language = pickLanguage(request);
  if (!isAddress(email)) throw loginError("login.email_invalid");
  const passwordHash =
    password === undefined ? undefined : await deps.accounts.hashPassword(secret(password), { email, name });
  const flow = await beginFlow(deps, request, form, { email });
  const account = { email, name, locale: language.tag, passwordHash };
  if (!(await deps.signUpByCode.begin(flow, account)))
    return showSignUp(deps, request, { ...form, problem: language.texts.codes.tooOften }, 429);
  return redirect(`${SIGN_UP_CODE_PATH}?flow=${flow.id}`);
}

/** Whether whoever is logged in must prove everything again, as an app or a page of ours asked. */
const isAgain = (request: Request): boolean => new URL(request.url).searchParams.get("again") === "1";

/** Whether a page of ours wants the person who is logged in, and nobody else, to prove again who they are. */
const isConfirm = (request: Request): boolean => new URL(request.url).searchParams.get("confirm") === "1";

/** The page of the first method that is on offer; where there is none, the page that says so. */
async function firstPage(deps: LoginRouteDeps, request: Request, flow: Flow): Promise<string> {
  const [first] = await deps.kit.others(flow, "", pickLanguage(request));
  return first?.path ?? `/login/none?flow=${flow.id}`;
}

async function readQuery(deps: LoginRouteDeps, request: Request): Promise<StartForm> {
  const { searchParams: query } = new URL(request.url);
  return {
    ...(await readOrganization(deps, query.get("organization"), query.get("invitation"))),
    returnTo: safeReturnTo(query.get("return_to")),
    client: await deps.clients.find(query.get("client_id") ?? ""),
    email: query.get("login_hint")?.slice(0, 254) ?? "",
    acr: wantedAcr(query.get("acr") ?? "") ?? "",
    again: query.get("again") === "1",
    problem: undefined,
  };
}

async function readStart(deps: LoginRouteDeps, fields: ReadonlyMap<string, string>): Promise<StartForm> {
  const from = await readOrganization(deps, fields.get("organization"), fields.get("invitation"));
  return {
    ...from,
    returnTo: safeReturnTo(fields.get("return_to")),
    client: await deps.clients.find(fields.get("client_id") ?? ""),
    // As it came: cut to length it would be another address. An invitation counts for its own alone.
    email: from.invitation?.email ?? fields.get("email") ?? "",
    acr: wantedAcr(fields.get("acr")) ?? "",
    again: fields.get("again") === "1",
    problem: undefined,
  };
}

/** For which organization one logs in, and by whose invitation; what no longer counts is left out. */
async function readOrganization(
  { organizations }: LoginRouteDeps,
  asked: string | null | undefined,
  token: string | null | undefined,
): Promise<Pick<StartForm, "organization" | "invitation">> {
  const named = asked ? await organizations.find(asked) : undefined;
  const found = token ? await organizations.peekInvitation(token) : undefined;
  if (!found || (asked && found.organization.id !== named?.id)) return { organization: named };
  return { organization: found.organization, invitation: { token: token ?? "", email: found.email } };
}

function beginFlow(
  deps: LoginRouteDeps,
  request: Request,
  form: Pick<StartForm, "returnTo" | "client" | "acr" | "again" | "organization" | "invitation">,
  /** `carried`: what this session has proven counts; `confirms`: only its user counts, and proves it anew. */
  who: { email: string; home?: string | undefined; carried?: BrowserSession; confirms?: BrowserSession },
) {
  const { carried, confirms } = who;
  const start: FlowRequest = {
    returnTo: form.returnTo,
    clientId: form.client?.id,
    organizationId: form.organization?.id ?? who.home,
    invitation: form.invitation?.token,
    acr: wantedAcr(form.acr),
    again: form.again || confirms !== undefined,
    expectedUserId: (carried ?? confirms)?.userId,
    ...(carried
      ? {
          carried: {
            userId: carried.userId,
            amr: carried.amr,
            methods: carried.methods,
            at: carried.authenticatedAt,
          },
        }
      : {}),
  };
  return deps.flows.begin(deps.browser.readOrMake(request), { ...start, identifier: who.email.trim() });
}

/** Buttons of the connections that count in this log-in. */
async function connectionsView(deps: LoginRouteDeps, language: Language, form: StartForm, hidden: Hidden) {
  const names = [];
  for (const name of deps.connection.names)
    if (await takes(deps, form, `connection:${name}`)) names.push(name);
  return deps.connection.startView(language, names, form, hidden);
}

const takes = (deps: LoginRouteDeps, form: StartForm, method: MethodName): Promise<boolean> =>
  deps.home.takes({ organizationId: form.organization?.id }, method);

const takesPasskey = async (deps: LoginRouteDeps, form: StartForm): Promise<boolean> =>
  deps.enabled.passkey && takes(deps, form, "passkey");

/** Whether somebody new can make an account by a way that counts in this log-in. */
async function takesSignUp(deps: LoginRouteDeps, form: StartForm): Promise<boolean> {
  if (!deps.signUp) return false;
  if (deps.enabled.password && (await takes(deps, form, "password"))) return true;
  if (deps.enabled.emailCode && (await takes(deps, form, "email-code"))) return true;
  return canSignUpWithPasskey(deps) && (await takes(deps, form, "passkey"));
}

function withBrowser(browser: BrowserToken, request: Request, response: Response): Response {
  response.headers.append("set-cookie", browser.cookie(browser.readOrMake(request)));
  return response;
}

async function showLogin(deps: LoginRouteDeps, request: Request, form: StartForm): Promise<Response> {
  const language = pickLanguage(request);
  const hidden = deps.kit.hiddenFields(request, undefined);
  const body = identifierView(language, form, {
    hidden,
    passkey: html`${(await takesPasskey(deps, form)) ? startView(language, form, hidden) : NOTHING}${await connectionsView(deps, language, form, hidden)}`,
    takesPhone: deps.enabled.smsCode && (await takes(deps, form, "sms-code")),
    takesPassword: deps.enabled.password && (await takes(deps, form, "password")),
    signUpAddress: (await takesSignUp(deps, form)) ? addressOf("/signup", form) : undefined,
  });
  return deps.kit.page(
    request,
    { id: "", clientId: form.client?.id, organizationId: form.organization?.id },
    {
      title: language.texts.login.title,
      problem: form.problem,
      body,
      language,
      script: passkeyScript,
      self: addressOf("/login", form),
    },
  );
}

async function showSignUp(
  deps: LoginRouteDeps,
  request: Request,
  form: StartForm & { name: string },
  status = 200,
): Promise<Response> {
  const language = pickLanguage(request);
  const hidden = deps.kit.hiddenFields(request, undefined);
  const body = signUpView(language, form, {
    hidden,
    passkey:
      canSignUpWithPasskey(deps) && (await takes(deps, form, "passkey"))
        ? signUpWithPasskeyView(language, form, hidden)
        : NOTHING,
    password: deps.enabled.password && (await takes(deps, form, "password")),
    byCode: deps.enabled.emailCode && (await takes(deps, form, "email-code")),
    loginAddress: addressOf("/login", form),
  });
  return deps.kit.page(
    request,
    { id: "", clientId: form.client?.id, organizationId: form.organization?.id },
    {
      title: language.texts.signUp.title,
      problem: form.problem,
      body,
      language,
      status,
      script: passkeyScript,
      self: addressOf("/signup", form),
    },
  );
}

const NOTHING: Html = html``;

function addressOf(path: string, form: Omit<StartForm, "problem" | "problemField">): string {
  const params = new URLSearchParams({ return_to: form.returnTo });
  if (form.client) params.set("client_id", form.client.id);
  if (form.email) params.set("login_hint", form.email);
  if (form.acr) params.set("acr", form.acr);
  if (form.again) params.set("again", "1");
  if (form.organization) params.set("organization", form.organization.id);
  if (form.invitation) params.set("invitation", form.invitation.token);
  return `${path}?${params}`;
}

function signUpProblem(language: Language, code: string, password: string): string | undefined {
  const { texts } = language;
  if (code === "login.email_invalid") return texts.signUp.emailInvalid;
  if (code === "login.email_taken") return texts.signUp.failed;
  return passwordProblem(language, code, password);
}
