// A single-page application as its developer would write it on the published, unmodified
// `@auth0/auth0-spa-js`, in a browser. Its back end serves one page and the package's file.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { launchChromium, newWindow } from "../../../support/chromium.ts";
import { serve } from "../serve.mjs";

const { AUTH0_DOMAIN, SPA_URL, SPA_CERTIFICATE, SPA_KEY, CALENDAR_URL } = process.env;
const SDK = new URL("node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js", import.meta.url);
const sdk = readFileSync(SDK, "utf8");
/** Broken servers keep people waiting: not for long here. */
const PATIENCE_MS = 4_000;
const PAGE = `<!doctype html><title>App</title><script src="/sdk.js"></script>`;

// https, as the server is: a browser takes one host under two schemes for two sites, and sends no cookies along.
const pair = { cert: readFileSync(SPA_CERTIFICATE), key: readFileSync(SPA_KEY) };
createServer(pair, (request, response) => {
  const [type, body] = request.url === "/sdk.js" ? ["text/javascript", sdk] : ["text/html", PAGE];
  response.writeHead(200, { "content-type": type }).end(body);
}).listen(Number(new URL(SPA_URL).port), "127.0.0.1");

const browser = await launchChromium();
process.on("exit", () => void browser.close());

/** A window a person. */
const windows = new Map();

async function windowOf(name) {
  const known = windows.get(name);
  if (known) return known;
  const context = await newWindow(browser, { acceptAnyCertificate: true });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  windows.set(name, page);
  return page;
}

/** In the page: the package's client, made anew as on each load of a page. */
const CLIENT = `new auth0.Auth0Client({
  domain: ${JSON.stringify(AUTH0_DOMAIN)},
  clientId: "spa",
  cacheLocation: "localstorage",
  httpTimeoutInSeconds: 5,
  authorizeTimeoutInSeconds: 5,
  ...(window.options ?? {}),
  authorizationParams: { redirect_uri: location.origin + "/spa", ...(window.options?.authorizationParams ?? {}) },
})`;

/** Runs a line of the application's in its page. */
async function inPage(page, options, line) {
  return page.evaluate(
    `(async () => { window.options = ${JSON.stringify(options ?? {})}; const client = ${CLIENT}; ${line} })()`,
  );
}

const back = (url) => url.href.startsWith(`${SPA_URL}/spa`);

serve({
  /** The person's log-in at the server comes with them. */
  async enter({ browser: name, cookies }) {
    const page = await windowOf(name);
    await page.context().addCookies(cookies);
    await page.goto(`${SPA_URL}/spa`);
  },
  async login({ browser: name, options }) {
    const page = await windowOf(name);
    await Promise.all([
      page.waitForURL((url) => back(url) && url.search !== ""),
      inPage(page, options, "await client.loginWithRedirect();"),
    ]);
    return inPage(page, options, "await client.handleRedirectCallback(); return client.getUser();");
  },
  /** The application is opened again. */
  async reopen({ browser: name, options }) {
    const page = await windowOf(name);
    await page.goto(`${SPA_URL}/spa`);
    return inPage(
      page,
      options,
      "await client.checkSession(); return { known: await client.isAuthenticated(), user: await client.getUser() };",
    );
  },
  async token({ browser: name, options, request }) {
    const line = `return client.getTokenSilently(${JSON.stringify(request)});`;
    return inPage(await windowOf(name), options, line);
  },
  async logout({ browser: name, options }) {
    const page = await windowOf(name);
    await Promise.all([
      page.waitForURL((url) => url.origin === `https://${AUTH0_DOMAIN}`),
      inPage(
        page,
        options,
        `await client.logout({ logoutParams: { returnTo: ${JSON.stringify(`${SPA_URL}/spa`)} } });`,
      ),
    ]);
    // The server asks, and leads back.
    await page.locator("button[value=yes], button[name=logout]").first().click();
    await page.waitForURL(back);
    return inPage(page, options, "return client.isAuthenticated();");
  },
  async connect({ browser: name, options, connection, scopes }) {
    const page = await windowOf(name);
    const request = JSON.stringify({
      connection,
      scopes,
      redirectUri: `${SPA_URL}/spa`,
    });
    await Promise.all([
      page.waitForURL((url) => url.href.startsWith(CALENDAR_URL)),
      inPage(page, options, `await client.connectAccountWithRedirect(${request});`),
    ]);
    await page.locator("button[value=allow]").click();
    await page.locator("button[value=confirm]").click();
    await page.waitForURL((url) => back(url) && url.search.includes("connect_code"));
    return inPage(page, options, "return client.handleRedirectCallback();");
  },
  async fetchBound({ browser: name, options, path }) {
    const address = JSON.stringify(`https://${AUTH0_DOMAIN}${path}`);
    const line = `
      const fetcher = client.createFetcher({ dpopNonceId: "own" });
      const response = await fetcher.fetchWithAuth(${address});
      return { status: response.status, body: await response.json() };`;
    return inPage(await windowOf(name), options, line);
  },
  async close() {
    await browser.close();
  },
});
