import { Fragment, type ReactNode } from "react";

/** The little Markdown that assistants write: paragraphs, lists, bold, italics, code. Everything else is text. */
export function Markdown({ text }: { text: string }): ReactNode {
  return blocksOf(text).map((block, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
    <Fragment key={i}>{renderBlock(block)}</Fragment>
  ));
}

interface Block {
  kind: "paragraph" | "code" | "bullets" | "numbers";
  lines: string[];
}

const BULLET = /^\s*[-*•]\s+/;
const NUMBER = /^\s*\d{1,3}[.)]\s+/;

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  let fenced = false;
  const begin = (block: Block) => {
    blocks.push(block);
    open = block;
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) {
      fenced = !fenced;
      if (fenced) begin({ kind: "code", lines: [] });
      else open = undefined;
    } else if (fenced) {
      open?.lines.push(line);
    } else if (line.trim() === "") {
      open = undefined;
    } else if (BULLET.test(line) || NUMBER.test(line)) {
      const kind = NUMBER.test(line) ? "numbers" : "bullets";
      if (open?.kind !== kind) begin({ kind, lines: [] });
      open?.lines.push(line.replace(kind === "numbers" ? NUMBER : BULLET, ""));
    } else {
      if (open?.kind !== "paragraph") begin({ kind: "paragraph", lines: [] });
      open?.lines.push(line.replace(/^#{1,6}\s+/, ""));
    }
  }
  return blocks;
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
