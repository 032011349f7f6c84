import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { ApiError } from "../../http/errors.ts";
import { secret } from "../../lib/secret.ts";
import { pickLanguage } from "../../pages/languages/index.ts";
import type { BrowserToken } from "../browser-token.ts";
import type { Flow, Flows } from "../flows.ts";
import type { Accounts } from "../index.ts";
import type { LoginKit } from "../kit.ts";
import { isMailLike } from "../methods/email-code/index.ts";
import { startAddress } from "../methods/password/index.ts";
import { passwordProblem } from "../password-problem.ts";
import { messageView } from "../views.ts";
import type { PasswordReset } from "./index.ts";
import type { Resets } from "./resets.ts";
import { askView, doneView, newPasswordView } from "./views.ts";

export interface ResetRouteDeps {
  readonly kit: LoginKit;
  readonly flows: Flows;
  readonly browser: BrowserToken;
  readonly accounts: Accounts;
  readonly resets: Resets;
  readonly reset: PasswordReset;
}

const ASK_PATH = "/login/reset";
export const NEW_PASSWORD_PATH = "/login/reset/new";

/**
 * A forgotten password: ask for a link, open it, prove the second factor if there is one, set a new one. The link's
 * token leaves the address at once: it starts a flow of this browser.
 */
export function resetRoutes(deps: ResetRouteDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, flows, resets, reset, browser, accounts } = deps;

  app.get(ASK_PATH, async (c) => {
    const flow = await kit.flowOf(c.req.raw);
    return flow && canAsk(flow) ? showAsk(c.req.raw, flow) : kit.expired(c.req.raw);
  });

  app.post(ASK_PATH, async (c) => {
    const request = c.req.raw;
    const form = await kit.readFlowForm(c);
    if (form instanceof Response) return form;
    const { flow } = form;
    if (!canAsk(flow)) return kit.expired(request);
    const language = pickLanguage(request);
    const t = language.texts.reset;
    if (!(await reset.ask(flow.identifier, flow, language.tag)))
      return showAsk(request, flow, language.texts.codes.tooOften, 429);
    const body = messageView(t.sentTitle, t.sent(flow.identifier));
    return kit.page(request, flow, { title: t.sentTitle, body, language });
  });

  app.get("/reset", async (c) => {
    const request = c.req.raw;
    const found = await resets.find({ token: c.req.query("token") ?? "" });
    const user = found && (await accounts.find(found.userId));
    if (!found || !user || user.disabledAt !== undefined) return kit.expired(request);
    const value = browser.readOrMake(request);
    const flow = await flows.begin(value, {
      returnTo: found.returnTo,
      clientId: found.clientId,
      expectedUserId: user.id,
      resetId: found.id,
      identifier: user.email,
    });
    // Whoever opens the link reads this person's mail.
    const response = await kit.prove(request, flow, user.id, ["otp"], "email-code");
    response.headers.append("set-cookie", browser.cookie(value));
    response.headers.set("referrer-policy", "no-referrer");
    return response;
  });

  app.get(NEW_PASSWORD_PATH, async (c) => {
    const flow = await kit.flowOf(c.req.raw);
    return flow && (await mayReset(flow)) ? showNew(c.req.raw, flow) : kit.expired(c.req.raw);
  });

  app.post(NEW_PASSWORD_PATH, async (c) => {
    const request = c.req.raw;
    const form = await kit.readFlowForm(c);
    if (form instanceof Response) return form;
    const { flow, fields } = form;
    if (!(await mayReset(flow)) || flow.userId === undefined) return kit.expired(request);
    const password = fields.get("password") ?? "";
    try {
      if (!(await reset.complete(flow, flow.userId, secret(password)))) return kit.expired(request);
    } catch (error) {
      const problem = ApiError.is(error)
        ? passwordProblem(pickLanguage(request), error.code, password)
        : undefined;
      if (!problem) throw error;
      return showNew(request, flow, problem);
    }
    const language = pickLanguage(request);
    const t = language.texts.reset;
    return kit.page(request, flow, {
      title: t.doneTitle,
      body: doneView(language, startAddress(flow)),
      language,
    });
  });

  /** A flow in which nothing was proven yet, for somebody who may get mail. */
  const canAsk = (flow: Flow) => flow.userId === undefined && isMailLike(flow.identifier);

  /** The link was opened here, and the second factor of somebody who has one was asked for. */
  const mayReset = async (flow: Flow) => flow.resetId !== undefined && (await kit.isProven(flow));

  async function showAsk(request: Request, flow: Flow, problem?: string, status = 200) {
    const language = pickLanguage(request);
    const body = askView(language, {
      hidden: kit.hiddenFields(request, flow),
      identifier: flow.identifier,
      startAgain: startAddress(flow),
      problem,
    });
    const { title } = language.texts.reset;
    return kit.page(request, flow, {
      title,
      problem,
      body,
      status,
      language,
      self: `${ASK_PATH}?flow=${flow.id}`,
    });
  }

  async function showNew(request: Request, flow: Flow, problem?: string) {
    const language = pickLanguage(request);
    const body = newPasswordView(language, {
      hidden: kit.hiddenFields(request, flow),
      email: flow.identifier,
      problem,
    });
    const status = problem === undefined ? 200 : 400;
    const self = `${NEW_PASSWORD_PATH}?flow=${flow.id}`;
    return kit.page(request, flow, {
      title: language.texts.reset.title,
      problem,
      body,
      status,
      language,
      self,
    });
  }

  return app as unknown as Hono;
}
