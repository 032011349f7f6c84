import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { type Browser, type BrowserContext, type Page, chromium as playwright } from "playwright-core";

const artifacts = fileURLToPath(new URL("../../artifacts/screens/", import.meta.url));

/**
 * Launch arguments of our own: the package's defaults switch off the same-origin policy and site isolation,
 * and a test under those would prove nothing about cookies, policies or cross-site forms.
 */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
];

/** How long a page may take to show what a test waits for. */
const WAIT_MS = 10_000;

/** A headless Chromium from npm; a clear error names the system library it lacks. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env["BEHALF_TEST_CHROMIUM"] ?? (await chromium.executablePath());
  return playwright.launch({ executablePath, args: ARGUMENTS, headless: true }).catch((error: Error) => {
    const missing = /error while loading shared libraries: ([\w.+-]+)/.exec(error.message)?.[1];
    if (!missing) throw error;
    throw new Error(
      `Chromium needs ${missing}. On Debian or Ubuntu: apt-get install libnss3 libnspr4 libexpat1`,
    );
  });
}

/** A window of its own: cookies, colour scheme, size. */
export async function newWindow(
  browser: Browser,
  options: {
    phone?: boolean;
    dark?: boolean;
    javaScript?: boolean;
    locale?: string;
    /** As a person does who goes on past the browser's warning: for servers with a test's certificate. */
    acceptAnyCertificate?: boolean;
  } = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: options.phone ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    colorScheme: options.dark ? "dark" : "light",
    javaScriptEnabled: options.javaScript ?? true,
    locale: options.locale ?? "en-GB",
    timezoneId: "UTC",
    ignoreHTTPSErrors: options.acceptAnyCertificate ?? false,
    // Pictures are of what is there, not of what is fading in.
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

/** Keeps a picture under `artifacts/screens/<name>.png`: the whole page, or what the window shows of it. */
export async function screenshot(page: Page, name: string, part: "page" | "window" = "page"): Promise<void> {
  const path = `${artifacts}${name}.png`;
  mkdirSync(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: part === "page" });
}
