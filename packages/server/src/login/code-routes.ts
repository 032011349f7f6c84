import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import { pickLanguage } from "../pages/languages/index.ts";
import { codeView, elsewhereView, linkView, sendView } from "./code-views.ts";
import type { CodeBinding, Codes } from "./codes.ts";
import { loginEvents } from "./events.ts";
import type { Flow } from "./flows.ts";
import { type LoginKit, redirect } from "./kit.ts";
import { startAddress } from "./methods/password/index.ts";

export interface CodeRouteDeps {
  readonly kit: LoginKit;
  readonly codes: Codes;
  readonly audit: Audit;
}

/** What is done with a code that is sent to somebody in the middle of a flow. */
export interface CodePages {
  /** Name of the method, for links to the other ones. */
  readonly name: string;
  readonly path: string;
  readonly purpose: CodeBinding["purpose"];
  readonly channel: "mail" | "text";
  /** Whether this flow is at the point where such a code counts. */
  fits(flow: Flow): boolean | Promise<boolean>;
  /** To whom the page says that a code goes. */
  shownTo?(flow: Flow): Promise<string>;
  /** Sends a code, or nobody's code in the same time; false when that was too often. */
  send(request: Request, flow: Flow): Promise<boolean>;
  /** Goes on with what a code stood for; `undefined` when it counts no more. */
  use(request: Request, flow: Flow, payload: unknown): Promise<Response | undefined>;
}

/**
 * The pages around a code: ask for one, type it, or open the link that came with it. No GET sends or uses anything
 * up, so that neither a mail scanner nor a browser that looks ahead does. A link goes on in the browser where the
 * flow began and shows the code everywhere else, so that whom it is forwarded to gets nowhere.
 */
export function codeRoutes(deps: CodeRouteDeps, pages: CodePages): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, codes } = deps;
  const { path } = pages;

  app.get(path, async (c) => {
    const flow = await kit.flowOf(c.req.raw);
    return flow && (await pages.fits(flow)) ? show(c.req.raw, flow) : kit.expired(c.req.raw);
  });

  app.post(`${path}/send`, async (c) => {
    const form = await kit.readFlowForm(c);
    if (form instanceof Response) return form;
    if (!(await pages.fits(form.flow))) return kit.expired(c.req.raw);
    return sendCode(c.req.raw, form.flow);
  });

  app.post(path, async (c) => {
    const request = c.req.raw;
    const form = await kit.readFlowForm(c);
    if (form instanceof Response) return form;
    const { flow, fields } = form;
    if (!(await pages.fits(flow))) return kit.expired(request);
    const payload = await codes.spend(bindingOf(flow), fields.get("code") ?? "");
    return goOn(request, flow, payload);
  });

  if (pages.channel === "mail") {
    app.get(`${path}/link`, async (c) => {
      const request = c.req.raw;
      const token = c.req.query("token") ?? "";
      const code = await codes.codeOf(token);
      if (code === undefined) return kit.expired(request);
      const flow = await kit.flowOf(request);
      const isHere = flow !== undefined && (await pages.fits(flow));
      const language = pickLanguage(request);
      const title = language.texts.codes.title;
      const body = isHere
        ? linkView(language, { action: `${path}/link`, token, hidden: kit.hiddenFields(request, flow) })
        : elsewhereView(language, code);
      return kit.page(request, isHere ? flow : undefined, { title, body, language });
    });

    app.post(`${path}/link`, async (c) => {
      const request = c.req.raw;
      const form = await kit.readFlowForm(c);
      if (form instanceof Response) return form;
      const { flow, fields } = form;
      if (!(await pages.fits(flow))) return kit.expired(request);
      const payload = await codes.spendLink(bindingOf(flow), fields.get("token") ?? "");
      return goOn(request, flow, payload);
    });
  }

  const bindingOf = (flow: Flow): CodeBinding => ({ purpose: pages.purpose, to: flow.id });

  async function sendCode(request: Request, flow: Flow): Promise<Response> {
    if (await pages.send(request, flow)) return redirect(`${path}?flow=${flow.id}`);
    return show(request, flow, pickLanguage(request).texts.codes.tooOften, 429);
  }

  async function goOn(request: Request, flow: Flow, payload: unknown): Promise<Response> {
    const answer = payload === undefined ? undefined : await pages.use(request, flow, payload);
    if (answer) return answer;
    await deps.audit.append({ action: loginEvents.refused, clientId: flow.clientId, outcome: "refused" });
    return show(request, flow, pickLanguage(request).texts.codes.wrong, 401);
  }

  async function show(request: Request, flow: Flow, problem?: string, status = 200): Promise<Response> {
    const language = pickLanguage(request);
    const wasSent = (await codes.waiting(bindingOf(flow))) !== undefined;
    const view = wasSent ? codeView : sendView;
    const body = view(language, {
      action: path,
      channel: pages.channel,
      hidden: kit.hiddenFields(request, flow),
      identifier: pages.shownTo ? await pages.shownTo(flow) : flow.identifier,
      client: await kit.clientOf(flow),
      // Somebody who has no account yet has no other way.
      others: pages.purpose === "sign-up" ? [] : await kit.others(flow, pages.name, language),
      startAgain: startAddress(flow),
      problem,
    });
    const { title } = language.texts.codes;
    return kit.page(request, flow, {
      title,
      problem,
      body,
      status,
      language,
      self: `${path}?flow=${flow.id}`,
    });
  }

  return app as unknown as Hono;
}
