/** A set of kinds of users (`user`, `user:*`, `group#member`). */
export interface Reach {
  readonly size: number;
  has(kind: string): boolean;
}

/** A {@link Reach} that is being filled. */
export interface ReachDraft extends Reach {
  add(kind: string): void;
  addAll(other: ReachDraft): void;
  readonly words: Uint32Array;
}

/**
 * Makes sets of the kinds of one model, one bit a kind: a model that chains some thousand relations has as many
 * sets of as many kinds, and must not cost memory in proportion to that product.
 * @param numbers number of each kind from 0 on
 */
export function createReachFactory(numbers: ReadonlyMap<string, number>): () => ReachDraft {
  const length = Math.ceil(numbers.size / 32);
  return () => {
    const words = new Uint32Array(length);
    return {
      words,
      get size() {
        return words.reduce((sum, word) => sum + bitsIn(word), 0);
      },
      has(kind) {
        const number = numbers.get(kind);
        return number !== undefined && (words[number >>> 5]! & (1 << (number & 31))) !== 0;
      },
      add(kind) {
        const number = numbers.get(kind);
        if (number === undefined) throw new Error(`"${kind}" is no kind of the model`);
        words[number >>> 5]! |= 1 << (number & 31);
      },
      addAll(other) {
        for (let i = 0; i < length; i++) words[i]! |= other.words[i]!;
      },
    };
  };
}

/** Number of bits set in a word of 32. */
function bitsIn(word: number): number {
  let [rest, bits] = [word, 0];
  for (; rest !== 0; bits++) rest &= rest - 1;
  return bits;
}
