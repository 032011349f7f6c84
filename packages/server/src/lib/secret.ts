const values = new WeakMap<object, unknown>();
const HIDDEN = "[secret]";
const inspect = Symbol.for("nodejs.util.inspect.custom");

/**
 * A value that prints as `[secret]` wherever it ends up: string templates, JSON, logs, `util.inspect`.
 * Only {@link reveal} gives the value back, so a search for `reveal(` finds every place that reads one.
 */
export interface Secret<T = string> {
  readonly kind: "secret";
  /** Only in the type: keeps a `Secret<Buffer>` from passing as a `Secret<string>`. */
  readonly holds?: T;
  toString(): string;
  toJSON(): string;
}

/** Wraps a value so that it cannot be printed by accident. */
export function secret<T>(value: T): Secret<T> {
  const wrapped = {
    kind: "secret" as const,
    toString: () => HIDDEN,
    toJSON: () => HIDDEN,
    [inspect]: () => HIDDEN,
  };
  values.set(wrapped, value);
  return Object.freeze(wrapped);
}

/** The value inside. Call it where the value leaves the process, not earlier. */
export function reveal<T>(wrapped: Secret<T>): T {
  if (!values.has(wrapped)) throw new TypeError("not a secret made by secret()");
  // The map is written by secret<T>() alone, so the type is the one that went in.
  return values.get(wrapped) as T;
}
