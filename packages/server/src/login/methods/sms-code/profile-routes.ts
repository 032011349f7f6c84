import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { httpError } from "../../../http/errors.ts";
import { pickLanguage } from "../../../pages/languages/index.ts";
import { renderPage } from "../../../pages/layout.ts";
import type { CodeBinding } from "../../codes.ts";
import { loginEvents } from "../../events.ts";
import type { BrowserSession } from "../../index.ts";
import { redirect } from "../../kit.ts";
import type { SmsCodeDeps } from "./index.ts";
import { readPhone } from "./phones.ts";
import { phoneView } from "./views.ts";

const PATH = "/profile/phone";
const PROFILE = "/profile";

/** Adding one's number, choosing what it is for, and taking it away. */
export function phoneRoutes(deps: SmsCodeDeps): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const { kit, accounts, codes, phones, sending, storage, messages, audit } = deps;
  const bindingOf = (userId: string): CodeBinding => ({ purpose: "phone", to: userId });

  app.get(PATH, async (c) => {
    const session = await kit.recent(c.req.raw, PATH);
    return session instanceof Response ? session : show(c.req.raw, session);
  });

  app.post(`${PATH}/send`, async (c) => {
    const request = c.req.raw;
    const form = await kit.readRecentForm(c, PATH);
    if (form instanceof Response) return form;
    const { session, fields } = form;
    const language = pickLanguage(request);
    const phone = readPhone(String(fields.get("phone") ?? ""));
    if (phone === undefined) return show(request, session, language.texts.phone.invalid, 400);
    if (!sending.isAllowedNumber(phone)) return show(request, session, language.texts.phone.notHere, 400);
    if (!(await sending.mayText(phone, session.userId)) || !(await sending.takeText(true)))
      return show(request, session, language.texts.codes.tooOften, 429);
    const user = await accounts.find(session.userId);
    await storage.transaction(async (tx) => {
      const { code, expiresAt } = await codes.issue(tx, bindingOf(session.userId), { phone });
      await messages.text(tx, {
        to: phone,
        language: user?.locale ?? language.tag,
        template: "login_code",
        values: { code },
        expiresAt,
      });
    });
    return redirect(PATH);
  });

  app.post(PATH, async (c) => {
    const request = c.req.raw;
    const form = await kit.readRecentForm(c, PATH);
    if (form instanceof Response) return form;
    const { session, fields } = form;
    const { userId } = session;
    const { texts } = pickLanguage(request);
    // As it was issued above.
    const payload = (await codes.spend(bindingOf(userId), String(fields.get("code") ?? ""))) as
      | { phone: string }
      | undefined;
    if (!payload) return show(request, session, texts.codes.wrong, 401);
    const isKept = await storage.transaction(async (tx) => {
      if (!(await phones.set(tx, userId, payload.phone))) return false;
      await audit.appendIn(tx, {
        action: loginEvents.methodAdded,
        userId,
        outcome: "done",
        details: { method: "sms" },
      });
      await tell(tx, userId, "added");
      return true;
    });
    // Only somebody who has the number in their hand is told.
    return isKept ? redirect(PROFILE) : show(request, session, texts.phone.taken, 409);
  });

  app.post(`${PATH}/second-factor`, async (c) => {
    const form = await kit.readRecentForm(c, PROFILE);
    if (form instanceof Response) return form;
    const { userId } = form.session;
    const isOn = form.fields.get("on") === "1";
    await storage.transaction(async (tx) => {
      if (!(await phones.setSecondFactor(tx, userId, isOn))) throw httpError("request.not_found");
      const action = isOn ? loginEvents.methodAdded : loginEvents.methodRemoved;
      await audit.appendIn(tx, { action, userId, outcome: "done", details: { method: "sms second factor" } });
      await tell(tx, userId, isOn ? "added" : "removed");
    });
    return redirect(PROFILE);
  });

  app.post(`${PATH}/remove`, async (c) => {
    const form = await kit.readRecentForm(c, PROFILE);
    if (form instanceof Response) return form;
    const { userId } = form.session;
    await storage.transaction(async (tx) => {
      if (!(await phones.remove(tx, userId))) throw httpError("request.not_found");
      await audit.appendIn(tx, {
        action: loginEvents.methodRemoved,
        userId,
        outcome: "done",
        details: { method: "sms" },
      });
      await tell(tx, userId, "removed");
    });
    return redirect(PROFILE);
  });

  /** Nobody's ways to log in change without their knowing. */
  async function tell(
    tx: Parameters<Parameters<typeof storage.transaction>[0]>[0],
    userId: string,
    change: "added" | "removed",
  ) {
    const row = await tx
      .db<{ users: { id: string; email: string; locale: string | null } }>()
      .selectFrom("users")
      .select(["email", "locale"])
      .where("id", "=", userId)
      .executeTakeFirst();
    await messages.mail(tx, {
      to: row?.email,
      language: row?.locale ?? undefined,
      template: "new_login_method",
      values: { path: "/profile", change, method: "sms" },
    });
  }

  async function show(request: Request, session: BrowserSession, problem?: string, status = 200) {
    const language = pickLanguage(request);
    const waiting = (await codes.waiting(bindingOf(session.userId))) as { phone: string } | undefined;
    const body = phoneView(language, { session, waiting: waiting?.phone, problem });
    return renderPage({ language, title: language.texts.phone.title, problem, body, status, self: PATH });
  }

  return app as unknown as Hono;
}
