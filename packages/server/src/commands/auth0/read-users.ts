import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";

/** One user of a file, or why there is none at this place. */
export interface Read {
  /** `line 3` or `user 3`, counted from 1. */
  readonly place: string;
  readonly value?: unknown;
  readonly problem?: string;
}

/** Longer than any profile with its metadata. */
const MAX_USER_CHARACTERS = 1_048_576;

/**
 * Reads users one by one, from one JSON object a line or from a JSON array, also compressed with gzip. A broken
 * line is one that says so, and the next one is read; never more than one user is held.
 */
export async function* readUsers(file: string): AsyncGenerator<Read> {
  const chunks = decoded(file);
  const first = await firstText(chunks);
  if (first === undefined) return;
  const all = startingWith(first, chunks);
  yield* first.trimStart().startsWith("[") ? readArray(all) : readLines(all);
}

async function* decoded(file: string): AsyncGenerator<string> {
  const raw = createReadStream(file);
  const stream = (await isGzip(file)) ? raw.pipe(createGunzip()) : raw;
  // An error of the file ends the reading of what comes out of it.
  if (stream !== raw) raw.on("error", (error) => stream.destroy(error));
  const decoder = new TextDecoder();
  for await (const chunk of stream) yield decoder.decode(chunk as Buffer, { stream: true });
  yield decoder.decode();
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.readUInt16BE(0) === 0x1f8b;
  } finally {
    await handle.close();
  }
}

/** The first chunks up to one that is not all white space. */
async function firstText(chunks: AsyncGenerator<string>): Promise<string | undefined> {
  let text = "";
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) return text.trim() === "" ? undefined : text;
    text += value;
    if (text.trim() !== "") return text;
  }
}

async function* startingWith(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

async function* readLines(chunks: AsyncGenerator<string>): AsyncGenerator<Read> {
  let line = 0;
  let text = "";
  let isTooLong = false;
  function* end(): Generator<Read> {
    line += 1;
    const place = `line ${line}`;
    if (isTooLong) yield { place, problem: "longer than a user can be" };
    else if (text.trim() !== "") yield parse(place, text);
    text = "";
    isTooLong = false;
  }
  for await (const chunk of chunks) {
    const parts = chunk.split("\n");
    for (const [i, part] of parts.entries()) {
      if (i > 0) yield* end();
      if (text.length + part.length > MAX_USER_CHARACTERS) isTooLong = true;
      text = isTooLong ? "" : text + part;
    }
  }
  if (text.trim() !== "" || isTooLong) yield* end();
}

async function* readArray(chunks: AsyncGenerator<string>): AsyncGenerator<Read> {
  let [count, depth] = [0, 0];
  let [inString, isEscaped, isTooLong] = [false, false, false];
  let text = "";
  for await (const chunk of chunks) {
    let start = depth > 1 ? 0 : -1;
    for (let i = 0; i < chunk.length; i += 1) {
      const sign = chunk[i];
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (sign === "\\") isEscaped = true;
        else if (sign === '"') inString = false;
      } else if (sign === '"') inString = true;
      else if (sign === "{" || sign === "[") {
        depth += 1;
        if (depth === 2) start = i;
      } else if (sign === "}" || sign === "]") {
        depth -= 1;
        if (depth !== 1) continue;
        count += 1;
        const place = `user ${count}`;
        yield isTooLong
          ? { place, problem: "longer than a user can be" }
          : parse(place, text + chunk.slice(start, i + 1));
        [text, isTooLong, start] = ["", false, -1];
      }
    }
    if (start < 0 || depth < 2) continue;
    if (text.length + chunk.length - start > MAX_USER_CHARACTERS) isTooLong = true;
    text = isTooLong ? "" : text + chunk.slice(start);
  }
  if (depth !== 0) yield { place: `user ${count + 1}`, problem: "the file ends in the middle" };
}

function parse(place: string, text: string): Read {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? { place, value }
      : { place, problem: "no JSON object" };
  } catch {
    // The parser quotes the text, and a hash may stand in it.
    return { place, problem: "no JSON" };
  }
}
