import { isJsonObject, type JsonObject } from "../support/json.ts";

/** Groups of routes that a fault can be aimed at. `calendar` is everything below `/calendar/v1`. */
export const ENDPOINTS = ["authorize", "token", "revoke", "userinfo", "metadata", "calendar"] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Which requests a fault meets. */
export type Aim = {
  /** Default: `["token"]`. */
  endpoints: readonly Endpoint[];
  /** How many requests it meets before it turns itself off. Default: null, until it is turned off. */
  times: number | null;
  /**
   * `before`: the request is answered by the fault and nothing is done. `after`: the work is done and committed
   * (a code is spent, a token rotated), then the answer is lost to the fault. Default: `before`.
   */
  when: "before" | "after";
};

/** How often a change to a successful token answer is made. Default: null, until it is turned off. */
export type Often = { times: number | null };

/** Everything about the provider that can be changed while it runs. All faults are off at first. */
export type Switches = {
  /**
   * What a refresh does to the refresh token. `none`: it stays valid and no new one is sent. `grace`: a new one is
   * sent, and the one before it works for `graceSeconds` more. `strict`: a new one is sent, and a second use of the
   * old one revokes the whole grant (RFC 9700 section 4.14.2). Default: `none`.
   */
  rotation: "none" | "grace" | "strict";
  /** Seconds after its first use for which the previous refresh token is taken again under `grace`. Default: 10. */
  graceSeconds: number;
  /** Seconds that an access token made from now on is good for. Default: 3600. */
  accessTokenLifeSeconds: number;
  /**
   * True: a refresh token is issued with a person's first consent to a client only, later ones need
   * `prompt=consent`, as some large providers do. Default: false, with every request for offline access.
   */
  refreshTokenOnFirstConsentOnly: boolean;
  /** Claims that ID tokens have instead of, or beside, the right ones; null leaves one out. Default: none. */
  idTokenClaims: Readonly<Record<string, unknown>>;
  /** How ID tokens are signed: rightly, not at all, by HS256 with the client's secret, or by an unpublished key. */
  idTokenSignature: "right" | "none" | "shared_secret" | "other_key";
  /** True: token answers have no ID token. Default: false. */
  omitIdToken: boolean;
  /** As `idTokenClaims`, for what userinfo says. */
  userinfoClaims: Readonly<Record<string, unknown>>;
  /** What `iss` of an authorization response is (RFC 9207); empty leaves it out. Default: null, the issuer. */
  authorizationIssuer: string | null;
  /** Waits `ms` milliseconds; the work goes on even if the caller has left meanwhile. */
  slow: (Aim & { ms: number }) | null;
  /** Cuts the TCP connection without an answer. */
  resetConnection: Aim | null;
  /** 429 with `Retry-After`, in seconds or, with `asDate`, as an HTTP date. */
  status429: (Aim & { retryAfterSeconds: number; asDate: boolean }) | null;
  /** 500 with a JSON error `server_error`. */
  status500: Aim | null;
  /** 307 to `location`: a client that follows it sends its secrets to another origin. */
  redirect: (Aim & { location: string }) | null;
  /** An HTML page, as from a proxy that sits in front, instead of JSON. */
  html: (Aim & { status: number }) | null;
  /** 200 with `{"ok":false,"error":...}`: an error that looks like success by its status. */
  okWithError: (Aim & { error: string }) | null;
  /** A valid JSON answer of `bytes` bytes that is a few kilobytes on the wire (gzip). */
  gzipBomb: (Aim & { bytes: number }) | null;
  /**
   * Grants fewer scopes than asked: those in `drop` are left out. With a code, the grant itself is made smaller;
   * with a refresh, that access token. The answer's `scope` says what was granted.
   */
  scopeShrink: (Often & { drop: readonly string[] }) | null;
  /** `expires_in` is this value, whatever it is; without `value` the member is left out. */
  expiresIn: (Often & { value?: unknown }) | null;
  /** The answer's `scope` is separated by commas. */
  commaScopes: Often | null;
  /** The access token is padded to this many bytes; it works here, whatever others make of such a header. */
  longToken: (Often & { bytes: number }) | null;
  /** The answer names `access_token` twice; the first value is worthless. */
  duplicateMembers: Often | null;
  /** The answer is JSON with this `Content-Type`. */
  contentType: (Often & { value: string }) | null;
};

/** The switches of a provider that was just started or reset. */
export const DEFAULT_SWITCHES: Switches = {
  rotation: "none",
  graceSeconds: 10,
  accessTokenLifeSeconds: 3600,
  refreshTokenOnFirstConsentOnly: false,
  idTokenClaims: {},
  idTokenSignature: "right",
  omitIdToken: false,
  userinfoClaims: {},
  authorizationIssuer: null,
  slow: null,
  resetConnection: null,
  status429: null,
  status500: null,
  redirect: null,
  html: null,
  okWithError: null,
  gzipBomb: null,
  scopeShrink: null,
  expiresIn: null,
  commaScopes: null,
  longToken: null,
  duplicateMembers: null,
  contentType: null,
};

/** Faults that replace the answer, in the order in which one of several wins. */
export const ANSWER_FAULTS = [
  "resetConnection",
  "status429",
  "status500",
  "redirect",
  "html",
  "okWithError",
  "gzipBomb",
] as const;
export type AnswerFault = (typeof ANSWER_FAULTS)[number];

