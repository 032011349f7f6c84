import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import { type Brand, brandStyles, currentBrand, DEFAULT_BRAND } from "./brand.ts";
import type { Language } from "./languages/index.ts";
import { languageNames } from "./languages/index.ts";
import { styles } from "./tokens.ts";

/** A piece of escaped HTML. Values put into `html` templates are escaped. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** What a page needs besides its content. */
export interface PageOptions {
  readonly language: Language;
  readonly title: string;
  readonly body: Html;
  /** What was wrong with the last try: stands first in the title, as it is what a screen reader says first. */
  readonly problem?: string | undefined;
  /** An organization's, in place of the deployment's. */
  readonly brand?: Brand | undefined;
  /** For lists; forms stay narrow. */
  readonly wide?: boolean;
  readonly status?: number;
  /** Origins that a form of this page may lead to through a redirect, beside our own. */
  readonly formTargets?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A script of ours, allowed by its hash; it may talk to our own origin alone. The page works without it. */
  readonly script?: string;
  /** For somebody who is logged in: leads to their other pages and to log-out. */
  readonly account?: { readonly current: "approvals" | "accounts" | "profile" };
  /** Address of this page for the language links; absent when a page cannot be shown twice. */
  readonly self?: string;
}

const sha256Base64 = (text: string) => createHash("sha256").update(text).digest("base64");
const styleHash = sha256Base64(styles);

const logo = raw(
  '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9" fill="#2347c5"/><path d="M9 8.5h7.2c3.2 0 5 1.6 5 4 0 1.7-.9 2.8-2.3 3.3 1.8.4 3 1.7 3 3.7 0 2.8-2 4.4-5.4 4.4H9V8.5Zm3.6 6.1h3c1.300 0 2-.6 2-1.600s-.7-1.500-2-1.500h-3v3.100Zm0 6.300h3.300c1.500 0 2.300-.7 2.300-1.800s-.8-1.700-2.300-1.700h-3.300v3.500Z" fill="#fff"/></svg>',
);

/** Ours, another's, or a name alone. */
function brandMark(brand: Brand): Html {
  if (brand.logo) return html`<img src="${brand.logo}" alt=""><span>${brand.name}</span>`;
  return html`${brand.name === DEFAULT_BRAND.name ? logo : ""}<span>${brand.name}</span>`;
}

/**
 * A whole page as a response: one inline style sheet and at most one script, each allowed by its hash, no frame,
 * no referrer, never cached.
 */
export async function renderPage(options: PageOptions): Promise<Response> {
  const { language, title, body, wide, self, brand = currentBrand() } = options;
  const colours = brandStyles(brand);
  const document = await html`<!doctype html>
<html lang="${language.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${options.problem ? `${options.problem} · ` : ""}${title} · ${brand.name}</title>
${brand.favicon ? html`<link rel="icon" href="${brand.favicon}">` : ""}
<style>${raw(styles)}</style>${
    colours
      ? html`
<style>${raw(colours)}</style>`
      : ""
  }
</head>
<body>
<main class="${wide ? "wide" : ""}">
<div class="card">
<div class="brand">${brandMark(brand)}</div>
${options.account ? accountNavigation(options.account, language) : ""}
${body}
</div>
</main>
${self ? languageLinks(self, language) : ""}
${options.script ? html`<script>${raw(options.script)}</script>` : ""}
</body>
</html>`;
  return new Response(String(document), {
    status: options.status ?? 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      ...pageHeaders(options.formTargets ?? [], options.script, brand),
      ...options.headers,
    },
  });
}

/** Security headers of every page. */
export function pageHeaders(
  formTargets: readonly string[] = [],
  script?: string,
  brand: Brand = DEFAULT_BRAND,
): Record<string, string> {
  const colours = brandStyles(brand);
  const styleHashes = [styleHash, ...(colours ? [sha256Base64(colours)] : [])];
  return {
    "cache-control": "no-store",
    "content-security-policy": [
      "default-src 'none'",
      `style-src ${styleHashes.map((hash) => `'sha256-${hash}'`).join(" ")}`,
      // A picture in the page itself: none is loaded from anywhere.
      ...(brand.logo || brand.favicon ? ["img-src data:"] : []),
      ...(script ? [`script-src 'sha256-${sha256Base64(script)}'`, "connect-src 'self'"] : []),
      `form-action 'self' ${formTargets.join(" ")}`.trim(),
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    // Not "no-referrer": under that a browser sends `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
  };
}

function accountNavigation(account: NonNullable<PageOptions["account"]>, { texts }: Language): Html {
  const link = (page: "approvals" | "accounts" | "profile", label: string) =>
    html`<a href="/${page}" ${page === account.current ? raw('aria-current="page"') : ""}>${label}</a>`;
  return html`<nav class="account" aria-label="${texts.home.title}">
${link("approvals", texts.home.approvals)} ${link("accounts", texts.home.accounts)} ${link("profile", texts.profile.title)}
<a class="end" href="/logout">${texts.logout.submit}</a>
</nav>`;
}

function languageLinks(self: string, current: Language): Html {
  const links = languageNames.map(([tag, name]) => {
    const url = new URL(self, "http://self.invalid");
    url.searchParams.set("lang", tag);
    return tag === current.tag
      ? html`<span aria-current="true">${name}</span> `
      : html`<a href="${url.pathname}${url.search}" hreflang="${tag}" lang="${tag}">${name}</a> `;
  });
  return html`<footer><nav aria-label="${current.texts.common.language}">${links}</nav></footer>`;
}
