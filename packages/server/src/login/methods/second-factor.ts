import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { html } from "hono/html";
import { pickLanguage } from "../../pages/languages/index.ts";
import type { LoginKit } from "../kit.ts";
import { redirect } from "../kit.ts";
import { hiddenInputs, lead, otherWays } from "../views.ts";
import type { LoginMethod } from "./index.ts";

/** The pages between a first factor and a second one: to the one that a person has, or to setting one up. */
export function secondFactorRoutes(kit: LoginKit, methods: () => readonly LoginMethod[]): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();

  app.get("/login/second-factor", async (c) => {
    const request = c.req.raw;
    const flow = await kit.flowOf(request);
    const [first] = flow?.userId === undefined ? [] : await kit.others(flow, "", pickLanguage(request));
    return first ? redirect(first.path) : kit.expired(request);
  });

  app.get("/login/enroll", async (c) => {
    const request = c.req.raw;
    const flow = await kit.flowOf(request);
    if (!flow || !(await kit.mayEnroll(flow))) return kit.expired(request);
    const language = pickLanguage(request);
    const { enrollTitle, enrollLead } = language.texts.secondFactor;
    const ways = methods()
      .map((method) => method.enroll?.(flow, language))
      .filter((way) => way !== undefined);
    const body = html`<h1>${enrollTitle}</h1>${lead(language, await kit.clientOf(flow))}
<p>${enrollLead}</p>${otherWays(language, ways, { divider: false })}`;
    return kit.page(request, flow, {
      title: enrollTitle,
      body,
      language,
      self: `/login/enroll?flow=${flow.id}`,
    });
  });

  // Recovery codes were shown, and the person goes on.
  app.post("/login/enroll/done", async (c) => {
    const form = await kit.readFlowForm(c);
    return form instanceof Response ? form : kit.proceed(c.req.raw, form.flow);
  });

  return app as unknown as Hono;
}

/** The button under recovery codes that were made in the middle of a log-in. */
export function goOnForm(kit: LoginKit, request: Request, flow: { readonly id: string }, label: string) {
  return html`<form method="post" action="/login/enroll/done">${hiddenInputs(kit.hiddenFields(request, flow))}
<div class="actions"><button>${label}</button></div></form>`;
}
