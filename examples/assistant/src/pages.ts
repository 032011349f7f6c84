import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import type { Asset } from "./assets.ts";
import type { Bootstrap } from "./bootstrap.ts";

type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** The app's mark: a speech bubble with a tick. */
const MARK = raw(
  '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M16 3C8.5 3 2.5 8 2.5 14.3c0 3.6 2 6.8 5.1 8.9-.1 1.7-.8 3.4-2 4.8 2.5-.2 4.8-1.1 6.5-2.6 1.2.3 2.6.5 3.9.5 7.5 0 13.5-5.2 13.5-11.6S23.5 3 16 3Z" fill="currentColor"/><path class="mark-tick" d="m10.5 14.7 3.8 3.8 7.2-7.6" fill="none" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>',
);

const SHIELD = raw(
  '<svg class="icon" viewBox="0 0 24 24"><path d="M12 3.5 5 6.2v5.3c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6.2L12 3.5Zm-3 8.3 2.2 2.2 4-4.3"/></svg>',
);
const TICK = raw('<svg class="icon" viewBox="0 0 24 24"><path d="m5.5 12.5 4.2 4.2 8.8-9.4"/></svg>');

interface PageOptions {
  title: string;
  style: Asset;
  script?: Asset;
  bodyClass?: string;
  body: Html;
}

function page({ title, style, script, bodyClass = "", body }: PageOptions): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M16 3C8.5 3 2.5 8 2.5 14.3c0 3.6 2 6.8 5.1 8.9-.1 1.7-.8 3.4-2 4.8 2.5-.2 4.8-1.1 6.5-2.6 1.2.3 2.6.5 3.9.5 7.5 0 13.5-5.2 13.5-11.6S23.5 3 16 3Z' fill='%230d5c4b'/%3E%3C/svg%3E">
<link rel="stylesheet" href="${style.path}">
${script ? html`<script type="module" src="${script.path}"></script>` : ""}
</head>
<body class="${bodyClass}">
${body}
</body>
</html>`;
}

const PROMISES: readonly (readonly [string, string])[] = [
  ["Knows who you are", "You log in with your own account. Every answer about you comes from that login."],
  [
    "Reads your calendar without your password",
    "You connect it once. It gets a fresh token for each look, and you can take it back.",
  ],
  [
    "Asks before it buys",
    "You see the exact item and amount, on a page that the assistant cannot touch. Yes counts once.",
  ],
  [
    "Quotes only what you may read",
    "Company documents are filtered by permission before they are searched, not after.",
  ],
];

/** A picture of what happens, made of the same parts as the conversation; decoration, hence hidden. */
const EXAMPLE = html`<div class="example" aria-hidden="true">
<p class="bubble">Buy two kettles</p>
<div class="card ask"><header>${SHIELD}<b>Your approval is needed</b></header>
<div class="bill"><p><strong>2 × Electric kettle</strong><span>at the shop</span></p><b class="amount">79.80 EUR</b></div>
<div class="actions"><span class="button">Review and answer</span></div></div>
<div class="card outcome yes">${TICK}<p><strong>Ordered once</strong><span>Approved by you, and only this</span></p></div>
</div>`;

/** What somebody sees who is not logged in. */
export function landingPage({ style, offline }: { style: Asset; offline: boolean }): Html {
  return page({
    title: "Assistant: asks first",
    style,
    bodyClass: "landing",
    body: html`<header class="landing-bar"><span class="brand">${MARK}Assistant</span>
<nav aria-label="Account"><a class="quiet" href="/auth/login?returnTo=/chat">Log in</a></nav></header>
<main class="hero">
<div class="hero-top"><div>
<p class="eyebrow">A personal assistant</p>
<h1>It acts for you.<br><em>It asks you first.</em></h1>
<p class="lead">Ask about your orders, your calendar and your company’s documents, or let it buy something. What it may do stays your decision.</p>
<p class="hero-actions"><a class="button" href="/auth/login?screen_hint=signup&amp;returnTo=/chat">Create an account</a>
<a class="button plain" href="/auth/login?returnTo=/chat">Log in</a></p>
</div>${EXAMPLE}</div>
<ul class="promises">${PROMISES.map(([name, text]) => html`<li><h2>${name}</h2><p>${text}</p></li>`)}</ul>
</main>
<footer class="landing-foot">An example application of Behalf.${offline ? " Its model is a script that runs offline." : ""}</footer>`,
  });
}

/** The conversation: an empty frame that the script fills from the data beside it. */
export function chatPage(assets: { style: Asset; script: Asset }, bootstrap: Bootstrap): Html {
  // A JSON block is not a script to the browser; "<" is escaped so that no text can end it.
  const data = JSON.stringify(bootstrap).replaceAll("<", "\\u003c");
  return page({
    title: "Assistant",
    ...assets,
    bodyClass: "chat",
    body: html`<div id="app"><noscript><p class="notice">The conversation needs JavaScript. Logging in, connecting and approving do not.</p></noscript></div>
<script type="application/json" id="bootstrap">${raw(data)}</script>`,
  });
}

/** Where the window for connecting an account ends up; its script tells the conversation and closes it. */
export function connectedPage(
  assets: { style: Asset; close: Asset },
  connectError: string | undefined,
): Html {
  const refused = connectError === "access_denied";
  const [title, text] =
    connectError === undefined
      ? ["Connected", "Your calendar is connected. The assistant goes on by itself."]
      : refused
        ? ["Not connected", "You did not allow the access. Nothing was changed."]
        : ["Not connected", "The provider did not complete the connection. You can try again."];
  return page({
    title,
    style: assets.style,
    script: assets.close,
    bodyClass: "narrow",
    body: html`<main class="sheet" data-connect-error="${connectError ?? ""}">${MARK}<h1>${title}</h1><p>${text}</p>
<p class="soft">This window closes by itself. <a href="/chat">Back to the conversation</a></p></main>`,
  });
}

/** A page for what went wrong, in one sentence. */
export function problemPage(style: Asset, title: string, sentence: string): Html {
  return page({
    title,
    style,
    bodyClass: "narrow",
    body: html`<main class="sheet">${MARK}<h1>${title}</h1><p>${sentence}</p><p><a class="button" href="/">To the start</a></p></main>`,
  });
}
