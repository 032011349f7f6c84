import { createHmac, timingSafeEqual } from "node:crypto";
import { fgaError } from "./errors.ts";

/** Turns the place where a list stopped into a token and back. */
export interface ContinuationTokens {
  /** `list` names the list with its store and filters: a token of one list is refused by another. Same place, same token. */
  issue(list: readonly string[], place: string): string;
  /** @throws FgaApiError `invalid_continuation_token` unless this deployment issued it for this very list */
  read(list: readonly string[], token: string): string;
}

const TAG_BYTES = 16;
/** @see openfga/api: `continuation_token` */
const MAX_TOKEN_BYTES = 5_120;

/** Tokens carry a keyed hash, so that nothing but what we wrote ever reaches a query. */
export function createContinuationTokens(key: Uint8Array): ContinuationTokens {
  const tagOf = (list: readonly string[], place: string): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify([list, place]))
      .digest()
      .subarray(0, TAG_BYTES);
  return {
    issue: (list, place) => Buffer.concat([tagOf(list, place), Buffer.from(place)]).toString("base64url"),
    read(list, token) {
      if (token.length > MAX_TOKEN_BYTES || !/^[A-Za-z0-9_-]+={0,2}$/.test(token))
        throw fgaError("invalid_continuation_token");
      const bytes = Buffer.from(token, "base64url");
      const place = bytes.subarray(TAG_BYTES).toString("utf8");
      const tag = bytes.subarray(0, TAG_BYTES);
      if (tag.length !== TAG_BYTES || !timingSafeEqual(tag, tagOf(list, place)))
        throw fgaError("invalid_continuation_token");
      return place;
    },
  };
}
