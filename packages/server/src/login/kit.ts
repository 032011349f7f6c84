import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Audit } from "../audit/index.ts";
import { redirectOrigins } from "../http/redirect-uris.ts";
import type { Clock } from "../lib/clock.ts";
import type { Client, Clients } from "../oauth/index.ts";
import { brandOf } from "../pages/brand.ts";
import { type Language, pickLanguage } from "../pages/languages/index.ts";
import { type Html, renderPage } from "../pages/layout.ts";
import { ACR, type Acr, type Amr, acrOf, type MethodName, satisfies } from "./amr.ts";
import type { BrowserToken } from "./browser-token.ts";
import { loginEvents } from "./events.ts";
import type { Flow, Flows, Proof } from "./flows.ts";
import { readFields } from "./form-fields.ts";
import type { HomeRealm } from "./home-realm.ts";
import type { BrowserSession, Sessions } from "./index.ts";
import type { LoginMethod } from "./methods/index.ts";
import { messageView } from "./views.ts";

/** A request of the login pages. */
export type LoginContext = Context<{ Bindings: HttpBindings }>;

/** A posted form that its own page sent, in the browser where the flow began. */
export interface FlowForm {
  readonly flow: Flow;
  /** Each field once. */
  readonly fields: ReadonlyMap<string, string>;
}

/** What the pages of a log-in have in common; each method of logging in builds on it. */
export interface LoginKit {
  /** The flow that the address names with `?flow=`; `undefined` when it is over, or another browser's. */
  flowOf(request: Request): Promise<Flow | undefined>;
  /** A posted form with its flow (field `flow`), or the page that refuses it. */
  readFlowForm(c: LoginContext): Promise<FlowForm | Response>;
  /** A posted form without a flow: its fields when it came from our page in this browser, or the refusal. */
  readForm(c: LoginContext): Promise<ReadonlyMap<string, string> | Response>;
  /** Renders a page of the flow; forms in it carry `hiddenFields(flow)`. */
  page(
    request: Request,
    flow: Pick<Flow, "clientId" | "id" | "organizationId"> | undefined,
    page: {
      title: string;
      /** What was wrong with the last try. */
      problem?: string | undefined;
      body: Html;
      status?: number;
      self?: string;
      language?: Language;
      script?: string;
    },
  ): Promise<Response>;
  /** Fields that every form of a page repeats. */
  hiddenFields(request: Request, flow: Pick<Flow, "id"> | undefined): Hidden;
  /** The app that the flow leads to. */
  clientOf(flow: Pick<Flow, "clientId">): Promise<Client | undefined>;
  /**
   * What somebody has just proven: goes on to the second factor when one is due, and otherwise logs in and
   * goes on to where they wanted. Call it once the proof has been used up. `methods` says by what it was proven.
   */
  prove(
    request: Request,
    flow: Flow,
    userId: string,
    amr: readonly Amr[],
    ...methods: Proof["methods"]
  ): Promise<Response>;
  /** Adds a proof and stays: for a page that has something to show before `proceed`. `undefined`: the flow is over. */
  addProof(flow: Flow, userId: string, proof: Proof): Promise<Flow | undefined>;
  /** Goes on from what has been proven, as `prove` does. */
  proceed(request: Request, flow: Flow): Promise<Response>;
  hasSecondFactor(userId: string): Promise<boolean>;
  /** Whether all that is asked of this user has been proven: whoever has a second factor showed it. */
  isProven(flow: Flow): Promise<boolean>;
  /** Whether somebody may set up a second factor now: one that they have must have been asked for first. */
  mayEnroll(flow: Flow | undefined): Promise<boolean>;
  /** Other ways to prove the same, for the links below a form. */
  others(flow: Flow, than: string, language: Language): Promise<readonly Way[]>;
  /**
   * The session of somebody who proved who they are within the last ten minutes: what a change to their ways of
   * logging in needs. Otherwise where to send them; they come back to `returnTo`, a path of ours.
   */
  recent(request: Request, returnTo: string): Promise<BrowserSession | Response>;
  /** A form of the profile, from somebody who proved who they are recently. */
  readRecentForm(c: LoginContext, returnTo: string): Promise<RecentForm | Response>;
  /** This kit for one method's pages: they are there only in log-ins that take it as a first factor. */
  only(method: MethodName): LoginKit;
  /** Whether a first factor counts in this log-in. */
  takes(flow: Pick<Flow, "organizationId">, method: MethodName): Promise<boolean>;
  /** What to say to somebody whose organization logs in otherwise. */
  notTaken(request: Request, flow: Flow): Promise<Response>;
  /** What to say when the flow is over. */
  expired(request: Request): Promise<Response>;
}

