import type { JsonObject } from "@behalf/fga";
import { fgaError, invalidField } from "./errors.ts";

/**
 * Requests in protobuf JSON, read the way OpenFGA's gateway reads them: a member may go by its proto name or its
 * JSON name, `null` means absent, unknown members are ignored, a wrong type is a `validation_error`.
 * @see https://protobuf.dev/programming-guides/json/
 */

/** A rule for text: what it must match, and how OpenFGA words it. */
export interface Pattern {
  readonly test: RegExp;
  readonly text: string;
}

// RE2's `\s` is these five characters; JavaScript's is more.
export const ID: Pattern = pattern("^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$");
export const TYPE: Pattern = pattern("^[^:#@\\s]{1,254}$");
export const RELATION: Pattern = pattern("^[^:#@\\s]{1,50}$");
export const OBJECT: Pattern = pattern("^[^\\s]{2,256}$");
export const CHECK_USER: Pattern = pattern("^[^\\s]{2,512}$");

/** A pattern in RE2's syntax. */
export function pattern(text: string): Pattern {
  return { test: new RegExp(text.replaceAll("\\s", "\\t\\n\\f\\r "), "u"), text };
}

/** The body as a message; an empty body is an empty message. @throws FgaApiError `validation_error` */
export function parseBody(text: string): JsonObject {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fgaError("validation_error", "malformed JSON");
  }
  return asMessage(value, "request");
}

/** @throws FgaApiError `validation_error` unless the value is an object */
export function asMessage(value: unknown, name: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrongType(name, "an object");
  // Whatever is an object and no array has members nobody looked at yet.
  return value as JsonObject;
}

/** The member, or `undefined`. `name` is its proto name. */
export function member(message: JsonObject, name: string): unknown {
  return message[name] ?? message[jsonName(name)] ?? undefined;
}

/** The text, or `""`. @throws FgaApiError `validation_error` */
export function textOf(message: JsonObject, name: string): string {
  const value = member(message, name);
  if (value === undefined) return "";
  if (typeof value !== "string") throw wrongType(name, "a string");
  if (!value.isWellFormed()) throw wrongType(name, "well-formed Unicode");
  return value;
}

/** The message, or `undefined`. @throws FgaApiError `validation_error` */
export function messageOf(message: JsonObject, name: string): JsonObject | undefined {
  const value = member(message, name);
  return value === undefined ? undefined : asMessage(value, name);
}

/** The messages of a repeated field. @throws FgaApiError `validation_error` */
export function messagesOf(message: JsonObject, name: string): JsonObject[] {
  const value = member(message, name) ?? [];
  if (!Array.isArray(value)) throw wrongType(name, "an array");
  return value.map((item: unknown, index) => asMessage(item, `${name}[${index}]`));
}

/** The boolean, or false. @throws FgaApiError `validation_error` */
export function booleanOf(message: JsonObject, name: string): boolean {
  const value = member(message, name) ?? false;
  if (typeof value !== "boolean") throw wrongType(name, "a boolean");
  return value;
}

/** The number of an `Int32Value`, or `undefined`; text is a number too. @throws FgaApiError `validation_error` */
export function integerOf(message: JsonObject, name: string): number | undefined {
  const value = member(message, name);
  if (value === undefined) return undefined;
  const isText = typeof value === "string" && /^-?\d+$/.test(value);
  const number = isText ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || Math.abs(number) >= 2 ** 31)
    throw wrongType(name, "a 32-bit integer");
  return number;
}

/** The text if it fits; `at` names the field for the error. @throws FgaApiError `validation_error` */
export function matching(value: string, rule: Pattern, at: string): string {
  if (!rule.test.test(value))
    throw invalidField(at, `value does not match regex pattern ${JSON.stringify(rule.text)}`);
  refuseControls(value, at);
  return value;
}

/** Refuses control characters, as OpenFGA does since 1.12. @throws FgaApiError `validation_error` */
export function refuseControls(value: string, at: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the purpose
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value))
    throw invalidField(at, "value contains forbidden characters");
}

/** RFC 3339 to milliseconds. @throws FgaApiError `validation_error` */
export function parseTime(text: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(time)) throw wrongType("start_time", "a time of RFC 3339");
  return time;
}

const jsonNames = new Map<string, string>();

function jsonName(name: string): string {
  let known = jsonNames.get(name);
  if (known === undefined) {
    known = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    jsonNames.set(name, known);
  }
  return known;
}

function wrongType(name: string, expected: string) {
  return fgaError("validation_error", `invalid value for '${name}': expected ${expected}`);
}
