import { html } from "hono/html";
import { canonicalJson, type Json } from "../lib/canonical-json.ts";
import type { Language, Texts } from "../pages/languages/index.ts";
import type { Html } from "../pages/layout.ts";
import { type AuthorizationDetail, TOOL_CALL } from "./details.ts";
import { breakable, visible, visibleShort } from "./visible.ts";

/** One line of a detail: what it is called, and one or more values. */
export interface Row {
  readonly label: string;
  readonly values: readonly Html[];
}

/** Titles of the API's own detail types. */
export type DetailTitles = Readonly<Record<string, { readonly title: string }>>;

/** Lines shown at once; the rest opens below, so that a long list cannot hide what follows it. */
const MAX_ROWS = 24;
const MAX_VALUES = 12;
const MAX_LABEL_CHARACTERS = 60;

/** A detail as the person sees it: words and order are ours, the values the agent's, made visible. */
export function renderDetail(detail: AuthorizationDetail, language: Language, titles: DetailTitles): Html {
  const { texts } = language;
  const rows = rowsOfDetail(detail, language);
  return html`<section class="sheet"><h3>${titleOf(detail, texts, titles)}</h3>
${rows.length > 0 ? factList(rows, texts) : html`<p class="soft">${texts.approvals.noMembers}</p>`}
<details><summary class="small">${texts.approvals.exactData}</summary><dl class="facts"><dt>JSON</dt><dd><code>${visible(canonicalJson(detail))}</code></dd></dl></details></section>`;
}

function titleOf(detail: AuthorizationDetail, texts: Texts, titles: DetailTitles): Html {
  if (detail.type === TOOL_CALL) return html`${texts.approvals.toolCall}`;
  const own = Object.hasOwn(titles, detail.type) ? titles[detail.type]?.title : undefined;
  return own === undefined ? visible(detail.type) : visible(own);
}

/** The lines of a detail, `type` left out: the title says it. */
export function rowsOfDetail(detail: AuthorizationDetail, language: Language): Row[] {
  const { type: _, ...members } = detail;
  if (detail.type !== TOOL_CALL) return rowsOfObject(members, "", undefined, language);
  const { tool, arguments: given } = members;
  const args = isObject(given) ? given : {};
  const toolRow = {
    label: language.texts.approvals.tool,
    values: [html`<code>${visible(String(tool))}</code>`],
  };
  return [toolRow, ...rowsOfObject(args, "", undefined, language)];
}

function rowsOfObject(
  object: { readonly [member: string]: Json },
  path: string,
  outerCurrency: string | undefined,
  language: Language,
): Row[] {
  const names = Object.keys(object);
  const labels = names.map((name) => labelOf(name, language.texts));
  const currency = currencyOf(object) ?? outerCurrency;
  return names.flatMap((name, i) => {
    // Two members that read alike are shown by their real names.
    const unique = labels.indexOf(labels[i] ?? "") === labels.lastIndexOf(labels[i] ?? "");
    const label = joinPath(path, unique ? (labels[i] ?? name) : name);
    const money = isAmountName(name) ? currency : undefined;
    return rowsOfValue(object[name] ?? null, label, money, currency, language);
  });
}

function rowsOfValue(
  value: Json,
  label: string,
  money: string | undefined,
  currency: string | undefined,
  language: Language,
): Row[] {
  if (Array.isArray(value) && value.length > 0) {
    if (value.every(isScalar)) return [{ label, values: value.map((item) => scalar(item, money, language)) }];
    return value.flatMap((item, i) => rowsOfValue(item, `${label} ${i + 1}`, money, currency, language));
  }
  if (isObject(value) && Object.keys(value).length > 0) return rowsOfObject(value, label, currency, language);
  return [{ label, values: [scalar(value, money, language)] }];
}

