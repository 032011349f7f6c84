import { errors } from "oidc-provider";

/** Parameters of a request body, each once. */
export type FormParams = Readonly<Record<string, string>>;

const JSON_TYPE = /^application\/json\s*(;|$)/i;
/** With everything encoded three times as long, it still fits into the first line of a request. */
const MAX_QUERY_BYTES = 8 * 1024;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/**
 * Parses the body of an OAuth request: a form, or a JSON object as published SDKs send it. A parameter
 * that comes twice is refused, and so is anything that two readers could read differently.
 * @throws InvalidRequest
 * @see RFC 6749 section 3.2
 */
export function parseForm(body: Uint8Array, contentType: string): FormParams {
  if (body.length === 0 && contentType === "") return {};
  if (FORM_TYPE.test(contentType)) return normalize([...new URLSearchParams(decode(body))]);
  if (JSON_TYPE.test(contentType)) return normalize(jsonEntries(decode(body)));
  throw new errors.InvalidRequest("send application/x-www-form-urlencoded or application/json");
}

/**
 * The query of an authorization request that came as a form.
 * @throws InvalidRequest
 * @see OpenID Connect Core section 3.1.2.1
 */
export function parseFormAsQuery(body: Uint8Array, contentType: string): string {
  if (!FORM_TYPE.test(contentType)) throw new errors.InvalidRequest("send application/x-www-form-urlencoded");
  if (body.length > MAX_QUERY_BYTES)
    throw new errors.InvalidRequest("push a request that long to /oauth/par");
  parseForm(body, contentType);
  return new URLSearchParams(decode(body)).toString();
}

/** Bytes that are no UTF-8 would be replaced in silence, and two bodies would become one. */
function decode(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw new errors.InvalidRequest("the body is not UTF-8", undefined, { cause });
  }
}

/** Members that may be objects; they go on as their JSON text. */
const NESTED = new Set(["authn_response"]);

/** A string that is a name. */
const JSON_NAME = /"(?:[^"\\]|\\.)*"\s*(:?)/g;

function jsonEntries(body: string): [string, string][] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new errors.InvalidRequest("the body is not JSON", undefined, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new errors.InvalidRequest("the body must be a JSON object");
  const entries = Object.entries(value).map(([name, member]): [string, string] => {
    // Python clients send null for what is not set.
    if (member === null) return [name, ""];
    if (NESTED.has(name) && typeof member === "object") return [name, JSON.stringify(member)];
    if (typeof member !== "string") throw new errors.InvalidRequest("every member must be a string");
    return [name, member];
  });
  // JSON.parse keeps the last of two members of one name; other readers keep the first.
  const names = [...body.matchAll(JSON_NAME)].filter(([, colon]) => colon === ":");
  if (names.length !== countMembers(value))
    throw new errors.InvalidRequest("a member must not be provided twice");
  return entries;
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + countMembers(member), own);
}

function normalize(entries: readonly [string, string][]): FormParams {
  const params: Record<string, string> = Object.create(null);
  for (const [name, value] of entries) {
    if (name in params)
      throw new errors.InvalidRequest(`'${name.slice(0, 64)}' parameter must not be provided twice`);
    params[name] = value;
  }
  return Object.fromEntries(mapEntries(Object.entries(params)).filter(([, value]) => value !== ""));
}

/** Carries the wish for offline access past the core, which drops the scope; nobody outside may set it. */
export const OFFLINE_PARAM = "behalf_offline";

/** Carries the app's own parameters past the core, which keeps only those whose names it knows beforehand. */
export const EXTRA_PARAM = "behalf_extra";
const EXTRA_NAME = /^ext-[A-Za-z0-9_-]{1,60}$/;
const MAX_EXTRA = 20;
const MAX_EXTRA_LENGTH = 500;

/** Of what comes twice, and of what is too long or too much, nothing is kept: it is no part of the protocol. */
function packExtra(entries: [string, string][]): [string, string][] {
  const extra = entries.filter(
    ([name, value]) =>
      EXTRA_NAME.test(name) &&
      value.length <= MAX_EXTRA_LENGTH &&
      entries.filter(([other]) => other === name).length === 1,
  );
  if (extra.length === 0) return entries;
  const kept = entries.filter(([name]) => !EXTRA_NAME.test(name));
  return [...kept, [EXTRA_PARAM, JSON.stringify(Object.fromEntries(extra.slice(0, MAX_EXTRA)))]];
}

/** The app's own parameters as the edge packed them. */
export function unpackExtra(packed: string | undefined): Readonly<Record<string, string>> {
  // Nobody outside can set the parameter, so it is what packExtra() wrote.
  return packed === undefined ? {} : (JSON.parse(packed) as Record<string, string>);
}

/** The parameters of a query, mapped as those of a body. What comes twice stays, and the core refuses it. */
export function mapQuery(query: string): string {
  const params = new URLSearchParams(query);
  const given = [...params].filter(([name, value]) => value !== "" || params.getAll(name).length > 1);
  return new URLSearchParams(mapEntries(given)).toString();
}

/**
 * `audience`, which published SDKs send, becomes RFC 8707's `resource`; when both come, `audience` wins.
 * An audience that comes twice keeps its name: the core knows it for this alone, and refuses it.
 */
function mapEntries(all: [string, string][]): [string, string][] {
  const entries = packExtra(all.filter(([name]) => name !== OFFLINE_PARAM && name !== EXTRA_PARAM));
  const audiences = entries.filter(([name]) => name === "audience");
  const audience = audiences.length === 1 ? audiences[0]?.[1] : undefined;
  // Python clients send the text "None" for an audience that is not set.
  const named = audience !== undefined && audience !== "" && audience !== "None";
  const kept = entries.filter(
    ([name]) => !(name === "audience" && audiences.length === 1) && !(name === "resource" && named),
  );
  if (named) kept.push(["resource", audience]);
  const offline = entries.some(
    ([name, value]) => name === "scope" && value.split(" ").includes("offline_access"),
  );
  return offline ? [...kept, [OFFLINE_PARAM, "1"]] : kept;
}

/** The parameters as the form that the core reads. */
export function toFormText(params: FormParams): string {
  return new URLSearchParams(params).toString();
}