/** A posted form of the profile. */
export interface RecentForm {
  readonly session: BrowserSession;
  /** Each field once. */
  readonly fields: FormData;
}

/** How long ago a person may have proven who they are to change how they log in. */
export const RECENT_MS = 10 * 60_000;

/** A link to a page on which one proves who one is. */
export interface Way {
  readonly path: string;
  readonly label: string;
}

/** Values of a form's hidden fields. `formToken` is the value that this browser's cookie holds. */
export interface Hidden {
  readonly formToken: string;
  readonly flow: string;
}

export interface LoginKitDeps {
  readonly flows: Flows;
  readonly sessions: Sessions;
  readonly browser: BrowserToken;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly clock: Clock;
  /** Filled after the methods were made; they are made with this kit. */
  readonly methods: () => readonly LoginMethod[];
  readonly home: HomeRealm;
  /** Whether everybody needs a second factor. */
  readonly requireSecondFactor: boolean;
  /** Origins beside the app's that a log-in may lead to through redirects: providers. */
  readonly formTargets: () => readonly string[];
  /** What waited for somebody to prove who they are. */
  readonly proven: (flow: Flow, userId: string) => Promise<void>;
}

export function createLoginKit(deps: LoginKitDeps): LoginKit {
  const { flows, sessions, browser } = deps;

  async function readForm(c: LoginContext): Promise<ReadonlyMap<string, string> | Response> {
    const request = c.req.raw;
    const fields = new Map([...(await readFields(request))].map(([name, value]) => [name, String(value)]));
    const genuine = browser.matches(request, fields.get("form_token")) && sessions.isSameOrigin(request);
    return genuine ? fields : forged(pickLanguage(request));
  }

  async function clientOf({ clientId }: Pick<Flow, "clientId">): Promise<Client | undefined> {
    return clientId === undefined ? undefined : deps.clients.find(clientId);
  }

  /** The second factors that a user has; backups count beside another one alone. */
  async function secondFactors(userId: string): Promise<readonly LoginMethod[]> {
    const found: LoginMethod[] = [];
    for (const method of deps.methods()) if (await method.isEnrolled?.(userId)) found.push(method);
    return found.some((method) => !method.isBackup) ? found : [];
  }

  /** What this log-in has to reach: what the app or the operator asks for. */
  const wantedOf = (flow: Flow): Acr | undefined =>
    flow.acr ?? (deps.requireSecondFactor ? ACR.multiFactor : undefined);

  async function proceed(request: Request, flow: Flow): Promise<Response> {
    if (flow.userId === undefined) return expired(request);
    if (isSingle(flow.amr) && (await secondFactors(flow.userId)).length > 0)
      return redirect(`/login/second-factor?flow=${flow.id}`);
    const enough = satisfies(acrOf(flow.amr), wantedOf(flow));
    if (!enough && enrollWays(flow, pickLanguage(request)).length > 0)
      return redirect(`/login/enroll?flow=${flow.id}`);
    return complete(request, flow, flow.userId);
  }

  async function isProven(flow: Flow): Promise<boolean> {
    if (flow.userId === undefined) return false;
    return !isSingle(flow.amr) || (await secondFactors(flow.userId)).length === 0;
  }

  /** Second factors that would bring this log-in to what it has to reach. */
  const enrollWays = (flow: Flow, language: Language): readonly Way[] =>
    deps
      .methods()
      .map((method) => method.enroll?.(flow, language))
      .filter((way) => way !== undefined);

  /** Starts the session; of two answers to the last question one counts. */
  async function complete(request: Request, flow: Flow, userId: string): Promise<Response> {
    // A link by mail leads to a new password alone; nobody is logged in by it.
    if (flow.resetId !== undefined) return redirect(`/login/reset/new?flow=${flow.id}`);
    if (!(await flows.end(flow))) return expired(request);
    await deps.proven(flow, userId);
    const carriedAt = flow.carried?.at;
    const methods = flow.linking === undefined ? flow.methods : [...flow.methods, flow.linking];
    const cookie = await sessions.start(
      request,
      { id: userId },
      { amr: flow.amr, methods, authenticatedAt: carriedAt },
    );
    await deps.audit.append({
      action: loginEvents.loggedIn,
      userId,
      clientId: flow.clientId,
      outcome: "allowed",
      details: { amr: flow.amr.join(" "), methods: methods.join(" ") },
    });
    return redirect(flow.returnTo, cookie);
  }

  async function recent(request: Request, returnTo: string): Promise<BrowserSession | Response> {
    const session = await sessions.current(request);
    if (!session) return redirect(sessions.loginAddress(returnTo));
    if (deps.clock.now() - session.authenticatedAt < RECENT_MS) return session;
    return redirect(`/login?${new URLSearchParams({ return_to: returnTo, confirm: "1" })}`);
  }

  /** A first factor must be one that the organization takes; what comes after it is between the person and us. */
  async function takesProof(flow: Flow, methods: readonly MethodName[]): Promise<boolean> {
    // Nobody is logged in by a reset, and whoever links an account came by a connection that counts.
    if (flow.userId !== undefined || flow.linking !== undefined || flow.resetId !== undefined) return true;
    for (const method of methods) if (await deps.home.takes(flow, method)) return true;
    return false;
  }

  const kit: LoginKit = {
    takes: deps.home.takes,
    only: (method) => ({
      ...kit,
      async flowOf(request) {
        const flow = await kit.flowOf(request);
        return flow && (await takesProof(flow, [method])) ? flow : undefined;
      },
      async readFlowForm(c) {
        const form = await kit.readFlowForm(c);
        if (form instanceof Response || (await takesProof(form.flow, [method]))) return form;
        return kit.notTaken(c.req.raw, form.flow);
      },
    }),
    async notTaken(request, flow) {
      const language = pickLanguage(request);
      const { notTakenTitle, notTaken } = language.texts.organization;
      const organization = await deps.home.organizationOf(flow);
      const body = messageView(notTakenTitle, notTaken(organization?.displayName ?? ""));
      return kit.page(request, flow, { title: notTakenTitle, body, language, status: 403 });
    },
    readForm,
    recent,
    async readRecentForm(c, returnTo) {
      const session = await recent(c.req.raw, returnTo);
      if (session instanceof Response) return session;
      const fields = await readFields(c.req.raw);
      sessions.checkForm(c.req.raw, session, fields);
      return { session, fields };
    },
    clientOf,
    expired,
    flowOf: (request) => flows.find(browser.read(request), new URL(request.url).searchParams.get("flow")),
    async readFlowForm(c) {
      const fields = await readForm(c);
      if (fields instanceof Response) return fields;
      const flow = await flows.find(browser.read(c.req.raw), fields.get("flow"));
      return flow ? { flow, fields } : expired(c.req.raw);
    },
    hiddenFields: (request, flow) => ({ formToken: browser.readOrMake(request), flow: flow?.id ?? "" }),
    async page(request, flow, page) {
      const language = page.language ?? pickLanguage(request);
      const client = flow && (await clientOf(flow));
      const organization = flow && (await deps.home.organizationOf(flow));
      return renderPage({
        ...page,
        brand: organization && brandOf(organization),
        language,
        formTargets: [...deps.formTargets(), ...(client ? redirectOrigins(client) : [])],
        headers: {
          "set-cookie": browser.cookie(browser.readOrMake(request)),
          "content-language": language.tag,
        },
      });
    },
    addProof: flows.addProof,
    proceed,
    async prove(request, flow, userId, amr, ...methods) {
      if (!(await takesProof(flow, methods))) return kit.notTaken(request, flow);
      const proven = await flows.addProof(flow, userId, { amr, methods });
      return proven ? proceed(request, proven) : expired(request);
    },
    hasSecondFactor: async (userId) => (await secondFactors(userId)).length > 0,
    isProven,
    async mayEnroll(flow) {
      if (flow?.userId === undefined) return false;
      return isProven(flow);
    },
    async others(flow, than, language) {
      const { userId } = flow;
      const candidates = userId === undefined ? deps.methods() : await secondFactors(userId);
      const ways: Way[] = [];
      for (const method of candidates) {
        const way = method.name === than ? undefined : method.offer?.(flow, language);
        // Each method's name is one by which something is proven.
        if (way && (await takesProof(flow, [method.name as MethodName]))) ways.push(way);
      }
      return ways;
    },
  };
  return kit;
}

const isSingle = (amr: readonly Amr[]): boolean => acrOf(amr) === ACR.single;

/** A redirect that is not cached; with the session's cookie when there is one. */
export function redirect(location: string, cookie?: string): Response {
  const headers = new Headers({ location, "cache-control": "no-store" });
  if (cookie) headers.set("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

async function expired(request: Request): Promise<Response> {
  const language = pickLanguage(request);
  const { expiredTitle, expired: text } = language.texts.login;
  return renderPage({ language, title: expiredTitle, body: messageView(expiredTitle, text), status: 400 });
}

async function forged(language: Language): Promise<Response> {
  const { title, forbidden } = language.texts.error;
  return renderPage({ language, title, body: messageView(title, forbidden), status: 403 });
}
