function isLoopback(url: URL): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
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
