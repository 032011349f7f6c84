import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { type Discovery, isIssuerRight, type ProviderEndpoints } from "../../../http/discovery.ts";
import { EgressError } from "../../../http/egress.ts";
import type { Log } from "../../../lib/log.ts";
import { type Language, pickLanguage } from "../../../pages/languages/index.ts";
import type { Html } from "../../../pages/layout.ts";
import type { BrowserToken } from "../../browser-token.ts";
import type { Flow, Flows } from "../../flows.ts";
import { type Hidden, type LoginKit, redirect } from "../../kit.ts";
import type { StartForm } from "../../views.ts";
import type { LoginMethod } from "../index.ts";
import { startAddress } from "../password/index.ts";
import type { ManageIdentities } from "./manage.ts";
import { connectionProfileRoutes } from "./profile-routes.ts";
import type { LinkingUser, States } from "./states.ts";
import type { IdentityStore } from "./store.ts";
import { type Arrival, type LoginConnection, loginAddress, type Upstream } from "./upstream.ts";
import { profileSection, proveView, startView, stoppedView } from "./views.ts";
import type { createWho } from "./who.ts";

export interface ConnectionMethodDeps {
  readonly kit: LoginKit;
  readonly flows: Flows;
  readonly browser: BrowserToken;
  readonly issuer: string;
  readonly connections: readonly LoginConnection[];
  readonly states: States;
  /** Absent when there are no connections. */
  readonly talk:
    | { readonly discovery: Discovery; readonly upstream: Upstream; readonly log: Log }
    | undefined;
  readonly identities: IdentityStore;
  readonly manageIdentities: ManageIdentities;
  readonly who: ReturnType<typeof createWho>;
}

/** Log-in at another provider. */
export interface ConnectionMethod extends LoginMethod {
  /** Sends the browser to the provider; `undefined` when nobody can log in with a connection of this name. */
  startConnection(request: Request, flow: Flow, name: string): Promise<Response | undefined>;
  /** Whether people may log in with it. */
  has(name: string): boolean;
  /** Buttons of the first page. */
  startView(language: Language, names: readonly string[], form: StartForm, hidden: Hidden): Html;
  /** Of the connections that people may log in with. */
  readonly names: readonly string[];
  /** One way for each provider, to be offered beside the other methods. */
  readonly ways: readonly LoginMethod[];
}

const PROVE = "/login/link";
const pathOf = (name: string) => `/login/connection/${encodeURIComponent(name)}`;

