import { errors } from "oidc-provider";

/** Parameters of a request body, each once. */
export type FormParams = Readonly<Record<string, string>>;

const JSON_TYPE = /^application\/json\s*(;|$)/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/**
 * Parses the body of an OAuth request: a form, or a JSON object as published SDKs send it. A parameter that
 * comes twice is refused.
 * @throws InvalidRequest
 * @see RFC 6749 section 3.2
 */
export function parseForm(body: string, contentType: string): FormParams {
  if (body === "" && contentType === "") return {};
  if (FORM_TYPE.test(contentType)) return normalize([...new URLSearchParams(body)]);
  if (JSON_TYPE.test(contentType)) return normalize(jsonEntries(body));
  throw new errors.InvalidRequest("send application/x-www-form-urlencoded or application/json");
}

function jsonEntries(body: string): [string, string][] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new errors.InvalidRequest("the body is not JSON", undefined, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new errors.InvalidRequest("the body must be a JSON object");
  return Object.entries(value)
    .filter(([, member]) => member !== null && member !== undefined)
    .map(([name, member]) => [name, typeof member === "string" ? member : JSON.stringify(member)]);
}

function normalize(entries: readonly [string, string][]): FormParams {
  const params: Record<string, string> = Object.create(null);
  for (const [name, value] of entries) {
    if (name in params)
      throw new errors.InvalidRequest(`'${name.slice(0, 64)}' parameter must not be provided twice`);
    params[name] = value;
  }
  return mapParams(params);
}

/** Carries the wish for offline access past the core, which drops the scope; nobody outside may set it. */
export const OFFLINE_PARAM = "behalf_offline";

/**
 * `audience`, which published SDKs send, becomes RFC 8707's `resource`; when both come, `audience` wins.
 * Empty values count as absent.
 */
export function mapParams(params: FormParams): FormParams {
  const { audience, [OFFLINE_PARAM]: _forged, ...rest } = params;
  // Python clients send the text "None" for an audience that is not set.
  const named = audience && audience !== "None" ? { resource: audience } : {};
  const offline = rest["scope"]?.split(" ").includes("offline_access") ? { [OFFLINE_PARAM]: "1" } : {};
  return Object.fromEntries(
    Object.entries({ ...rest, ...named, ...offline }).filter(([, value]) => value !== ""),
  );
}

/** The parameters as the form that the core reads. */
export function toFormText(params: FormParams): string {
  return new URLSearchParams(params).toString();
}
