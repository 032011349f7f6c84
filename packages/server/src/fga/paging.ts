import type { Context } from "hono";
import type { ContinuationTokens } from "./continuation.ts";
import { invalidField } from "./errors.ts";
import { integerOf, textOf } from "./message.ts";

/** Cuts lists into pages. `list` names a list with its store and filters. */
export interface Paging {
  /** Where the page of this token starts; `undefined` for `""`. @throws FgaApiError `invalid_continuation_token` */
  placeOf(list: readonly string[], token: string): string | undefined;
  /** A page of `size` out of `size + 1` rows; the token is `""` on the last one. */
  pageOf<T>(
    list: readonly string[],
    rows: readonly T[],
    size: number,
    placeOfRow: (row: T) => string,
  ): { readonly items: readonly T[]; readonly token: string };
  /** The token of a place. */
  tokenOf(list: readonly string[], place: string): string;
}

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 100;

export function createPaging(tokens: ContinuationTokens): Paging {
  return {
    tokenOf: tokens.issue,
    placeOf: (list, token) => (token === "" ? undefined : tokens.read(list, token)),
    pageOf(list, rows, size, placeOfRow) {
      const items = rows.slice(0, size);
      const last = items.at(-1);
      const hasMore = rows.length > size && last !== undefined;
      return { items, token: hasMore ? tokens.issue(list, placeOfRow(last)) : "" };
    },
  };
}

/** The size asked for, or 50. @throws FgaApiError `page_size_invalid` outside of 1 to 100 */
export function pageSize(given: number | undefined, message: string): number {
  if (given === undefined) return DEFAULT_PAGE_SIZE;
  if (given < 1 || given > MAX_PAGE_SIZE)
    throw invalidField(`${message}.PageSize`, `value must be inside range [1, ${MAX_PAGE_SIZE}]`);
  return given;
}

/** A query parameter by its proto name or its JSON name; `""` without. */
export function queryText(c: Context, name: string): string {
  return textOf(c.req.query(), name);
}

/** The same as a whole number. @throws FgaApiError `validation_error` */
export function queryInteger(c: Context, name: string): number | undefined {
  return integerOf(c.req.query(), name);
}
