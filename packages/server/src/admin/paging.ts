import { z } from "zod";
import { equalInConstantTime, keyedHash } from "../crypto/hash.ts";
import { adminError } from "./errors.ts";

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page starts; `undefined` on the last one. */
  readonly next: string | undefined;
}

/** Turns the place where a list stopped into a token and back. */
export interface PageTokens {
  /** `list` names the list with its filters: a token of one list is refused by another. */
  issue(list: string, place: string): string;
  /** @throws ApiError `admin.page_token_invalid` unless this deployment issued it for this very list. */
  read(list: string, token: string): string;
}

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 200;
const MAX_TOKEN_LENGTH = 1_000;

/** Query parameters that every list takes. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  page_token: z.string().min(1).max(MAX_TOKEN_LENGTH).optional(),
});

/** Tokens carry a keyed hash, so that nothing but what we wrote ever reaches a query. */
export function createPageTokens(key: Uint8Array): PageTokens {
  const sign = (list: string, place: string) => keyedHash(key, JSON.stringify([list, place]));
  return {
    issue: (list, place) => `${Buffer.from(place).toString("base64url")}.${sign(list, place)}`,
    read(list, token) {
      const [text = "", mac = ""] = token.split(".");
      const place = Buffer.from(text, "base64url").toString("utf8");
      if (!equalInConstantTime(mac, sign(list, place))) throw adminError("admin.page_token_invalid");
      return place;
    },
  };
}

/** Cuts a page out of `limit + 1` rows. */
export function pageOf<T>(rows: readonly T[], limit: number, placeOf: (row: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? placeOf(last) : undefined };
}