function scalar(value: Json, currency: string | undefined, { tag, texts }: Language): Html {
  if (value === true) return html`${texts.approvals.yes}`;
  if (value === false) return html`${texts.approvals.no}`;
  if (typeof value === "number" || typeof value === "string") {
    const amount = currency === undefined ? undefined : formatAmount(value, currency, tag);
    if (amount !== undefined) return html`${amount}`;
    if (value !== "") return visibleShort(String(value), texts);
  }
  return html`<span class="soft">${texts.approvals.nothing}</span>`;
}

const AMOUNT_WORDS = new Set(["amount", "cost", "fee", "price", "subtotal", "tax", "total", "value"]);
const DECIMAL = /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?$/;

/** Members that are money when the object, or one around it, names a currency. */
function isAmountName(name: string): boolean {
  return AMOUNT_WORDS.has(wordsOf(name).at(-1) ?? "");
}

function currencyOf(object: { readonly [member: string]: Json }): string | undefined {
  const { currency } = object;
  return typeof currency === "string" && /^[A-Z]{3}$/.test(currency) ? currency : undefined;
}

/**
 * An amount in major units, with every digit that was given: nothing is rounded away. `undefined` when the
 * value is no plain decimal number.
 */
export function formatAmount(value: number | string, currency: string, tag: string): string | undefined {
  const decimal = String(value);
  if (!DECIMAL.test(decimal)) return undefined;
  const given = decimal.split(".")[1]?.length ?? 0;
  const usual = new Intl.NumberFormat(tag, { style: "currency", currency }).resolvedOptions();
  const format = new Intl.NumberFormat(tag, {
    style: "currency",
    currency,
    maximumFractionDigits: Math.max(given, usual.maximumFractionDigits ?? 0),
  });
  // A decimal text is formatted exactly; a number would go through binary first.
  return format.format(decimal as `${number}`);
}

/** `unitPrice` and `unit_price` become "Unit price", or the language's word for it. */
export function labelOf(name: string, texts: Texts): string {
  const words = wordsOf(name).join(" ");
  if (Object.hasOwn(texts.approvals.labels, words)) return texts.approvals.labels[words] ?? name;
  return words === "" ? name : words.charAt(0).toUpperCase() + words.slice(1);
}

function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[\s_.-]+/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

function joinPath(path: string, label: string): string {
  return path === "" ? label : `${path} › ${label}`;
}

/**
 * A list of rows; what is past the limits opens below it. Each name stands above its values: in two columns
 * a long name of the agent's would squeeze the values until nobody can read them.
 */
export function factList(rows: readonly Row[], texts: Texts): Html {
  const line = ({ label, values }: Row) =>
    html`<dt class="soft small">${breakable(shortLabel(label))}</dt><dd>${valueList(values, texts)}</dd>`;
  const list = (some: readonly Row[]) => html`<dl class="rows">${some.map(line)}</dl>`;
  const rest = rows.slice(MAX_ROWS);
  return html`${list(rows.slice(0, MAX_ROWS))}${rest.length > 0 ? folded(list(rest), rest.length, texts) : ""}`;
}

function valueList(values: readonly Html[], texts: Texts): Html {
  const rest = values.slice(MAX_VALUES);
  const lines = (some: readonly Html[]) =>
    html`${some.map((value) => html`<div><strong>${value}</strong></div>`)}`;
  return html`${lines(values.slice(0, MAX_VALUES))}${rest.length > 0 ? folded(lines(rest), rest.length, texts) : ""}`;
}

function folded(content: Html, count: number, texts: Texts): Html {
  return html`<details><summary class="small">${texts.approvals.showMore(count)}</summary>${content}</details>`;
}

/** Beginning and end of a name of up to 255 letters; the exact data has it whole. */
function shortLabel(label: string): string {
  if (label.length <= MAX_LABEL_CHARACTERS) return label;
  return `${label.slice(0, MAX_LABEL_CHARACTERS / 2)}…${label.slice(-MAX_LABEL_CHARACTERS / 2)}`;
}

function isScalar(value: Json): boolean {
  return value === null || typeof value !== "object";
}

function isObject(value: Json | undefined): value is { readonly [member: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
