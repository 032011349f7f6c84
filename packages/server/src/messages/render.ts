import { html } from "hono/html";
import { inkOn } from "../pages/colours.ts";
import type { Language } from "../pages/languages/index.ts";
import type { MailBlock, MailContent } from "./templates.ts";

/** A mail as it is sent: the same in both forms. */
export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Whose mail it is. */
export interface MailBrand {
  readonly name: string;
  /** Of the button. Default: that of the pages. */
  readonly colours?: { readonly main: string } | undefined;
}

/** The colours of the pages (pages/tokens.ts). Mail programs know no variables, so they stand in each style. */
const INK = "#16181d";
const INK_SOFT = "#545b68";
const GROUND = "#f3f4f7";
const LINE = "#d5d9e1";
const MAIN = "#2347c5";
const FONT =
  "font-family:system-ui,-apple-system,'Segoe UI','Hiragino Sans','Noto Sans JP',sans-serif;font-size:16px;line-height:1.55";
const STYLE = {
  body: `margin:0;padding:24px 12px;background:${GROUND};color:${INK};${FONT}`,
  card: `max-width:27rem;margin:0 auto;padding:28px;background:#ffffff;border:1px solid ${LINE};border-radius:12px`,
  title: "margin:0 0 12px;font-size:23px;line-height:1.25",
  paragraph: "margin:12px 0",
  code: `margin:16px 0;padding:14px;background:${GROUND};border-radius:8px;text-align:center;font-size:28px;font-weight:700;letter-spacing:4px`,
  brand: "margin:0 0 16px;font-weight:700",
  address: `margin:8px 0 16px;font-size:13px;color:${INK_SOFT};word-break:break-all`,
  footer: `max-width:27rem;margin:16px auto 0;font-size:13px;color:${INK_SOFT};text-align:center`,
};

const buttonStyle = (main: string) =>
  `display:inline-block;padding:12px 18px;background:${main};color:${inkOn(main)};border-radius:8px;font-weight:600;text-decoration:none`;

/** Text and HTML of a mail. No image, no script, nothing that tells the sender that it was read. */
export async function renderMail(
  content: MailContent,
  options: { language: Language; host: string; brand: MailBrand },
): Promise<RenderedMail> {
  const { messages } = options.language.texts;
  const { brand } = options;
  const button = buttonStyle(brand.colours?.main ?? MAIN);
  const footer = messages.sentBy(options.host);
  const document = await html`<!doctype html>
<html lang="${options.language.tag}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${content.subject}</title></head>
<body style="${STYLE.body}">
<div style="${STYLE.card}">
<p style="${STYLE.brand}">${brand.name}</p>
<h1 style="${STYLE.title}">${content.title}</h1>
${content.blocks.map((block) => asHtml(block, messages.orOpen, button))}
</div>
<p style="${STYLE.footer}">${footer}</p>
</body>
</html>
`;
  return {
    subject: oneLine(content.subject),
    text: `${[content.title, ...content.blocks.map(asText), `-- \n${footer}`].join("\n\n")}\n`,
    html: String(document),
  };
}

function asText(block: MailBlock): string {
  if (block.kind === "paragraph") return block.text;
  return block.kind === "code" ? `    ${block.code}` : `${block.label}:\n${block.url}`;
}

function asHtml(block: MailBlock, orOpen: string, button: string) {
  if (block.kind === "paragraph") return html`<p style="${STYLE.paragraph}">${block.text}</p>\n`;
  if (block.kind === "code") return html`<p style="${STYLE.code}">${block.code}</p>\n`;
  return html`<p style="${STYLE.paragraph}"><a href="${block.url}" style="${button}">${block.label}</a></p>
<p style="${STYLE.address}">${orOpen}<br>${block.url}</p>\n`;
}

/** A header ends at a line break: whatever follows one would be a header of somebody's choice. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
}
