/**
 * The one text of a JSON value: members sorted by UTF-16 code units, no white space, numbers as ECMAScript
 * prints them. Two values are equal exactly when their texts are.
 * @throws TypeError for what JSON cannot hold: undefined, functions, infinite numbers, lone surrogates.
 * @see RFC 8785 section 3.2
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("JSON holds finite numbers only");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`JSON cannot hold a value of type ${typeof value}`);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${quote(key)}:${canonicalJson(member)}`).join(",")}}`;
}

/** Whether two JSON values are the same, whatever the order of their members. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** The value as JSON would carry it: without undefined members, dates as text. */
export function toJsonValue(value: unknown): unknown {
  const text = JSON.stringify(value);
  return text === undefined ? null : JSON.parse(text);
}

function quote(text: string): string {
  if (!text.isWellFormed()) throw new TypeError("JSON text holds well-formed Unicode only");
  return JSON.stringify(text);
}

/** Deepest nesting that is read; deeper input is an attack, not a request. */
const MAX_DEPTH = 64;

/**
 * Reads JSON and refuses what two readers could understand differently: a member that is named twice
 * (`JSON.parse` keeps the last, others the first).
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedMembers(text);
  return value;
}

/** `text` is valid JSON here, so strings and brackets are all that has to be looked at. */
function refuseRepeatedMembers(text: string): void {
  const open: (Set<string> | null)[] = []; // names seen in each open object; null for an array
  const strings = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs;
  for (const { 0: token, index } of text.matchAll(strings)) {
    if (token === "{" || token === "[") {
      if (open.length >= MAX_DEPTH) throw new SyntaxError(`JSON is nested deeper than ${MAX_DEPTH}`);
      open.push(token === "{" ? new Set() : null);
    } else if (token === "}" || token === "]") {
      open.pop();
    } else {
      const names = open.at(-1);
      if (names && isName(text, index + token.length)) addName(names, token);
    }
  }
}

function addName(names: Set<string>, token: string): void {
  const name: string = JSON.parse(token); // "a" and "\u0061" are one name
  if (names.has(name)) throw new SyntaxError(`JSON names the member ${JSON.stringify(name)} twice`);
  names.add(name);
}

function isName(text: string, end: number): boolean {
  let next = end;
  while (/\s/.test(text.charAt(next))) next += 1;
  return text.charAt(next) === ":";
}
