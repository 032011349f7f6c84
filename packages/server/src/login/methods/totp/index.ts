import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { Audit } from "../../../audit/index.ts";
import type { Sealer } from "../../../crypto/seal.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Ids } from "../../../lib/ids.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import type { Storage } from "../../../storage/index.ts";
import { ACR } from "../../amr.ts";
import { loginEvents } from "../../events.ts";
import type { Flow } from "../../flows.ts";
import type { LoginKit } from "../../kit.ts";
import type { Lockout } from "../../lockout.ts";
import type { LoginMethod } from "../index.ts";
import type { RecoveryCodes } from "../recovery-code/codes.ts";
import { totpEnrollRoutes } from "./enroll-routes.ts";
import { createTotpFactors, readCode } from "./factors.ts";
import { totpProfileRoutes } from "./profile-routes.ts";
import { codeView, sectionView } from "./views.ts";

export interface TotpMethodDeps {
  readonly kit: LoginKit;
  readonly storage: Storage;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly audit: Audit;
  readonly lockout: Lockout;
  readonly recoveryCodes: RecoveryCodes;
  readonly issuer: string;
}

const PATH = "/login/totp";

/** Codes of an authenticator app, as a second factor. @see RFC 6238 */
export function createTotpMethod(deps: TotpMethodDeps): LoginMethod {
  const { kit, lockout, audit } = deps;
  const factors = createTotpFactors(deps);

  async function show(request: Request, flow: Flow, problem?: string, status = 200): Promise<Response> {
    const language = pickLanguage(request);
    const body = codeView(language, {
      hidden: kit.hiddenFields(request, flow),
      others: await kit.others(flow, "totp", language),
      problem,
    });
    const { title } = language.texts.totp;
    return kit.page(request, flow, {
      title,
      problem,
      body,
      status,
      language,
      self: `${PATH}?flow=${flow.id}`,
    });
  }

  async function attempt(request: Request, flow: Flow, userId: string, code: string): Promise<Response> {
    const { totp, login } = pickLanguage(request).texts;
    const key = `totp:${userId}`;
    if (!(await lockout.take(key))) return show(request, flow, login.locked, 429);
    if (!(await factors.spend(userId, readCode(code)))) {
      await audit.append({ action: loginEvents.refused, userId, outcome: "refused" });
      return show(request, flow, totp.wrong, 401);
    }
    await lockout.clear(key);
    return kit.prove(request, flow, userId, ["otp", "mfa"], "totp");
  }

  return {
    name: "totp",
    isEnrolled: async (userId) => (await factors.list(userId)).length > 0,
    offer: (flow, { texts }) =>
      flow.userId === undefined ? undefined : { path: `${PATH}?flow=${flow.id}`, label: texts.totp.use },
    // A code can be passed on to a look-alike page.
    enroll: (flow, { texts }) =>
      flow.acr === ACR.phishingResistant
        ? undefined
        : { path: `/login/enroll/totp?flow=${flow.id}`, label: texts.totp.setUp },
    profileSection: async (session, language) =>
      sectionView(language, session, await factors.list(session.userId)),
    routes() {
      const app = new Hono<{ Bindings: HttpBindings }>();
      app.get(PATH, async (c) => {
        const flow = await kit.flowOf(c.req.raw);
        return flow?.userId === undefined ? kit.expired(c.req.raw) : show(c.req.raw, flow);
      });
      app.post(PATH, async (c) => {
        const form = await kit.readFlowForm(c);
        if (form instanceof Response) return form;
        const { userId } = form.flow;
        if (userId === undefined) return kit.expired(c.req.raw);
        return attempt(c.req.raw, form.flow, userId, form.fields.get("code") ?? "");
      });
      app.route("/", totpEnrollRoutes({ ...deps, factors }));
      app.route("/", totpProfileRoutes({ ...deps, factors }));
      return app as unknown as Hono;
    },
  };
}
