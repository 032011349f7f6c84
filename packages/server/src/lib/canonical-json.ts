/** Anything JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Deeper values are refused: no honest argument nests so far, and recursion has an end. */
const MAX_DEPTH = 128;

/**
 * The one byte form of a JSON value: members sorted by UTF-16 code units, no white space, numbers as
 * ECMAScript prints them. Two values are equal exactly when their canonical forms are.
 * @throws TypeError for what JSON cannot hold (undefined, NaN, functions, lone surrogates, dates and other
 *   objects with a class, holes of arrays) and for values nested more than 128 deep.
 * @see RFC 8785 section 3.2
 */
export function canonicalJson(value: unknown): string {
  return print(value, 0);
}

function print(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new TypeError(`JSON may nest at most ${MAX_DEPTH} deep here`);
  if (value === null || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("JSON holds finite numbers only");
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("JSON text holds well-formed Unicode only");
    return JSON.stringify(value);
  }
  // Array.from turns holes into undefined, which is refused; map would leave them out in silence.
  if (Array.isArray(value)) return `[${Array.from(value, (item) => print(item, depth + 1)).join(",")}]`;
  if (typeof value === "object" && isPlain(value)) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${print(key, depth)}:${print(member, depth + 1)}`).join(",")}}`;
  }
  throw new TypeError(`JSON cannot hold a ${typeof value === "object" ? "class instance" : typeof value}`);
}

/** A date or a map has no members of its own, so two different ones would look alike. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
