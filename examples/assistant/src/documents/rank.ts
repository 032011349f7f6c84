import type { Chunk } from "./store.ts";

/** Words that say nothing about what a text is about. */
const COMMON_WORDS = new Set(
  "a an and any are at be by can do does for from have how i in is it many me much my of on or our that the there this to was we what when where which who will with you your".split(
    " ",
  ),
);
/** How much words in common count beside the meaning; found by asking the example's own questions. */
const WORD_WEIGHT = 0.6;

/** All pieces with their score, best first: meaning (cosine) and rare words in common. */
export function rank<T extends Chunk>(
  chunks: readonly T[],
  query: Float32Array,
  question: string,
): (T & { score: number })[] {
  const words = chunks.map(
    ({ document, heading, text }) => new Set(wordsOf(`${document} ${heading} ${text}`)),
  );
  const asked = [...new Set(wordsOf(question))];
  const weights = new Map(asked.map((word) => [word, rarity(words, word)]));
  const total = asked.reduce((sum, word) => sum + (weights.get(word) ?? 0), 0) || 1;
  return chunks
    .map((chunk, i) => {
      const shared = asked.reduce(
        (sum, word) => sum + (words[i]?.has(word) ? (weights.get(word) ?? 0) : 0),
        0,
      );
      return { ...chunk, score: dot(chunk.embedding, query) + WORD_WEIGHT * (shared / total) };
    })
    .sort((a, b) => b.score - a.score);
}

/** The words of a text that carry meaning, without their plural. */
export function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => !COMMON_WORDS.has(word)).map((word) => word.replace(/(?<=..)s$/, ""));
}

/** A word that few texts have says more (inverse document frequency). */
function rarity(texts: readonly ReadonlySet<string>[], word: string): number {
  const having = texts.filter((text) => text.has(word)).length;
  return Math.log(1 + texts.length / (1 + having));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
