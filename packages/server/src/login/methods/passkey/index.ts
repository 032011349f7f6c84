import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { BrowserToken } from "../../browser-token.ts";
import type { Flow } from "../../flows.ts";
import type { LoginKit } from "../../kit.ts";
import type { LoginMethod } from "../index.ts";
import { startAddress } from "../password/index.ts";
import { PASSKEY_AMR, type Passkeys } from "./passkeys.ts";
import { type PasskeyProfileDeps, passkeyProfileRoutes } from "./profile-routes.ts";
import { passkeyScript } from "./script.ts";
import { loginView, profileSection } from "./views.ts";

export interface PasskeyMethodDeps extends PasskeyProfileDeps {
  readonly kit: LoginKit;
  readonly passkeys: Passkeys;
  readonly browser: BrowserToken;
}

/** A passkey: first factor and second at once, or the second after a password. */
export interface PasskeyMethod extends LoginMethod {
  /** Tries an authenticator's answer; goes on, or shows the page with what was wrong. */
  attempt(request: Request, flow: Flow, answer: string): Promise<Response>;
}

const PATH = "/login/passkey";

export function createPasskeyMethod(deps: PasskeyMethodDeps): PasskeyMethod {
  const { kit, passkeys, browser } = deps;

  async function show(request: Request, flow: Flow, problem?: string): Promise<Response> {
    const language = pickLanguage(request);
    const body = loginView(language, {
      hidden: kit.hiddenFields(request, flow),
      identifier: flow.identifier,
      client: await kit.clientOf(flow),
      // The other ways need to know who it is.
      others: flow.identifier === "" ? [] : await kit.others(flow, "passkey", language),
      problem,
      startAgain: startAddress(flow),
      isSecond: flow.userId !== undefined,
    });
    return kit.page(request, flow, {
      title: language.texts.login.title,
      problem,
      body,
      language,
      script: passkeyScript,
      status: problem === undefined ? 200 : 401,
      self: `${PATH}?flow=${flow.id}`,
    });
  }

  /** Answers are taken from this browser alone; after a first factor, from its user alone. */
  const termsOf = (request: Request, flow: Flow | undefined) => ({
    binding: `browser:${browser.read(request) ?? ""}` as const,
    userId: flow?.userId,
  });

  async function attempt(request: Request, flow: Flow, answer: string): Promise<Response> {
    const userId = await passkeys.proveLogin(termsOf(request, flow), answer);
    if (userId !== undefined) return kit.prove(request, flow, userId, PASSKEY_AMR, "passkey");
    return show(request, flow, pickLanguage(request).texts.passkey.refused);
  }

  return {
    name: "passkey",
    attempt,
    offer: (flow, { texts }) => ({ path: `${PATH}?flow=${flow.id}`, label: texts.passkey.use }),
    isEnrolled: async (userId) => (await passkeys.list(userId)).length > 0,
    profileSection: async (session, language) =>
      profileSection(language, await passkeys.list(session.userId)),
    routes() {
      const app = new Hono<{ Bindings: HttpBindings }>();
      app.get(PATH, async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        return flow ? show(c.req.raw, flow) : kit.expired(c.req.raw);
      });
      // For the script: the first page has no flow yet, and asks for whoever has a passkey here.
      app.post(`${PATH}/options`, async (c) => {
        const form = await kit.readForm(c);
        if (form instanceof Response) return form;
        const flow = await kit.flowOf(c.req.raw);
        c.header("cache-control", "no-store");
        return c.json(await passkeys.askLogin(termsOf(c.req.raw, flow)));
      });
      app.post(PATH, async (c) => {
        const form = await kit.readFlowForm(c);
        if (form instanceof Response) return form;
        return attempt(c.req.raw, form.flow, form.fields.get("answer") ?? "");
      });
      app.route("/", passkeyProfileRoutes(deps));
      return app as unknown as Hono;
    },
  };
}
