/** A JSON object whose members have not been checked yet. */
export type JsonObject = Record<string, unknown>;

/** True for a JSON object: not null and not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The one spelling of a JSON value, so that two of them are equal exactly when their strings are. Members are
 * sorted by UTF-16 code units; strings and numbers are written as ECMAScript writes them.
 *
 * @see RFC 8785 sections 3.2.2 and 3.2.3
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(",")}}`;
}

/**
 * The first member name that one object of the text has twice, or undefined. `JSON.parse` keeps the last of the
 * two in silence, another parser the first: a body that two programs read differently is refused (RFC 8259
 * section 4). The text must be valid JSON already.
 */
export function duplicateMember(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    const [found] = token;
    if (found === "{") open.push(new Set());
    else if (found === "[") open.push(null);
    else if (found === "}" || found === "]") open.pop();
    else if (found.endsWith(":")) {
      // Decoded, because "\u0061" and "a" are the same name.
      const name: unknown = JSON.parse(found.replace(/\s*:$/, ""));
      const names = open.at(-1);
      if (typeof name !== "string" || !names) continue;
      if (names.has(name)) return name;
      names.add(name);
    }
  }
  return undefined;
}
