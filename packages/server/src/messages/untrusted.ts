/** Longest name a message shows: a name is no place for a letter of its own. */
const MAX_NAME_CHARACTERS = 60;
/** Control characters, line and paragraph ends, and what turns the direction of text or hides in it. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;
/**
 * What makes an address of a word: mail programs turn `evil.example` into a link by themselves. Every sign
 * that IDNA takes for a dot is one.
 */
const MAKES_ADDRESSES = /(?<=\S)[.。．｡․:/\\@]+(?=\S)|[:/\\@]{2,}/gu;

/**
 * A name that somebody else chose (a user's, an organization's), made harmless to read: one line, at most 60
 * characters, no link. `Booking.example` becomes `Booking example`; that is the price.
 */
export function plainName(name: string): string {
  const line = name.normalize("NFKC").replace(INVISIBLE, " ").replace(MAKES_ADDRESSES, " ");
  const characters = [...line.replace(/\s+/gu, " ").trim()];
  if (characters.length <= MAX_NAME_CHARACTERS) return characters.join("");
  return `${characters.slice(0, MAX_NAME_CHARACTERS - 1).join("")}…`;
}

/** RFC 5321 section 4.5.3.1: a path is at most 256 octets, its angle brackets included. */
const MAX_ADDRESS_BYTES = 254;

/**
 * Whether a text is exactly one address that goes into an envelope and a header as it is: no list, no display
 * name, no comment, no route, no quoted part, no control character or line break.
 */
export function isMailAddress(text: string): boolean {
  return (
    Buffer.byteLength(text) <= MAX_ADDRESS_BYTES &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    /^[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029<>()[\],;:\\"@]{1,64}@[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029<>()[\],;:\\"@]+$/u.test(
      text,
    )
  );
}

/** An E.164 number: a plus sign and at most 15 digits. */
export function isPhoneNumber(text: string): boolean {
  return /^\+[1-9]\d{6,14}$/.test(text);
}
