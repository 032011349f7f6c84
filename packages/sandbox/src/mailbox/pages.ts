import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { STYLE as BASE } from "../provider/style.ts";
import type { Arrived } from "./store.ts";

const STYLE = `${BASE}
body { justify-content: flex-start; } main { max-width: 680px; }
article { border-top: 1px solid var(--line); padding: 16px 0; margin-top: 16px; }
article h2 { margin: 0; font-size: 17px; color: var(--ink); }
.meta { margin: 2px 0 10px; color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
pre { margin: 0; padding: 12px; border-radius: 12px; background: var(--tint); white-space: pre-wrap;
  overflow-wrap: anywhere; font: 15px/1.5 ui-monospace, monospace; }
a { color: var(--accent); }
`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** All messages, newest first. Needs no JavaScript; links in the text can be followed. */
export async function mailboxPage(messages: readonly Arrived[]): Promise<Response> {
  const document = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox · Sandbox</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<header><span class="mark" aria-hidden="true"></span>Sandbox mailbox</header>
<h1>Mails and texts</h1>
<p class="lead">${messages.length === 0 ? "Nothing has arrived yet." : "Newest first."} <a href="/mailbox">Look again</a></p>
${messages.map(show)}
</main>
<footer>Mails and texts of this machine's server arrive here, whomever they are for. None is sent on.</footer>
</body>
</html>`;
  const policy = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'`;
  return new Response(String(document), { headers: { ...HEADERS, "content-security-policy": policy } });
}

/** A mail as a mail program shows it: its own styles, and nothing else of it works but its links. */
export function htmlOf(mail: Arrived): Response {
  const policy =
    "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'";
  return new Response(mail.html, { headers: { ...HEADERS, "content-security-policy": policy } });
}

function show(message: Arrived) {
  const title = message.kind === "mail" ? message.subject : "Text message";
  const asHtml = message.html === "" ? "" : html` · <a href="/mailbox/${message.seq}">as HTML</a>`;
  return html`<article>
<h2>${title}</h2>
<p class="meta">to ${message.to} · from ${message.from} · ${message.at}${asHtml}</p>
<pre>${linked(message.text)}</pre>
</article>`;
}

/** The text with its web addresses as links. */
function linked(text: string) {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .map((part, i) => (i % 2 === 0 ? part : html`<a href="${part}" rel="noreferrer">${part}</a>`));
}
