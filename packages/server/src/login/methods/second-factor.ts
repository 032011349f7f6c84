import { Hono } from "hono";
import { html } from "hono/html";
import { pickLanguage } from "../../pages/languages/index.ts";
import type { LoginKit } from "../kit.ts";
import { redirect } from "../kit.ts";
import type { LoginMethod } from "./index.ts";

/** The page between a first factor and a second one: goes to the only one there is, or lets the person choose. */
export function secondFactorRoutes(kit: LoginKit, methods: () => readonly LoginMethod[]): Hono {
  const app = new Hono();
  app.get("/login/second-factor", async (c) => {
    const request = c.req.raw;
    const flow = await kit.flowOf(request);
    if (flow?.userId === undefined) return kit.expired(request);
    const language = pickLanguage(request);
    const offers: { path: string; label: string }[] = [];
    for (const method of methods()) {
      const offer = (await method.isEnrolled?.(flow.userId)) ? method.offer?.(flow, language) : undefined;
      if (offer) offers.push(offer);
    }
    if (offers.length === 0) return kit.expired(request);
    if (offers.length === 1 && offers[0]) return redirect(offers[0].path);
    const { title, choose } = language.texts.secondFactor;
    const links = offers.map(
      ({ path, label }) => html`<li><a class="button plain" href="${path}">${label}</a></li>`,
    );
    const body = html`<h1>${title}</h1><p>${choose}</p><ul class="ways">${links}</ul>`;
    return kit.page(request, flow, { title, body, language, self: `/login/second-factor?flow=${flow.id}` });
  });
  return app;
}
