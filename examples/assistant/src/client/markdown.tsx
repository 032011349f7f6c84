import { Fragment, type ReactNode } from "react";
import { type Block, blocksOf } from "./markdown-blocks.ts";

/** The little Markdown that assistants write: paragraphs, lists, bold, italics, code. Everything else is text. */
export function Markdown({ text }: { text: string }): ReactNode {
  return blocksOf(text).map((block, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
    <Fragment key={i}>{renderBlock(block)}</Fragment>
  ));
}

function renderBlock(block: Block): ReactNode {
  if (block.kind === "code") return <pre>{block.lines.join("\n")}</pre>;
  if (block.kind === "paragraph") return <p>{inline(block.lines.join(" "))}</p>;
  // biome-ignore lint/suspicious/noArrayIndexKey: items are only ever added at the end
  const items = block.lines.map((line, i) => <li key={i}>{inline(line)}</li>);
  return block.kind === "numbers" ? <ol>{items}</ol> : <ul>{items}</ul>;
}

const INLINE = /(\*\*[^*]+\*\*|`[^`]+`|(?<![\w*])\*[^*\s][^*]*\*(?!\w))/;

function inline(text: string): ReactNode {
  return text.split(INLINE).map((piece, i) => {
    const key = `${i}`;
    if (piece.startsWith("**") && piece.endsWith("**") && piece.length > 4)
      return <strong key={key}>{piece.slice(2, -2)}</strong>;
    if (piece.startsWith("`") && piece.endsWith("`") && piece.length > 2)
      return <code key={key}>{piece.slice(1, -1)}</code>;
    if (INLINE.test(piece)) return <em key={key}>{piece.slice(1, -1)}</em>;
    return piece;
  });
}
