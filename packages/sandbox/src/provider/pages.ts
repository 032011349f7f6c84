import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { RefusalAnswer } from "../support/refusal.ts";
import { type Account, SCOPES } from "./accounts.ts";
import { STYLE } from "./style.ts";

/** What the account page shows. */
export type ConsentView = {
  /** Sent back with the answer: the page's own secret. */
  question: string;
  application: string;
  redirectUri: string;
  scopes: readonly string[];
  accounts: readonly Account[];
  selected: Account | undefined;
};

/** The page on which a person picks an account and allows or denies. A form: it needs no JavaScript. */
export function consentPage(view: ConsentView): Promise<Response> {
  const wishes = SCOPES.filter((scope) => view.scopes.includes(scope.name));
  const main = html`
    <p class="lead"><strong>${view.application}</strong> asks for access to a calendar.</p>
    <form method="post" action="/authorize/decision">
      <input type="hidden" name="question" value="${view.question}">
      <fieldset>
        <legend>Account</legend>
        ${view.accounts.map(
          (account) => html`<label class="account">
            <input type="radio" name="account" value="${account.id}" required
              ${account === view.selected ? raw("checked") : ""}>
            <span class="who">
              <span class="name"><strong>${account.name}</strong><span class="tag">${account.label}</span></span>
              <span class="email">${account.email}</span>
            </span>
          </label>`,
        )}
      </fieldset>
      <h2>It will be able to</h2>
      <ul>
        ${wishes.map((scope) => html`<li>${scope.says}</li>`)}
      </ul>
      <p class="where">You go back to <strong>${new URL(view.redirectUri).host}</strong>.</p>
      <div class="answers">
        <button name="decision" value="deny" formnovalidate>Deny</button>
        <button name="decision" value="allow" class="main">Allow</button>
      </div>
    </form>`;
  return page("Allow access", main, 200);
}

/** A page that says what is wrong; the person cannot be sent back anywhere. */
export function problemPage(answer: RefusalAnswer): Promise<Response> {
  const main = html`<p class="lead">${answer.description}</p><p class="where">Code: ${answer.error}</p>`;
  return page("This did not work", main, answer.status);
}

async function page(title: string, main: ReturnType<typeof html>, status: number): Promise<Response> {
  const document = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Sandbox Calendar</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<header><span class="mark" aria-hidden="true"></span>Sandbox Calendar</header>
<h1>${title}</h1>
${main}
</main>
<footer>A provider for trying things out. It runs on this machine and holds nobody's real calendar.</footer>
</body>
</html>`;
  return new Response(String(document), { status, headers: PAGE_HEADERS });
}

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  // No form-action: browsers apply it to every later redirect too, and the application's are not known here.
  "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'`,
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  // The address of the page holds the state of the request.
  "referrer-policy": "no-referrer",
};
