import { html } from "hono/html";
import type { Texts } from "../pages/languages/index.ts";
import type { Html } from "../pages/layout.ts";

/** A run of text that looks like what it is, or the name of something that would not be seen. */
export type Piece = { readonly text: string } | { readonly escape: string; readonly breaksLine: boolean };

/** What has no shape of its own, turns the direction of writing, or is not assigned: its name is shown instead. */
const SHAPELESS = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** U+3000 is the space of Japanese. */
const PLAIN_SPACE = /[ \u3000]/;
const SPACE = /\p{Zs}/u;
const MARK = /\p{M}/u;
const PICTOGRAPH = /\p{Extended_Pictographic}/u;
const EMOJI_STYLE = "\ufe0f";
const JOINER = "\u200d";
/** More marks on one letter than any orthography has: they grow over the lines around. */
const MAX_MARKS = 3;

/**
 * Splits hostile text into what may be shown and the names of what may not: control, bidirectional,
 * zero-width, unassigned and private characters, second and outer spaces (HTML drops them), marks that
 * stack or stand first, lone surrogates. Emoji keep their joiners. Nothing is dropped: the pieces name every
 * character of the text.
 */
export function visiblePieces(text: string): readonly Piece[] {
  const characters = [...text];
  const pieces: Piece[] = [];
  let plain = "";
  let marks = 0;
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? "";
    marks = MARK.test(character) ? marks + 1 : 0;
    // A mark without a letter before it would sit on whatever we put there.
    const settled = marks === 0 || (marks <= MAX_MARKS && /[^ \u3000]$/u.test(plain));
    if (settled && isVisible(characters, i)) {
      plain += character;
      continue;
    }
    if (plain !== "") pieces.push({ text: plain });
    plain = "";
    let repeats = 1;
    while (characters[i + 1] === character) {
      i += 1;
      repeats += 1;
    }
    const name = nameOf(character);
    pieces.push({ escape: repeats > 1 ? `${name}×${repeats}` : name, breaksLine: character === "\n" });
  }
  if (plain !== "") pieces.push({ text: plain });
  return pieces;
}

function isVisible(characters: readonly string[], i: number): boolean {
  const character = characters[i] ?? "";
  const before = characters[i - 1] ?? "";
  const after = characters[i + 1] ?? "";
  if (character === EMOJI_STYLE) return PICTOGRAPH.test(before);
  if (character === JOINER)
    return PICTOGRAPH.test(after) && (PICTOGRAPH.test(before) || before === EMOJI_STYLE);
  if (SPACE.test(character))
    return PLAIN_SPACE.test(character) && before !== "" && after !== "" && !/\s/u.test(before + after);
  return !SHAPELESS.test(character);
}

function nameOf(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Hostile text as plain text, for titles: names in brackets. */
export function visibleText(text: string): string {
  return visiblePieces(text)
    .map((piece) => ("text" in piece ? piece.text : `[${piece.escape}]`))
    .join("");
}

/**
 * Hostile text as HTML: names highlighted, so that text which merely spells a name looks different (line ends
 * and tabs, which are common, in plain type), and the whole isolated, so that right-to-left letters do not move what stands beside them. Text without a place to
 * break gets one, so that it never pushes anything off the page.
 */
export function visible(text: string, options: { oneLine?: boolean } = {}): Html {
  const parts = visiblePieces(text).map((piece, i) => {
    if ("text" in piece) return breakable(piece.text);
    const lineBreak = piece.breaksLine && !options.oneLine ? html`<br>` : "";
    return html`${i > 0 ? html`<wbr>` : ""}${nameTag(piece.escape)}${lineBreak}`;
  });
  return html`<bdi>${parts}</bdi>`;
}

function nameTag(name: string): Html {
  return name.startsWith("\\") ? html`<code>${name}</code>` : html`<mark>${name}</mark>`;
}

/** Longest run of letters that fits a narrow phone in the largest heading. */
const MAX_UNBROKEN = 20;
/** Han and kana break anywhere by themselves. */
const UNBROKEN = new RegExp(`([^\\s\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}]{${MAX_UNBROKEN},})`, "u");
/** A letter stays with its marks. */
const CHUNK = new RegExp(`(?:\\P{M}\\p{M}*){1,${MAX_UNBROKEN}}|\\p{M}+`, "gu");

/** Text of visible characters with places to break. */
export function breakable(text: string): Html {
  const chunks = text.split(UNBROKEN).flatMap((run, i) => (i % 2 === 0 ? [run] : (run.match(CHUNK) ?? [])));
  const parts = chunks.filter((chunk) => chunk !== "");
  return html`${parts.map((chunk, i) => html`${i > 0 ? html`<wbr>` : ""}${chunk}`)}`;
}

/** Longest text shown whole. */
export const MAX_SHOWN_CHARACTERS = 240;
const MAX_SHOWN_LINES = 6;
const HEAD_CHARACTERS = 180;
const TAIL_CHARACTERS = 40;

/**
 * Like {@link visible}, with the middle of a long text folded away: beginning and end stay, since what
 * matters is often put last, and the whole text opens below them.
 */
export function visibleShort(text: string, texts: Texts): Html {
  const characters = [...text];
  const lines = text.split("\n");
  if (characters.length <= MAX_SHOWN_CHARACTERS && lines.length <= MAX_SHOWN_LINES) return visible(text);
  const head = [...lines.slice(0, MAX_SHOWN_LINES).join("\n")].slice(0, HEAD_CHARACTERS).join("");
  const tail = characters.slice(Math.max(-TAIL_CHARACTERS, [...head].length - characters.length)).join("");
  const summary = texts.approvals.showAll(characters.length);
  return html`${visible(head)} <span class="soft">…</span> ${visible(tail, { oneLine: true })}
<details><summary class="small">${summary}</summary>${visible(text)}</details>`;
}
