/** A paragraph, a list or a piece of code. */
export interface Block {
  kind: "paragraph" | "code" | "bullets" | "numbers";
  lines: string[];
}

const BULLET = /^\s*[-*•]\s+/;
const NUMBER = /^\s*\d{1,3}[.)]\s+/;

/** The blocks of a text, in order; what is not understood is a paragraph. */
export function blocksOf(text: string): Block[] {
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