export function createConnectionMethod(deps: ConnectionMethodDeps): ConnectionMethod {
  const { kit, flows, browser, states, identities, talk } = deps;
  const byName = new Map(deps.connections.map((connection) => [connection.name, connection]));
  const redirectUri = (name: string) => `${deps.issuer}login/callback/${encodeURIComponent(name)}`;

  type Reason =
    | "cancelled"
    | "unavailable"
    | "refused"
    | "no_email"
    | "no_sign_up"
    | "disabled"
    | "other_user";

  async function stopped(request: Request, flow: Flow | undefined, connection: LoginConnection, why: Reason) {
    const language = pickLanguage(request);
    const text = language.texts.connection.stopped[why](connection.displayName);
    const body = stoppedView(language, { text, back: flow ? startAddress(flow) : "/profile" });
    const title = language.texts.connection.stoppedTitle;
    return kit.page(request, flow, { title, body, language, status: why === "unavailable" ? 503 : 403 });
  }

  async function endpointsOf(connection: LoginConnection): Promise<ProviderEndpoints | undefined> {
    try {
      return await talk?.discovery.endpointsOf(connection);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      talk?.log.warn("a provider's metadata cannot be had", {
        connection: connection.name,
        error: error.code,
      });
      return undefined;
    }
  }

  /** To the provider: for a log-in with its flow, for an account that is added with whose it becomes. */
  async function depart(
    request: Request,
    connection: LoginConnection,
    purpose: { flow: Flow } | { linking: LinkingUser },
  ): Promise<Response> {
    const flow = "flow" in purpose ? purpose.flow : undefined;
    if (flow && !(await kit.takes(flow, wayName(connection.name)))) return kit.notTaken(request, flow);
    const endpoints = await endpointsOf(connection);
    if (!endpoints) return stopped(request, flow, connection, "unavailable");
    const { state, departure } = await states.begin({
      connection: connection.name,
      browser: browser.readOrMake(request),
      flowId: flow?.id,
      linking: "linking" in purpose ? purpose.linking : undefined,
    });
    const address = loginAddress({
      connection,
      endpoints,
      redirectUri: redirectUri(connection.name),
      state,
      departure,
      flow,
    });
    const response = redirect(address);
    response.headers.append("set-cookie", browser.cookie(browser.readOrMake(request)));
    return response;
  }

  /** What the provider sent the browser back with: checked from top to bottom, and used up first. */
  async function comeBack(request: Request, connection: LoginConnection): Promise<Response> {
    const params = new URL(request.url).searchParams;
    const once = (name: string) => (params.getAll(name).length === 1 ? params.get(name) : null);
    const departure = await states.take({
      state: once("state") ?? "",
      connection: connection.name,
      browser: browser.read(request),
    });
    if (!departure) return kit.expired(request);
    const flow = await flows.find(browser.read(request), departure.flowId);
    if (!flow && !departure.linking) return kit.expired(request);
    const endpoints = await endpointsOf(connection);
    if (!endpoints) return stopped(request, flow, connection, "unavailable");
    if (!isIssuerRight(endpoints, params.getAll("iss"))) {
      talk?.log.warn("an answer came from another issuer", { connection: connection.name });
      return stopped(request, flow, connection, "refused");
    }
    const error = once("error");
    if (error !== null) {
      const isPersons = ["access_denied", "user_cancelled", "user_denied", "login_required"].includes(error);
      return stopped(request, flow, connection, isPersons ? "cancelled" : "unavailable");
    }
    const code = once("code");
    if (!code) return stopped(request, flow, connection, "refused");
    const arrival = await talk?.upstream.receive({
      connection,
      endpoints,
      redirectUri: redirectUri(connection.name),
      code,
      departure,
      again: flow?.again === true,
    });
    if (!arrival) return kit.expired(request);
    if ("failed" in arrival) return stopped(request, flow, connection, arrival.failed);
    if (departure.linking) return linked(request, connection, arrival, departure.linking);
    return flow ? loggedIn(request, flow, connection, arrival) : kit.expired(request);
  }

  async function loggedIn(
    request: Request,
    flow: Flow,
    connection: LoginConnection,
    arrival: Arrival,
  ): Promise<Response> {
    const found = await deps.who(connection, arrival, {
      // Somebody who is to prove again who they are is nobody new.
      mayCreate: flow.expectedUserId === undefined,
      locale: pickLanguage(request).tag,
    });
    if (found.kind === "nobody") return stopped(request, flow, connection, found.why);
    if (found.kind === "known")
      return kit.prove(
        request,
        flow,
        found.userId,
        arrival.multiFactor ? ["fed", "mfa"] : ["fed"],
        wayName(connection.name),
      );
    const { user } = found;
    const expected = flow.expectedUserId ?? user.id;
    if (expected !== user.id) return stopped(request, flow, connection, "other_user");
    // The same log-in goes on, now for this account and nobody else's.
    const { id: _id, userId: _userId, amr: _amr, methods: _methods, ...same } = flow;
    if (!(await kit.takes(flow, wayName(connection.name)))) return kit.notTaken(request, flow);
    const next = await flows.begin(browser.readOrMake(request), {
      ...same,
      linking: wayName(connection.name),
      identifier: user.email,
      expectedUserId: user.id,
    });
    await identities.park(next.id, user.id, nameOf(connection, arrival));
    await flows.end(flow);
    return redirect(`${PROVE}?flow=${next.id}`);
  }

  /** Back in the profile: it counts for the person who left from there, in the session they left from. */
  async function linked(
    request: Request,
    connection: LoginConnection,
    arrival: Arrival,
    linking: LinkingUser,
  ): Promise<Response> {
    const session = await kit.recent(request, "/profile");
    if (session instanceof Response) return session;
    if (session.id !== linking.sessionId || session.userId !== linking.userId) return kit.expired(request);
    const outcome = await deps.manageIdentities.add(session.userId, nameOf(connection, arrival));
    if (outcome === "other") return stopped(request, undefined, connection, "other_user");
    return redirect("/profile#identities");
  }

  async function showProve(request: Request, flow: Flow): Promise<Response> {
    const parked = await identities.findParked(flow.id);
    if (!parked) return kit.expired(request);
    const language = pickLanguage(request);
    const body = proveView(language, {
      email: flow.identifier,
      provider: byName.get(parked.connection)?.displayName ?? parked.connection,
      label: parked.label,
      client: await kit.clientOf(flow),
      ways: await kit.others(flow, wayName(parked.connection), language),
    });
    const title = language.texts.connection.proveTitle;
    return kit.page(request, flow, { title, body, language, self: `${PROVE}?flow=${flow.id}` });
  }

  const ways = deps.connections.map(
    (connection): LoginMethod => ({
      name: wayName(connection.name),
      offer: (flow, { texts }) =>
        flow.userId === undefined
          ? {
              path: `${pathOf(connection.name)}?flow=${flow.id}`,
              label: texts.connection.continueWith(connection.displayName),
            }
          : undefined,
      routes: () => new Hono(),
    }),
  );

  return {
    name: "connection",
    ways,
    has: (name) => byName.has(name),
    async startConnection(request, flow, name) {
      const connection = byName.get(name);
      return connection && depart(request, connection, { flow });
    },
    names: [...byName.keys()],
    startView(language, names, form, hidden) {
      const shown = deps.connections.filter(({ name }) => names.includes(name));
      return startView(language, shown, form, hidden);
    },
    profileSection: async (session, language) => {
      const rows = await identities.list(session.userId);
      const isEmpty = rows.length === 0 && deps.connections.length === 0;
      return isEmpty ? NOTHING : profileSection(language, rows, deps.connections);
    },
    routes() {
      const app = new Hono<{ Bindings: HttpBindings }>();
      // A link of our pages: the flow's name is known in this browser alone.
      app.get("/login/connection/:name", async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        const connection = byName.get(c.req.param("name"));
        if (!flow || !connection || flow.userId !== undefined) return kit.expired(c.req.raw);
        return depart(c.req.raw, connection, { flow });
      });
      app.get("/login/callback/:name", async (c) => {
        const connection = byName.get(c.req.param("name"));
        return connection ? comeBack(c.req.raw, connection) : c.notFound();
      });
      app.get(PROVE, async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        return flow ? showProve(c.req.raw, flow) : kit.expired(c.req.raw);
      });
      app.route("/", connectionProfileRoutes({ ...deps, connection: (name) => byName.get(name), depart }));
      return app as unknown as Hono;
    },
  };
}

const NOTHING: Html = Promise.resolve("") as unknown as Html;

const wayName = (connection: string) => `connection:${connection}` as const;

const nameOf = (connection: LoginConnection, { externalId, label }: Arrival) => ({
  connection: connection.name,
  externalId,
  label,
});
