import type { Json } from "../lib/canonical-json.ts";
import { parseStrictJson } from "./strict-json.ts";

/** One element of `authorization_details`. @see RFC 9396 section 2 */
export interface AuthorizationDetail {
  readonly type: string;
  readonly [member: string]: Json;
}

/** The detail every API takes: one call of one tool, as the SDK builds it from the actual arguments. */
export const TOOL_CALL = "tool_call";

/** Limits of Auth0's rich authorization requests, so that what works there works here, and fits a page. */
export const MAX_DETAILS_BYTES = 5 * 1024;
export const MAX_DETAILS = 5;
export const MAX_DEPTH = 5;
export const MAX_MEMBERS = 10;
export const MAX_NAME_LENGTH = 255;
export const MAX_STRING_LENGTH = 255;
/** Arguments hold texts such as a mail's body. */
export const MAX_ARGUMENT_LENGTH = 2_000;

const NAME = /^[a-zA-Z0-9_.-]+$/;

/** What is wrong with authorization details; the message is for the developer. */
export class DetailsProblem extends Error {
  override readonly name = "DetailsProblem";
}

/**
 * Reads the text of `authorization_details`. `knownTypes` are the API's own; `tool_call` is always known.
 * @throws DetailsProblem naming the first member that is wrong.
 * @see RFC 9396 section 5 (what a server must refuse)
 */
export function parseDetails(text: string, knownTypes: ReadonlySet<string>): readonly AuthorizationDetail[] {
  if (Buffer.byteLength(text) > MAX_DETAILS_BYTES)
    throw new DetailsProblem(`authorization_details has more than ${MAX_DETAILS_BYTES} bytes.`);
  const value = parseJson(text);
  if (!Array.isArray(value)) throw new DetailsProblem("authorization_details must be a JSON array.");
  if (value.length > MAX_DETAILS)
    throw new DetailsProblem(`authorization_details has more than ${MAX_DETAILS} entries.`);
  return value.map((entry, i) => checkDetail(entry, `authorization_details[${i}]`, knownTypes));
}

function parseJson(text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (cause) {
    const why = cause instanceof SyntaxError && cause.message.includes("twice") ? cause.message : "not JSON";
    throw new DetailsProblem(`authorization_details cannot be read: ${why}.`, { cause });
  }
}

function checkDetail(entry: unknown, path: string, knownTypes: ReadonlySet<string>): AuthorizationDetail {
  if (!isObject(entry)) throw new DetailsProblem(`${path} must be an object.`);
  const { type } = entry;
  if (typeof type !== "string" || type === "") throw new DetailsProblem(`${path}.type must be a text.`);
  if (type !== TOOL_CALL && !knownTypes.has(type))
    throw new DetailsProblem(`${path}.type is not one this API takes.`);
  const isToolCall = type === TOOL_CALL;
  if (isToolCall) checkToolCall(entry, path);
  for (const [name, member] of membersOf(entry, path)) {
    const longest = isToolCall && name === "arguments" ? MAX_ARGUMENT_LENGTH : MAX_STRING_LENGTH;
    checkValue(member, `${path}.${name}`, 1, longest);
  }
  // Every member was checked to be JSON, and `type` to be a text.
  return entry as AuthorizationDetail;
}

/** Nothing beside the call itself, so that no text of the agent stands where the user expects our words. */
function checkToolCall(entry: Readonly<Record<string, unknown>>, path: string): void {
  const unknown = Object.keys(entry).find((name) => !["type", "tool", "arguments"].includes(name));
  if (unknown !== undefined)
    throw new DetailsProblem(`${path} has the member ${JSON.stringify(unknown)}; a tool_call has none such.`);
  if (typeof entry["tool"] !== "string" || entry["tool"] === "")
    throw new DetailsProblem(`${path}.tool must be the name of the tool.`);
  if (!isObject(entry["arguments"])) throw new DetailsProblem(`${path}.arguments must be an object.`);
}

/** `depth` counts the objects and arrays around the value, the detail itself being the first. */
function checkValue(value: unknown, path: string, depth: number, longest: number): void {
  if (typeof value === "string") checkString(value, path, longest);
  if (typeof value === "number") checkNumber(value, path);
  if (value === null || typeof value !== "object") return;
  if (depth >= MAX_DEPTH) throw new DetailsProblem(`${path} is nested deeper than ${MAX_DEPTH}.`);
  if (Array.isArray(value))
    value.forEach((item, i) => {
      checkValue(item, `${path}[${i}]`, depth + 1, longest);
    });
  else if (isObject(value))
    for (const [name, member] of membersOf(value, path))
      checkValue(member, `${path}.${name}`, depth + 1, longest);
}

function checkString(value: string, path: string, longest: number): void {
  if ([...value].length > longest) throw new DetailsProblem(`${path} has more than ${longest} characters.`);
  if (!value.isWellFormed()) throw new DetailsProblem(`${path} is not well-formed Unicode.`);
}

/** Two readers must see one number: integers beyond 2^53 and overflow are rounded by some. @see RFC 8259 section 6 */
function checkNumber(value: number, path: string): void {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    throw new DetailsProblem(`${path} is too large a number to be exact; send it as text.`);
}

function membersOf(object: Readonly<Record<string, unknown>>, path: string): [string, unknown][] {
  const members = Object.entries(object);
  if (members.length > MAX_MEMBERS) throw new DetailsProblem(`${path} has more than ${MAX_MEMBERS} members.`);
  for (const [name] of members) checkName(name, path);
  return members;
}

/** `__proto__` is lost when an object is copied, so what is shown and what the token carries would differ. */
function checkName(name: string, path: string): void {
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name) || name === "__proto__")
    throw new DetailsProblem(
      `${path} has a member whose name is not 1 to ${MAX_NAME_LENGTH} letters, digits, _ . or -.`,
    );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
