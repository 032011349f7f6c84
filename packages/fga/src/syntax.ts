/**
 * How objects, users and relations are written.
 * @see openfga/api `openfga.proto` (field patterns) and the OpenFGA concepts page
 */

/** Longest object, in characters (`TupleKey.object`). */
export const MAX_OBJECT_CHARS = 256;
/** Longest user, in bytes of UTF-8 (`TupleKey.user`). */
export const MAX_USER_BYTES = 512;
/** Longest relation, in characters. */
export const MAX_RELATION_CHARS = 50;
/** Longest type, in characters. */
export const MAX_TYPE_CHARS = 254;

/** The id that stands for every object of a type. */
export const WILDCARD = "*";

/** An object apart: `document:1` is `{ type: "document", id: "1" }`. */
export interface ObjectRef {
  readonly type: string;
  readonly id: string;
}

/** A user apart: an object, every object of a type (`id` is `*`), or the users of a relation (`relation` set). */
export interface UserRef {
  readonly type: string;
  readonly id: string;
  readonly relation: string | undefined;
}

// The engine never logs or keys by concatenation, yet control characters are refused as OpenFGA does since
// 1.12: CVE-2026-33729 and CVE-2026-48096 came from keys that such characters split.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
// The other white space that RE2's `\s` names are control characters, refused besides.
const NAME = /^[^:#@ ]+$/;

/** True if `text` holds a control character (Unicode category Cc) or half of a surrogate pair. */
export function hasForbiddenCharacters(text: string): boolean {
  return CONTROL.test(text) || !text.isWellFormed();
}

/** True for a name that a type may have: 1 to 254 characters, none of `:#@` or white space. */
export function isTypeName(text: string): boolean {
  return isName(text, MAX_TYPE_CHARS);
}

/** True for a name that a relation or condition may have: 1 to 50 characters, none of `:#@` or white space. */
export function isRelationName(text: string): boolean {
  return isName(text, MAX_RELATION_CHARS);
}

function isName(text: string, maxChars: number): boolean {
  return NAME.test(text) && !hasForbiddenCharacters(text) && isWithin(text, maxChars);
}

/**
 * The parts of an object, or undefined if it is not one: exactly one `:` with something on both sides,
 * no `#`, no white space, no control character, at most 256 characters. `document:*` passes: who must not
 * accept it asks {@link WILDCARD}.
 */
export function parseObject(text: string): ObjectRef | undefined {
  return isWithin(text, MAX_OBJECT_CHARS) ? splitObject(text) : undefined;
}

/**
 * The parts of a user, or undefined if it is none of `type:id`, `type:*` and `type:id#relation`
 * or longer than 512 bytes. An id that is part of a userset may not hold `*`.
 */
export function parseUser(text: string): UserRef | undefined {
  if (utf8Length(text) > MAX_USER_BYTES) return undefined;
  const hash = text.indexOf("#");
  if (hash < 0) {
    const object = splitObject(text);
    return object && { ...object, relation: undefined };
  }
  const object = splitObject(text.slice(0, hash));
  const relation = text.slice(hash + 1);
  if (!object || object.id.includes(WILDCARD)) return undefined;
  if (!isRelationName(relation) || relation.includes(WILDCARD)) return undefined;
  return { ...object, relation };
}

/** `type:id`, `type:*` or `type:id#relation` again. */
export function formatUser({ type, id, relation }: UserRef): string {
  return relation === undefined ? `${type}:${id}` : `${type}:${id}#${relation}`;
}

/** True for `*` and `type:*`. */
export function isWildcard(text: string): boolean {
  return (
    text === WILDCARD || (text.endsWith(":*") && text.indexOf(":") === text.length - 2 && text.length > 2)
  );
}

function splitObject(text: string): ObjectRef | undefined {
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) return undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isForbiddenInObject(code) || (code === 0x3a && i !== colon)) return undefined;
  }
  if (!text.isWellFormed()) return undefined;
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}

/** Controls and space (C0, DEL, C1) and `#`. */
function isForbiddenInObject(code: number): boolean {
  return code <= 0x20 || code === 0x23 || (code >= 0x7f && code <= 0x9f);
}

function isWithin(text: string, maxChars: number): boolean {
  if (text.length <= maxChars) return true;
  if (text.length > 2 * maxChars) return false;
  return [...text].length <= maxChars;
}

function utf8Length(text: string): number {
  if (text.length * 3 <= MAX_USER_BYTES) return text.length;
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Each half of a surrogate pair counts two of the pair's four bytes.
    bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}
