import type { ImportedAccount } from "../../login/index.ts";
import { type GivenHash, readPasswordHash } from "./password-hash.ts";

/** A user of an export, as they will be here. */
export interface MappedUser {
  readonly account: ImportedAccount;
  readonly metadata: { readonly app?: Members; readonly user?: Members };
  readonly hash: GivenHash;
  /** Whether the person logs in by a password there. */
  readonly hasDatabaseIdentity: boolean;
  /** What of the user is not taken, and what follows from it. */
  readonly notes: readonly string[];
}

type Members = Readonly<Record<string, unknown>>;

const MAX_PICTURE_LENGTH = 2_048;
const DATABASE = "auth0";

/**
 * Reads one user of the profile export, of the bulk-import form or of the password-hash export.
 * @returns a sentence when the user cannot be taken at all
 */
export function mapUser(user: Members): MappedUser | string {
  const id = userIdOf(user);
  if (id === undefined) return "has no user_id, by which apps know the user";
  const { email, isVerified } = emailOf(user);
  if (email === undefined) return "has no e-mail address, by which people are known here";
  const hash = readPasswordHash(user);
  const app = objectOf(user["app_metadata"]);
  const own = objectOf(user["user_metadata"]);
  return {
    account: {
      id,
      email,
      emailVerified: isVerified,
      name: nameOf(user, email),
      picture: pictureOf(user["picture"]),
      locale: textOf(user["locale"])?.slice(0, 35),
      disabled: user["blocked"] === true,
      createdAt: timeOf(user["created_at"]),
      passwordHash: hash && "hash" in hash ? hash.hash : undefined,
    },
    metadata: { ...(app ? { app } : {}), ...(own ? { user: own } : {}) },
    hash,
    hasDatabaseIdentity: id.startsWith(`${DATABASE}|`),
    notes: notesOf(user, id),
  };
}

/** How an id that has no provider in it begins: the import puts the connection's strategy before it. */
function userIdOf(user: Members): string | undefined {
  const given = textOf(user["user_id"]);
  if (given !== undefined) return given.includes("|") ? given : `${DATABASE}|${given}`;
  const raw = textOf(user["alt_id"]) ?? textOf(objectOf(user["_id"])?.["$oid"]);
  return raw === undefined ? undefined : `${DATABASE}|${raw}`;
}

function emailOf(user: Members): { email: string | undefined; isVerified: boolean } {
  const email = textOf(user["email"]);
  if (email !== undefined) return { email, isVerified: user["email_verified"] === true };
  const identifiers = Array.isArray(user["identifiers"]) ? user["identifiers"] : [];
  const found = identifiers.map(objectOf).find((one) => one?.["type"] === "email");
  return { email: textOf(found?.["value"]), isVerified: found?.["verified"] === true };
}

/** A name that only repeats the address was filled in by nobody. */
function nameOf(user: Members, email: string): string | undefined {
  const parts = [textOf(user["given_name"]), textOf(user["family_name"])].filter(
    (part) => part !== undefined,
  );
  const name = textOf(user["name"]);
  return name !== undefined && name !== email ? name : parts.length > 0 ? parts.join(" ") : undefined;
}

function pictureOf(value: unknown): string | undefined {
  const text = textOf(value);
  const isFit =
    text !== undefined && text.length <= MAX_PICTURE_LENGTH && URL.parse(text)?.protocol === "https:";
  return isFit ? text : undefined;
}

function timeOf(value: unknown): number | undefined {
  const time = Date.parse(textOf(value) ?? textOf(objectOf(value)?.["$date"]) ?? "");
  return Number.isFinite(time) && time >= 0 ? time : undefined;
}

function notesOf(user: Members, id: string): string[] {
  const identities = (Array.isArray(user["identities"]) ? user["identities"] : []).map(objectOf);
  const providers = new Set(
    identities.map((one) => textOf(one?.["provider"])).filter((name) => name !== undefined),
  );
  if (identities.length === 0) providers.add(id.split("|", 1)[0] ?? "");
  const others = [...providers].filter((name) => name !== DATABASE && name !== "");
  return [
    ...(others.length > 0
      ? [`log-in by ${others.join(", ")} is not taken over: the person links it after another log-in`]
      : []),
    ...(Array.isArray(user["multifactor"]) && user["multifactor"].length > 0
      ? ["second factors are not exported: the person enrols again"]
      : []),
    ...(textOf(user["phone_number"]) === undefined ? [] : ["the phone number is not taken"]),
    ...(textOf(user["username"]) === undefined
      ? []
      : ["the user name is not taken: people log in by their address"]),
  ];
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

function objectOf(value: unknown): Members | undefined {
  // A JSON object: its members are unknown until they are looked at.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;
}
