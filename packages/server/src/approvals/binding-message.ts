/** Longest message, in Unicode code points: what Auth0 takes, and what fits a phone's notification. */
export const MAX_BINDING_MESSAGE_LENGTH = 64;

/**
 * Letters of any script with their marks, digits, space and + - _ . , : # ? ' !, and what Japanese writes
 * for the last few. Quotation marks, slashes, brackets and @ are out: the message is set in quotation marks
 * and must not end them or look like an address.
 */
const ALLOWED = /^[\p{L}\p{M}\p{N} +\-_.,:#?'!、。・？！]+$/u;
/** Letters by category that have no shape, such as U+3164 HANGUL FILLER, and joiners among the marks. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;
/** More marks on one letter than any orthography has: they grow over the lines around. */
const STACKED_MARKS = /\p{M}{4}/u;
/** `evil.example` in any script, or in ASCII with the ideographic stop that browsers read as a dot. */
const HOST_NAME = /[\p{L}\p{N}]\.\p{L}{2,}|[a-z0-9]。[a-z]{2,}|\bwww[.。]/iu;
const IP_ADDRESS = /\d+\.\d+\.\d+\.\d+/;
const SCHEME = /\b(?:https?|ftp|file|data|javascript|mailto|tel|sms):/i;

/**
 * Why a message cannot be shown, as a sentence for the developer; `undefined` when it can.
 * @see OpenID Connect CIBA Core 1.0 section 7.1 (binding_message)
 */
export function bindingMessageProblem(message: string): string | undefined {
  const length = [...message].length;
  if (length === 0) return "binding_message is empty.";
  if (length > MAX_BINDING_MESSAGE_LENGTH)
    return `binding_message has ${length} characters; ${MAX_BINDING_MESSAGE_LENGTH} are the most.`;
  if (!ALLOWED.test(message) || INVISIBLE.test(message) || STACKED_MARKS.test(message))
    return "binding_message may hold letters, digits, spaces and + - _ . , : # ? ' ! only.";
  if (!/[\p{L}\p{N}]/u.test(message)) return "binding_message holds no letter and no digit.";
  // Compatibility forms, such as full-width letters, read the same to a person.
  const plain = message.normalize("NFKC");
  if (HOST_NAME.test(plain) || IP_ADDRESS.test(plain) || SCHEME.test(plain))
    return "binding_message looks like an address; the user is never sent anywhere by it.";
  return undefined;
}
