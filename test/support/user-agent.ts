/**
 * A person's browser without a screen: keeps cookies a host each, follows redirects, and fills in the forms
 * it finds. For tests and checks of pages that work without JavaScript.
 */
export interface UserAgent {
  /** Opens an address and follows redirects until a page answers, or until `stopAt` matches an address. */
  open(address: string, options?: OpenOptions): Promise<Page>;
  /** Submits a form of `page`; `fields` override what the page filled in. */
  submit(
    page: Page,
    fields: Readonly<Record<string, string>>,
    options?: OpenOptions & { form?: number },
  ): Promise<Page>;
  /** A single request with this agent's cookies; no redirects are followed. */
  fetch(address: string, init?: RequestInit): Promise<Response>;
  /** Cookies for an address, as a header. */
  cookies(address: string): string;
}

export interface OpenOptions {
  /** Stops before opening the first address for which this is true. */
  readonly stopAt?: (address: string) => boolean;
}

/** What the browser shows. `text` is empty when it stopped before opening. */
export interface Page {
  readonly address: string;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly forms: readonly Form[];
}

/** A form as found in the page. */
export interface Form {
  readonly action: string;
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
}

const MAX_REDIRECTS = 20;
/** The `User-Agent` of every request that a person's browser makes here. */
export const PERSON = "Test Person/1.0";

export function createUserAgent(options: { language?: string } = {}): UserAgent {
  const jar = new Map<string, Map<string, { value: string; path: string }>>();

  function cookies(address: string): string {
    const url = new URL(address);
    const entries = [...(jar.get(url.hostname) ?? [])];
    return entries
      .filter(([, cookie]) => url.pathname.startsWith(cookie.path))
      .map(([key, cookie]) => `${key.split("|")[0]}=${cookie.value}`)
      .join("; ");
  }

  function remember(address: string, response: Response): void {
    const { hostname, pathname } = new URL(address);
    const cookies = jar.get(hostname) ?? new Map<string, { value: string; path: string }>();
    jar.set(hostname, cookies);
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(/;\s*/);
      const equals = pair.indexOf("=");
      const name = pair.slice(0, equals);
      const value = pair.slice(equals + 1);
      const read = (key: string) =>
        attributes.find((item) => item.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1);
      const path = read("path") ?? pathname;
      const expires = read("expires");
      const gone = read("max-age") === "0" || value === "" || (expires && Date.parse(expires) <= Date.now());
      if (gone) cookies.delete(`${name}|${path}`);
      else cookies.set(`${name}|${path}`, { value, path });
    }
  }

  async function fetchOnce(address: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const cookie = cookies(address);
    if (cookie) headers.set("cookie", cookie);
    headers.set("user-agent", PERSON);
    if (options.language) headers.set("accept-language", options.language);
    if (!headers.has("accept")) headers.set("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    const response = await fetch(address, { ...init, headers, redirect: "manual" });
    remember(address, response);
    return response;
  }

  async function follow(start: string, init: RequestInit, options: OpenOptions): Promise<Page> {
    let address = start;
    let request = init;
    for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
      if (options.stopAt?.(address))
        return { address, status: 0, text: "", headers: new Headers(), forms: [] };
      const response = await fetchOnce(address, request);
      const location = response.headers.get("location");
      if (location && response.status >= 300 && response.status < 400) {
        await response.arrayBuffer();
        address = new URL(location, address).href;
        request = {};
        continue;
      }
      const text = await response.text();
      return { address, status: response.status, text, headers: response.headers, forms: parseForms(text) };
    }
    throw new Error(`too many redirects, the last to ${address}`);
  }

  return {
    cookies,
    fetch: fetchOnce,
    open: (address, options = {}) => follow(address, {}, options),
    submit(page, fields, options = {}) {
      const form = page.forms[options.form ?? 0];
      if (!form) throw new Error(`${page.address} has no form:\n${page.text.slice(0, 2_000)}`);
      const values = new URLSearchParams({ ...form.fields, ...fields });
      const action = new URL(form.action || page.address, page.address).href;
      if (form.method === "get") return follow(`${action}?${values}`, {}, options);
      const headers = {
        "content-type": "application/x-www-form-urlencoded",
        origin: new URL(page.address).origin,
        "sec-fetch-site":
          new URL(action).origin === new URL(page.address).origin ? "same-origin" : "cross-site",
      };
      return follow(action, { method: "POST", body: values.toString(), headers }, options);
    },
  };
}

function parseForms(page: string): Form[] {
  return [...page.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(
    ([, attributes = "", content = ""]) => ({
      action: attribute(attributes, "action") ?? "",
      method: (attribute(attributes, "method") ?? "get").toLowerCase(),
      fields: Object.fromEntries(
        [...content.matchAll(/<input\b([^>]*)>/gi)]
          .map(([, input = ""]) => [attribute(input, "name"), attribute(input, "value") ?? ""] as const)
          .filter((entry): entry is [string, string] => entry[0] !== undefined),
      ),
    }),
  );
}

function attribute(text: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}\\s*=\\s*"([^"]*)"`, "i").exec(text)?.[1];
  return value
    ?.replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
