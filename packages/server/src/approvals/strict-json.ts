/**
 * Parses JSON in which no object names a member twice: `JSON.parse` keeps the last of two, other readers
 * the first, so the person could be shown one value while the API acts on the other.
 * @throws SyntaxError for text that is not JSON, or repeats a name.
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedNames(text);
  return value;
}

/** A string with the colon that makes it a name, or a bracket. Everything else has no bearing on names. */
const TOKEN = /("(?:[^"\\]|\\.)*")\s*(:?)|[{}[\]]/g;

function refuseRepeatedNames(validJson: string): void {
  const open: Set<string>[] = [];
  for (const [token, string, colon] of validJson.matchAll(TOKEN)) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (string !== undefined && colon === ":") {
      // Decoded first: "a" and "\u0061" are one name.
      const name = String(JSON.parse(string));
      const names = open.at(-1);
      if (names?.has(name)) throw new SyntaxError(`the member ${JSON.stringify(name)} appears twice`);
      names?.add(name);
    }
  }
}