/** Changes to a successful token answer. */
export const SHAPES = [
  "scopeShrink",
  "expiresIn",
  "commaScopes",
  "longToken",
  "duplicateMembers",
  "contentType",
] as const;
export type Shape = (typeof SHAPES)[number];

/** One of the switches that counts down. */
export type Counted = "slow" | AnswerFault | Shape;

type Check = (value: unknown) => boolean;
type Member = { is: Check; expects: string; default?: unknown };

const whole = (min: number, max: number): Member => ({
  is: (value) => typeof value === "number" && Number.isInteger(value) && value >= min && value <= max,
  expects: `a whole number from ${min} to ${max}`,
});
const text: Member = {
  is: (value) => typeof value === "string" && value.length > 0 && value.length <= 500,
  expects: "a string of 1 to 500 characters",
};
const claims: Member = { is: isJsonObject, expects: "an object of claims" };
const flag: Member = { is: (value) => typeof value === "boolean", expects: "true or false" };
const oneOf = (...values: readonly string[]): Member => ({
  is: (value) => typeof value === "string" && values.includes(value),
  expects: values.map((value) => JSON.stringify(value)).join(" or "),
});
const listOf = (item: Member): Member => ({
  is: (value) => Array.isArray(value) && value.length > 0 && value.every(item.is),
  expects: `a list, not empty, of ${item.expects}`,
});
const withDefault = (member: Member, value: unknown): Member => ({ ...member, default: value });

const OFTEN: Record<string, Member> = {
  times: {
    is: (value) => value === null || whole(1, 1_000_000).is(value),
    expects: "null or a whole number from 1",
    default: null,
  },
};
const AIM: Record<string, Member> = {
  ...OFTEN,
  endpoints: withDefault(listOf(oneOf(...ENDPOINTS)), ["token"]),
  when: withDefault(oneOf("before", "after"), "before"),
};

const PLAIN: Record<string, Member> = {
  rotation: oneOf("none", "grace", "strict"),
  graceSeconds: whole(1, 86_400),
  accessTokenLifeSeconds: whole(1, 31_536_000),
  refreshTokenOnFirstConsentOnly: flag,
  idTokenClaims: claims,
  idTokenSignature: oneOf("right", "none", "shared_secret", "other_key"),
  omitIdToken: flag,
  userinfoClaims: claims,
  authorizationIssuer: {
    is: (value) => value === null || (typeof value === "string" && value.length <= 500),
    expects: "null or a string of at most 500 characters",
  },
};

/** What each counted switch may hold. A member without a default is required. */
const COUNTED: Record<Counted, Record<string, Member>> = {
  slow: { ...AIM, ms: whole(1, 120_000) },
  resetConnection: AIM,
  status429: {
    ...AIM,
    retryAfterSeconds: withDefault(whole(0, 86_400), 30),
    asDate: withDefault(flag, false),
  },
  status500: AIM,
  redirect: { ...AIM, location: text },
  html: { ...AIM, status: withDefault(whole(200, 599), 200) },
  okWithError: { ...AIM, error: withDefault(text, "invalid_refresh_token") },
  gzipBomb: { ...AIM, bytes: withDefault(whole(1_000, 200_000_000), 50_000_000) },
  scopeShrink: { ...OFTEN, drop: listOf(text) },
  expiresIn: { ...OFTEN, value: { is: () => true, expects: "any JSON value", default: undefined } },
  commaScopes: OFTEN,
  longToken: { ...OFTEN, bytes: withDefault(whole(100, 100_000), 65_536) },
  duplicateMembers: OFTEN,
  contentType: { ...OFTEN, value: withDefault(text, "text/plain") },
};

/** All switches, from a JSON object: what it does not name has its default. Problems name the member. */
export function parseSwitches(input: JsonObject): { switches: Switches } | { problems: string[] } {
  const problems: string[] = [];
  const parsed: JsonObject = { ...DEFAULT_SWITCHES };
  for (const [name, value] of Object.entries(input)) {
    const plain = Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined;
    const members = Object.hasOwn(COUNTED, name) ? COUNTED[name as Counted] : undefined;
    if (plain) {
      if (plain.is(value)) parsed[name] = value;
      else problems.push(`${name} must be ${plain.expects}`);
    } else if (!members) problems.push(`${name} is not a switch`);
    else if (value === null) parsed[name] = null;
    else parsed[name] = parseMembers(name, members, value, problems);
  }
  // Every member was checked against the tables above, which mirror the type.
  return problems.length > 0 ? { problems } : { switches: parsed as Switches };
}

function parseMembers(
  name: string,
  members: Record<string, Member>,
  value: unknown,
  problems: string[],
): JsonObject {
  const given: JsonObject = typeof value === "object" && value !== null ? { ...value } : {};
  if (typeof value !== "object" || Array.isArray(value)) {
    problems.push(`${name} must be null or an object, such as {} for its defaults`);
    return {};
  }
  for (const key of Object.keys(given).filter((key) => !Object.hasOwn(members, key)))
    problems.push(`${name}.${key} is not known`);
  const parsed: JsonObject = {};
  for (const [key, member] of Object.entries(members)) {
    const present = Object.hasOwn(given, key);
    if (!present && "default" in member) {
      if (member.default !== undefined) parsed[key] = member.default;
    } else if (present && member.is(given[key])) parsed[key] = given[key];
    else problems.push(`${name}.${key} must be ${member.expects}`);
  }
  return parsed;
}
