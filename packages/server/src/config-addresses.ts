import { isIP } from "node:net";

function isLoopback(url: URL): boolean {
  return isLoopbackHost(url.hostname);
}

/** This machine, by name or address; IPv6 with or without its brackets. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/.test(host);
}

/** `address` or `Name <address>`: one of it, on one line. */
export function isMailbox(value: string): boolean {
  return /^(?:[^\p{Cc}\p{Zl}\p{Zp}<>"@]{0,100}<[^\s<>@,;"\p{Cc}]{1,64}@[^\s<>@,;"\p{Cc}]{1,253}>|[^\s<>@,;"\p{Cc}]{1,64}@[^\s<>@,;"\p{Cc}]{1,253})$/u.test(
    value,
  );
}

/** https anywhere, or http on this machine; no credentials. */
export function isWebUrl(value: string): boolean {
  const url = URL.parse(value);
  return (
    url !== null &&
    !url.username &&
    (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url)))
  );
}

/** What a browser sends as `Origin`: scheme, host and port, in the one form it has. */
export function isWebOrigin(value: string): boolean {
  return isWebUrl(value) && URL.parse(value)?.origin === value;
}

/** RFC 6749 section 3.1.2: no fragment. Compared as text later, so only visible ASCII is taken. */
export function isRedirectUri(value: string): boolean {
  return isWebUrl(value) && !value.includes("#") && /^[\x21-\x7e]+$/.test(value);
}

/** Ends in a slash, in its one normal form, without query and fragment: it is compared byte for byte. */
export function isIssuer(value: string): boolean {
  const url = URL.parse(value);
  return (
    value.endsWith("/") &&
    !value.includes("?") &&
    !value.includes("#") &&
    url?.href === value &&
    isWebUrl(value)
  );
}

/** A range of addresses: `203.0.113.0/24`, `2001:db8::/32`, or one address. */
export function isCidr(text: string): boolean {
  const [address = "", prefix, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}
