import { Hono } from "hono";
import { secret } from "../../../lib/secret.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { Flow } from "../../flows.ts";
import type { Accounts } from "../../index.ts";
import type { LoginKit } from "../../kit.ts";
import type { LoginMethod } from "../index.ts";
import { passwordView } from "./views.ts";

export interface PasswordMethodDeps {
  readonly kit: LoginKit;
  readonly accounts: Accounts;
  /** Whether a forgotten password can be replaced by mail. */
  readonly canReset: boolean;
  /** Whether this way of saying who one is belongs to another method: a telephone number. */
  readonly isOther: (identifier: string) => boolean;
}

/** The password of an account. */
export interface PasswordMethod extends LoginMethod {
  /** Tries a password for the flow's identifier; goes on, or shows the password page with what was wrong. */
  attempt(request: Request, flow: Flow, password: string): Promise<Response>;
}

export const PASSWORD_PATH = "/login/password";

export function createPasswordMethod({ kit, accounts, ...deps }: PasswordMethodDeps): PasswordMethod {
  async function show(request: Request, flow: Flow, problem?: string, status = 200): Promise<Response> {
    const language = pickLanguage(request);
    const body = passwordView(language, {
      hidden: kit.hiddenFields(request, flow),
      identifier: flow.identifier,
      client: await kit.clientOf(flow),
      others: await kit.others(flow, "password", language),
      problem,
      startAgain: startAddress(flow),
      resetAddress: deps.canReset ? `/login/reset?flow=${flow.id}` : undefined,
    });
    const self = `${PASSWORD_PATH}?flow=${flow.id}`;
    const { title } = language.texts.login;
    return kit.page(request, flow, { title, problem, body, status, self, language });
  }

  async function attempt(request: Request, flow: Flow, password: string): Promise<Response> {
    const result = await accounts.authenticate(flow.identifier, secret(password));
    if (result.outcome === "ok") return kit.prove(request, flow, result.user.id, ["pwd"], "password");
    const { login } = pickLanguage(request).texts;
    return result.outcome === "locked"
      ? show(request, flow, login.locked, 429)
      : show(request, flow, login.wrong, 401);
  }

  return {
    name: "password",
    attempt,
    offer: (flow, { texts }) =>
      flow.userId === undefined && !deps.isOther(flow.identifier)
        ? { path: `${PASSWORD_PATH}?flow=${flow.id}`, label: texts.login.usePassword }
        : undefined,
    routes() {
      const app = new Hono();
      app.get(PASSWORD_PATH, async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        return flow?.userId === undefined && flow ? show(c.req.raw, flow) : kit.expired(c.req.raw);
      });
      app.post(PASSWORD_PATH, async (c) => {
        const form = await kit.readFlowForm(c as never);
        if (form instanceof Response) return form;
        return attempt(c.req.raw, form.flow, form.fields.get("password") ?? "");
      });
      return app;
    },
  };
}

/** The first page again, for somebody who mistyped who they are. */
export function startAddress(flow: Flow): string {
  const params = new URLSearchParams({ return_to: flow.returnTo });
  if (flow.clientId !== undefined) params.set("client_id", flow.clientId);
  if (flow.organizationId !== undefined) params.set("organization", flow.organizationId);
  if (flow.invitation !== undefined) params.set("invitation", flow.invitation);
  if (flow.identifier !== "") params.set("login_hint", flow.identifier);
  return `/login?${params}`;
}
