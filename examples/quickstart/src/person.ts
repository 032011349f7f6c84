import assert from "node:assert/strict";

/**
 * A person with a browser, for `--check`: opens what the agent asks for and fills in the forms it finds.
 * Cookies belong to a host, whatever its port, as browsers have it.
 */
export interface Person {
  /** Signs up and comes back to the app. */
  signUp(appUrl: string): Promise<void>;
  /** Opens an address, and answers every form on the way with `fields`. */
  answer(address: string, fields: readonly Record<string, string>[]): Promise<void>;
}

interface Page {
  address: string;
  text: string;
}

const MAX_REDIRECTS = 20;
const PASSWORD = "correct horse battery staple";

export function createPerson(): Person {
  const jars = new Map<string, Map<string, string>>();

  async function open(start: string, first: RequestInit = {}): Promise<Page> {
    let [address, init] = [start, first];
    for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
      const jar = jarOf(jars, address);
      const headers = {
        ...init.headers,
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
      };
      const response = await fetch(address, { ...init, headers, redirect: "manual" });
      remember(jar, response);
      const text = await response.text();
      const location = response.headers.get("location");
      if (!location) {
        assert.ok(response.ok, `${address} answered with ${response.status}: ${text.slice(0, 300)}`);
        return { address, text };
      }
      [address, init] = [new URL(location, address).href, {}];
    }
    throw new Error(`too many redirects, the last to ${address}`);
  }

  function submit(page: Page, fields: Record<string, string>): Promise<Page> {
    const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page.text);
    assert.ok(form, `${page.address} has no form:\n${page.text.slice(0, 500)}`);
    const action = new URL(attribute(form[1], "action") ?? page.address, page.address).href;
    const inputs = [...(form[2] ?? "").matchAll(/<input\b([^>]*)>/gi)].map(([, input]) => input);
    const values = inputs.map((input) => [attribute(input, "name") ?? "", attribute(input, "value") ?? ""]);
    const body = new URLSearchParams({ ...Object.fromEntries(values), ...fields });
    return open(action, { method: "POST", body, headers: { origin: new URL(action).origin } });
  }

  return {
    async signUp(appUrl) {
      const login = await open(`${appUrl}/auth/login`);
      const link = /href="(\/signup[^"]*)"/.exec(login.text)?.[1]?.replaceAll("&amp;", "&");
      assert.ok(link, `${login.address} leads to no sign-up page`);
      const form = await open(new URL(link, login.address).href);
      const email = `anne-${Date.now().toString(36)}@example.com`;
      const page = await submit(form, { email, name: "Anne", password: PASSWORD });
      assert.equal(page.address, `${appUrl}/`, "signing up leads back to the app");
    },
    async answer(address, forms) {
      let page = await open(address);
      for (const fields of forms) page = await submit(page, fields);
    },
  };
}

function jarOf(jars: Map<string, Map<string, string>>, address: string): Map<string, string> {
  const { hostname } = new URL(address);
  const jar = jars.get(hostname) ?? new Map<string, string>();
  jars.set(hostname, jar);
  return jar;
}

function remember(jar: Map<string, string>, response: Response): void {
  for (const line of response.headers.getSetCookie()) {
    const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    const isGone = value === "" || /max-age=0\b|expires=thu, 01 jan 1970/i.test(line);
    if (isGone) jar.delete(name);
    else jar.set(name, value);
  }
}

function attribute(tag: string | undefined, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`, "i").exec(tag ?? "")?.[1];
  return value?.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
