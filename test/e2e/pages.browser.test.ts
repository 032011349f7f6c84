import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchChromium, newWindow, screenshot } from "../support/chromium.ts";
import { logIn, PASSWORD, signUp } from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import {
  type CalendarProvider,
  completeConnect,
  startCalendar,
  startConnect,
  startVaultServer,
} from "../support/vault.ts";

const PURCHASE = {
  type: "purchase",
  item: "Espresso machine",
  quantity: 1,
  amount: "249.00",
  currency: "EUR",
};

/** Every page a person sees, in a real browser without JavaScript, each kept as a picture. */
describe("the server's pages in Chromium", () => {
  let browser: Browser;
  let server: TestServer;

  before(async () => {
    browser = await launchChromium();
    server = await startTestServer((config) => {
      const [, other] = config["clients"] as { apis: object; agent: { purpose: string } }[];
      if (other) {
        other.apis = { [SHOP]: { scopes: ["orders:read", "orders:create"] } };
        other.agent.purpose = "Compares prices and orders what you ask for.";
      }
    });
  });
  after(async () => {
    await browser.close();
    await server.close();
  });

  async function open(options: Parameters<typeof newWindow>[1], path: string): Promise<Page> {
    const context = await newWindow(browser, { javaScript: false, ...options });
    const page = await context.newPage();
    await page.goto(new URL(path, server.url).href);
    return page;
  }

  async function fillSignUp(page: Page, email: string): Promise<void> {
    await page.goto(`${server.url}signup`);
    await page.getByLabel("Your name").fill("Anne Example");
    await page.getByLabel("E-mail address").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.waitForURL("**/approvals");
  }

  function authorizeAddress(params: Record<string, string> = {}): string {
    const query = new URLSearchParams({
      client_id: "assistant",
      response_type: "code",
      scope: "openid",
      redirect_uri: `${APP_URL}/auth/callback`,
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
      ...params,
    });
    return `${server.url}authorize?${query}`;
  }

  async function ask(email: string, params: Record<string, string> = {}): Promise<void> {
    const user = await server.services.storage
      .db<{ users: { id: string; email_key: string } }>()
      .selectFrom("users")
      .select("id")
      .where("email_key", "=", email)
      .executeTakeFirstOrThrow();
    const response = await fetch(`${server.url}bc-authorize`, {
      method: "POST",
      body: new URLSearchParams({
        client_id: "assistant",
        client_secret: TEST_SECRET,
        scope: "openid orders:create",
        audience: SHOP,
        login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: user.id }),
        binding_message: "Espresso machine for the office",
        authorization_details: JSON.stringify([PURCHASE]),
        ...params,
      }),
    });
    assert.equal(response.status, 200, await response.text());
  }

  it("show log-in and sign-up on a phone and a desk, light and dark, in both languages", async () => {
    for (const [name, options] of Object.entries({
      "login-desktop": {},
      "login-phone": { phone: true },
      "login-phone-dark": { phone: true, dark: true },
      "login-japanese": { locale: "ja-JP" },
    })) {
      const page = await open(options, "login");
      await screenshot(page, name);
      await page.getByRole("textbox").first().fill("nobody@example.com");
      await page.keyboard.press("Enter");
      await page.waitForURL(/login\/password/);
      await screenshot(page, `${name}-password`);
      assert.equal(await page.locator(":focus").getAttribute("name"), "password");
      await page.context().close();
    }
    const page = await open({ phone: true }, "signup");
    await screenshot(page, "signup-phone");
    assert.equal(await page.locator(":focus").getAttribute("name"), "name", "the first field takes the text");
    await page.context().close();
  });

  it("say that a password is wrong beside the form, and keep the address", async () => {
    const page = await open({}, "login");
    await page.getByLabel("E-mail address").fill("nobody@example.com");
    await page.keyboard.press("Enter");
    await page.getByLabel("Password").fill("not the password");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    assert.ok(await page.getByText("nobody@example.com").isVisible());
    await screenshot(page, "login-wrong");
    await page.context().close();
  });

  it("lead from log-in through consent back to the app", async () => {
    const page = await open({}, "login");
    await fillSignUp(page, "consent-browser@example.com");
    const scope = "openid profile email offline_access orders:create";
    const target = authorizeAddress({ client_id: "other", audience: SHOP, scope });
    await page.goto(target);
    assert.match((await page.textContent("h1")) ?? "", /Allow Other agent\?/);
    await screenshot(page, "consent");
    const back = page.waitForRequest((request) => request.url().startsWith(APP_URL));
    await page.getByRole("button", { name: "Allow" }).click();
    assert.ok(new URL((await back).url()).searchParams.get("code"));
    await page.context().close();
  });

  it("show an empty inbox, a waiting request, its details, and the answer", async () => {
    const email = "inbox-browser@example.com";
    const page = await open({ phone: true }, "login");
    await fillSignUp(page, email);
    await screenshot(page, "inbox-empty-phone");
    await ask(email);
    await page.goto(`${server.url}approvals`);
    await screenshot(page, "inbox-phone");
    await page.locator('a[href*="/approvals/apr_"]').first().click();
    await screenshot(page, "approval-phone");
    assert.match((await page.textContent("main")) ?? "", /249/);
    await page.getByRole("button", { name: "Approve" }).click();
    await screenshot(page, "approval-approved-phone");
    await page.context().close();
  });

  it("show an approval on a desk, in the dark and in Japanese", async () => {
    const email = "desk-browser@example.com";
    const context = await newWindow(browser, { javaScript: false, dark: true });
    const page = await context.newPage();
    await fillSignUp(page, email);
    await ask(email);
    await page.goto(`${server.url}approvals`);
    await page.locator('a[href*="/approvals/apr_"]').first().click();
    await screenshot(page, "approval-desktop-dark");
    await page.goto(`${page.url()}?lang=ja`);
    await screenshot(page, "approval-japanese");
    await page.getByRole("button").first().waitFor();
    await context.close();
  });

  it("ask before logging out, and say when it is done", async () => {
    const page = await open({}, "login");
    await fillSignUp(page, "logout-browser@example.com");
    const wait = page.waitForRequest((request) => request.url().startsWith(APP_URL));
    await page.goto(authorizeAddress()).catch(() => undefined); // Nobody listens at the app's address.
    await wait;
    await page.waitForURL("chrome-error://**");
    await page.goto(`${server.url}oidc/logout`);
    await screenshot(page, "logout");
    await page.getByRole("button", { name: "Log out" }).click();
    await screenshot(page, "logged-out");
    assert.match((await page.textContent("h1")) ?? "", /logged out/i);
    await page.context().close();
  });

  it("say what went wrong with a request that cannot be used", async () => {
    const page = await open({}, "authorize?client_id=unknown&response_type=code");
    await screenshot(page, "error");
    assert.match((await page.textContent("main")) ?? "", /Reference: req_/);
    await page.context().close();
  });

  it("have no text that is cut off or pushed off a narrow phone", async () => {
    for (const path of ["login", "signup"]) {
      const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
      const page = await context.newPage();
      await page.goto(new URL(path, server.url).href);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${path} is ${overflow} px too wide`);
      await context.close();
    }
  });

  it("can be used with the keyboard alone", async () => {
    const page = await open({ javaScript: true }, "login");
    const seen: string[] = [];
    for (let i = 0; i < 8; i++) {
      seen.push(
        await page.evaluate(
          () => document.activeElement?.getAttribute("name") ?? document.activeElement?.textContent ?? "",
        ),
      );
      await page.keyboard.press("Tab");
    }
    assert.ok(
      seen.includes("email") && !seen.includes("password") && seen.some((text) => text.includes("Continue")),
      seen.join(),
    );
    await page.context().close();
  });
});

/** The connect pages, with the calendar's own page between them. */
describe("connecting an account in Chromium", () => {
  it("shows which account goes to which agent, lists it, and lets it go again", async () => {
    const browser = await launchChromium();
    let calendar: CalendarProvider | undefined;
    const server = await startVaultServer({
      connect: async (callback) => {
        calendar = await startCalendar(callback, { secret: TEST_SECRET });
        return [calendar.connection];
      },
      policies: { assistant: { calendar: ["calendar.read"] } },
      env: { CALENDAR_SECRET: TEST_SECRET },
    });
    try {
      const person = await signUp(server.url);
      const tokens = await logIn(server.url, person.agent);
      const request = { connection: "calendar", scopes: ["calendar.read"] };
      const started = await startConnect(server.url, tokens.refresh_token ?? "", request);
      const context = await newWindow(browser, { javaScript: false, phone: true });
      const page = await context.newPage();
      await page.goto(started.link);
      await page.getByLabel("E-mail address").fill(person.email);
      await page.keyboard.press("Enter");
      await page.getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("button", { name: "Allow" }).waitFor();
      await screenshot(page, "calendar-phone");
      await page.getByRole("radio").first().check();
      await page.getByRole("button", { name: "Allow" }).click();
      await page.getByRole("button", { name: "Connect" }).waitFor();
      await screenshot(page, "connect-confirm-phone");
      const back = page.waitForRequest((sent) => sent.url().startsWith(APP_URL));
      await page.getByRole("button", { name: "Connect" }).click();
      const completed = await completeConnect(server.url, started, new URL((await back).url()));
      assert.equal(completed.status, 201);
      await page.waitForURL("chrome-error://**");
      await page.goto(`${server.url}accounts`);
      await screenshot(page, "accounts-phone");
      await page.getByRole("button", { name: "Disconnect" }).first().click();
      await screenshot(page, "accounts-empty-phone");
    } finally {
      await browser.close();
      await server.close();
      await calendar?.provider.close();
    }
  });
});
