import { FgaError } from "./errors.ts";

/** A JSON object whose members nobody looked at yet. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * A message of protobuf JSON, read the way OpenFGA's gateway reads it: a member may go by its JSON name or its
 * proto name, `null` means absent, unknown members are ignored, a wrong type is a `validation_error`.
 * @see https://protobuf.dev/programming-guides/json/
 */
export interface MessageReader {
  /** The string, or `""`. */
  string(name: string): string;
  /** The message, or undefined. */
  message(name: string): MessageReader | undefined;
  /** The messages of a repeated field. */
  messages(name: string): MessageReader[];
  /** Keys and messages of a map field, in the order they came. */
  entries(name: string): [string, MessageReader][];
  /** Raw value, or undefined. */
  raw(name: string): unknown;
  /** Where the message stands, for error messages: `type_definitions[0]`. */
  readonly path: string;
}

/** Reads `value` as a message. @throws FgaError `validation_error` if it is not an object. */
export function readMessage(value: unknown, path: string): MessageReader {
  if (!isJsonObject(value)) throw wrongType(path, "an object");
  const raw = (name: string): unknown => member(value, name) ?? undefined;
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  return {
    path,
    raw,
    string(name) {
      const found = raw(name);
      if (found === undefined) return "";
      if (typeof found !== "string") throw wrongType(at(name), "a string");
      if (!found.isWellFormed()) throw wrongType(at(name), "well-formed Unicode");
      return found;
    },
    message(name) {
      const found = raw(name);
      return found === undefined ? undefined : readMessage(found, at(name));
    },
    messages(name) {
      const found = raw(name) ?? [];
      if (!Array.isArray(found)) throw wrongType(at(name), "an array");
      return found.map((item, index) => readMessage(item, `${at(name)}[${index}]`));
    },
    entries(name) {
      const found = raw(name) ?? {};
      if (!isJsonObject(found)) throw wrongType(at(name), "an object");
      return Object.entries(found).map(([key, item]) => [key, readMessage(item, `${at(name)}[${key}]`)]);
    },
  };
}

/** True for a JSON object, false for null, arrays and the rest. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function member(object: JsonObject, protoName: string): unknown {
  if (Object.hasOwn(object, protoName)) return object[protoName];
  const jsonName = protoName.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(object, jsonName) ? object[jsonName] : undefined;
}

function wrongType(path: string, expected: string): FgaError {
  return new FgaError("validation_error", `invalid value for '${path || "request"}': expected ${expected}`);
}
