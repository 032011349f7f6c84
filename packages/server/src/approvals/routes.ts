import { Hono } from "hono";
import { ApiError, httpError } from "../http/errors.ts";
import { readText } from "../http/limits.ts";
import type { BrowserSession } from "../login/index.ts";
import { pickLanguage } from "../pages/languages/index.ts";
import type { Decide } from "./decide.ts";
import type { ApprovalDeps } from "./index.ts";
import { approvalPage, inboxPage, missingPage, type PageContext, refusedPage, type Shown } from "./pages.ts";
import { type ApprovalRow, findForUser, fromRow, listPending, listSettled } from "./store.ts";

/** More than waits for anybody: an agent has at most three. */
const MAX_PENDING_SHOWN = 50;
const MAX_SETTLED_SHOWN = 20;
/** The form has three short fields. */
const MAX_FORM_BYTES = 4 * 1024;
/** `apr_` and a ULID; anything else is not looked up. */
const APPROVAL_ID = /^apr_[0-9a-z]{26}$/;

/**
 * Pages of approvals, server-rendered and without script.
 * - `GET /approvals` what waits, and earlier requests
 * - `GET /approvals/:id` one request
 * - `POST /approvals/:id` the answer: `decision` (approve or deny), `digest`, `csrf`
 */
export function createRoutes(deps: ApprovalDeps & { decide: Decide }): Hono {
  const { storage, sessions, clients, apis, clock, decide } = deps;
  const app = new Hono();

  async function show(row: ApprovalRow): Promise<Shown> {
    const approval = fromRow(row);
    return {
      approval,
      client: await clients.find(approval.clientId),
      api: apis.find(({ audience }) => audience === approval.audience),
    };
  }

  async function find(id: string, session: BrowserSession): Promise<ApprovalRow | undefined> {
    return APPROVAL_ID.test(id) ? findForUser(storage, id, session.userId) : undefined;
  }

  app.get("/approvals", async (context) => {
    const session = await sessions.current(context.req.raw);
    if (!session) return seeOther(sessions.loginAddress("/approvals"));
    const now = clock.now();
    const pending = await listPending(storage, session.userId, now, MAX_PENDING_SHOWN);
    const settled = await listSettled(storage, session.userId, now, MAX_SETTLED_SHOWN);
    return inboxPage(
      pageContext(context.req.raw, session, now),
      await Promise.all(pending.map(show)),
      await Promise.all(settled.map(show)),
    );
  });

  app.get("/approvals/:id", async (context) => {
    const session = await sessions.current(context.req.raw);
    if (!session) return seeOther(sessions.loginAddress(context.req.path));
    const row = await find(context.req.param("id"), session);
    if (!row) return missingPage(pickLanguage(context.req.raw));
    return approvalPage(pageContext(context.req.raw, session, clock.now()), await show(row));
  });

  app.post("/approvals/:id", async (context) => {
    const request = context.req.raw;
    const session = await sessions.current(request);
    if (!session) return seeOther(sessions.loginAddress(context.req.path));
    const page = pageContext(request, session, clock.now());
    const form = await readForm(request).catch(asApiError);
    if (form instanceof ApiError)
      return refusedPage(page.language, form.status, page.language.texts.error.client);
    try {
      sessions.checkForm(request, session, form);
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      return refusedPage(page.language, error.status, page.language.texts.error.forbidden);
    }
    const row = await find(context.req.param("id"), session);
    if (!row) return missingPage(page.language);
    const decision = form.get("decision");
    if (decision !== "approve" && decision !== "deny")
      return approvalPage(page, await show(row), {
        message: page.language.texts.approvals.noDecision,
        status: 400,
      });
    try {
      await decide({
        approvalId: row.id,
        userId: session.userId,
        decision,
        digest: String(form.get("digest") ?? ""),
        authenticatedAt: session.authenticatedAt,
      });
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      return refusal(page, error, await find(row.id, session));
    }
    return seeOther(page.link(`/approvals/${row.id}`));
  });

  /** The request as it is now, with what came of the answer above it. */
  async function refusal(page: PageContext, error: ApiError, row: ApprovalRow | undefined) {
    if (!row) return missingPage(page.language);
    const t = page.language.texts.approvals;
    const messages: Readonly<Record<string, string>> = {
      "approval.already_answered": t.answeredBefore,
      "approval.answered_too_late": t.tooLate,
      "approval.changed": t.formChanged,
      "approval.agent_disabled": t.switchedOff,
    };
    const message = messages[error.code] ?? page.language.texts.error.server;
    return approvalPage(page, await show(row), { message, status: error.status });
  }

  return app;
}

function pageContext(request: Request, session: BrowserSession, now: number): PageContext {
  const url = new URL(request.url);
  const wished = url.searchParams.get("lang");
  const language = pickLanguage(request);
  return {
    language,
    session,
    now,
    self: url.pathname,
    // Only a language that was asked for in the address stays in the addresses.
    link: (path) => (wished === null ? path : `${path}?lang=${language.tag}`),
  };
}

function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
}

/** Each field once: of two decisions neither counts. */
async function readForm(request: Request): Promise<FormData> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
    throw httpError("request.unsupported_media_type");
  const fields = new URLSearchParams(await readText(request, MAX_FORM_BYTES));
  const form = new FormData();
  for (const [name, value] of fields) {
    if (form.has(name)) throw httpError("request.invalid", { detail: `The field ${name} appears twice.` });
    form.append(name, value);
  }
  return form;
}

function asApiError(error: unknown): ApiError {
  if (ApiError.is(error)) return error;
  throw error;
}
