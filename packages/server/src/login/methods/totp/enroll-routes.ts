import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { Flow } from "../../flows.ts";
import type { LoginContext } from "../../kit.ts";
import { redirect } from "../../kit.ts";
import { codesView } from "../recovery-code/views.ts";
import { goOnForm } from "../second-factor.ts";
import { type EnrollDeps, enrolled, secretPage } from "./enroll.ts";
import { readCode } from "./factors.ts";
import { setUpView, startView } from "./views.ts";

const PATH = "/login/enroll/totp";

/** Setting up an authenticator app in the middle of a log-in that needs a second factor. */
export function totpEnrollRoutes(deps: EnrollDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, factors } = deps;

  app.get(PATH, async (c) => {
    const flow = await kit.flowOf(c.req.raw);
    if (!flow || !(await kit.mayEnroll(flow))) return kit.expired(c.req.raw);
    const factor = c.req.query("factor");
    return factor === undefined ? showStart(c.req.raw, flow) : showSecret(c.req.raw, flow, factor);
  });

  app.post(`${PATH}/start`, async (c) => {
    const form = await readEnrollForm(c);
    if (form instanceof Response) return form;
    const factor = await factors.begin(form.userId);
    if (factor === undefined) return kit.expired(c.req.raw);
    return redirect(`${PATH}?flow=${form.flow.id}&factor=${factor}`);
  });

  app.post(PATH, async (c) => {
    const request = c.req.raw;
    const form = await readEnrollForm(c);
    if (form instanceof Response) return form;
    const { flow, userId, fields } = form;
    const factor = fields.get("factor") ?? "";
    const language = pickLanguage(request);
    const codes = await enrolled(deps, userId, factor, readCode(fields.get("code") ?? ""));
    if (!codes) return showSecret(request, flow, factor, language.texts.totp.wrong);
    const proven = await kit.addProof(flow, userId, { amr: ["otp", "mfa"], methods: ["totp"] });
    if (!proven) return kit.expired(request);
    if (codes.length === 0) return kit.proceed(request, proven);
    const body = codesView(language, codes, goOnForm(kit, request, flow, language.texts.common.continue));
    return kit.page(request, flow, { title: language.texts.recoveryCode.newTitle, body, language });
  });

  async function readEnrollForm(c: LoginContext) {
    const form = await kit.readFlowForm(c);
    if (form instanceof Response) return form;
    const { userId } = form.flow;
    if (userId === undefined || !(await kit.mayEnroll(form.flow))) return kit.expired(c.req.raw);
    return { ...form, userId };
  }

  function showStart(request: Request, flow: Flow): Promise<Response> {
    const language = pickLanguage(request);
    const body = startView(language, kit.hiddenFields(request, flow));
    const self = `${PATH}?flow=${flow.id}`;
    return kit.page(request, flow, { title: language.texts.totp.setUp, body, language, self });
  }

  async function showSecret(request: Request, flow: Flow, factor: string, problem?: string) {
    const language = pickLanguage(request);
    const page = await secretPage(deps, flow.userId ?? "", factor, flow.identifier);
    if (!page) return kit.expired(request);
    const body = setUpView(language, {
      ...page,
      factor,
      problem,
      action: PATH,
      hidden: kit.hiddenFields(request, flow),
    });
    const status = problem === undefined ? 200 : 401;
    return kit.page(request, flow, { title: language.texts.totp.setUp, problem, body, language, status });
  }

  return app as unknown as Hono;
}
