import { en, type Texts } from "./en.ts";
import { ja } from "./ja.ts";

export type { Texts } from "./en.ts";

/** Languages by their tag (BCP 47); the first is used when none fits. */
const languages: Readonly<Record<string, Texts>> = { en, ja };

/** A language and everything said in it. */
export interface Language {
  /** BCP 47 tag, for `<html lang>` and date formats. */
  readonly tag: string;
  readonly texts: Texts;
}

/** What is on offer, for the language links of each page: each tag with the language's own name for itself. */
export const languageNames: readonly (readonly [tag: string, name: string])[] = Object.entries(languages).map(
  ([tag, { name }]) => [tag, name],
);

const COOKIE = /(?:^|;\s*)behalf_lang=([a-z]{2})(?:;|$)/;

/**
 * The language of a page: the request's `ui_locales` or `lang` parameter, the cookie of an earlier choice,
 * `Accept-Language`, English.
 * @see OpenID Connect Core section 3.1.2.1 (ui_locales)
 */
export function pickLanguage(request: { url: string; headers: Headers }, wished?: string): Language {
  const params = new URL(request.url).searchParams;
  const cookie = COOKIE.exec(request.headers.get("cookie") ?? "")?.[1];
  const accepted = request.headers.get("accept-language")?.split(",") ?? [];
  const wishes = [
    wished?.split(" ") ?? [],
    params.get("lang") ?? [],
    params.get("ui_locales")?.split(" ") ?? [],
  ].flat();
  for (const wish of [...wishes, cookie ?? "", ...accepted]) {
    const tag = wish.trim().slice(0, 2).toLowerCase();
    const texts = languages[tag];
    if (texts) return { tag, texts };
  }
  return { tag: "en", texts: en };
}

/** The language of a tag that was chosen earlier, such as a user's; English when there is none of it. */
export function languageOf(tag: string | undefined): Language {
  const short = tag?.slice(0, 2).toLowerCase() ?? "";
  const texts = Object.hasOwn(languages, short) ? languages[short] : undefined;
  return texts ? { tag: short, texts } : { tag: "en", texts: en };
}
