import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { launchChromium, newWindow, screenshot } from "../support/chromium.ts";
import { PASSWORD, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

/** Passkeys as a person meets them: Chromium with an authenticator that the test controls, under the pages' own policy. */
describe("passkeys in Chromium", () => {
  let browser: Browser;
  let server: TestServer;

  before(async () => {
    browser = await launchChromium();
    server = await startTestServer();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** A window whose device recognises its person, or does not. */
  async function openDevice(options: { phone?: boolean; dark?: boolean; locale?: string } = {}) {
    const context = await newWindow(browser, options);
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("console", (message) => {
      // A refused log-in is an answer that Chromium reports as well.
      if (message.type() === "error" && !/status of 40[01]/.test(message.text()))
        problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return { context, page, cdp, authenticatorId, problems };
  }

  /** Keys as a synced keeper would bring them to another window. */
  async function copyKeys(
    from: { cdp: CDPSession; authenticatorId: string },
    to: { cdp: CDPSession; authenticatorId: string },
  ): Promise<void> {
    const { credentials } = await from.cdp.send("WebAuthn.getCredentials", {
      authenticatorId: from.authenticatorId,
    });
    for (const credential of credentials)
      await to.cdp.send("WebAuthn.addCredential", { authenticatorId: to.authenticatorId, credential });
  }

  const recognise = (device: { cdp: CDPSession; authenticatorId: string }, isUserVerified: boolean) =>
    device.cdp.send("WebAuthn.setUserVerified", {
      authenticatorId: device.authenticatorId,
      isUserVerified,
    });

  async function signUpWithPasskey(page: Page, email: string): Promise<void> {
    await page.goto(`${server.url}signup`);
    await page.getByLabel("Your name").fill("Anne Example");
    await page.getByLabel("E-mail address").fill(email);
    await page.getByRole("button", { name: "Sign up with a passkey" }).click();
    await page.waitForURL("**/approvals");
  }

  const cookiesOf = (context: BrowserContext) => context.cookies(server.url);

  it("sign somebody up without a password, and log in from the list under the e-mail field", async () => {
    const device = await openDevice({ phone: true });
    const { page } = device;
    await page.goto(`${server.url}signup`);
    await screenshot(page, "passkey-sign-up-phone");
    await page.getByRole("button", { name: "Sign up with a passkey" }).click();
    assert.equal(new URL(page.url()).pathname, "/signup", "the name is asked for first");
    await signUpWithPasskey(page, "anne@example.com");
    assert.deepEqual(device.problems, []);

    const second = await openDevice();
    await copyKeys(device, second);
    // The virtual authenticator chooses from the list at once.
    await second.page.goto(`${server.url}login`);
    await second.page.waitForURL("**/approvals");
    assert.ok((await cookiesOf(second.context)).some(({ name }) => name.endsWith("session")));
    assert.deepEqual(second.problems, []);
    await device.context.close();
    await second.context.close();
  });

  it("log in by the button, say in words what went wrong, and go on afterwards", async () => {
    const device = await openDevice();
    const { page } = device;
    await signUpWithPasskey(page, "ben@example.com");
    await page.goto(`${server.url}logout`);
    await page.getByRole("button", { name: "Log out" }).click();
    await recognise(device, false);
    await page.goto(`${server.url}login`);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match((await alert.textContent()) ?? "", /cancelled/);
    await screenshot(page, "passkey-cancelled");
    await recognise(device, true);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await page.waitForURL("**/approvals");
    assert.deepEqual(device.problems, []);
    await device.context.close();
  });

  it("refuse a passkey that was removed, and offer the other ways", async () => {
    const device = await openDevice();
    const { page } = device;
    await signUpWithPasskey(page, "removed@example.com");
    await server.services.storage.db<{ passkeys: object }>().deleteFrom("passkeys").execute();
    await page.goto(`${server.url}logout`);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL("**/login/passkey/start");
    assert.match((await page.getByRole("alert").first().textContent()) ?? "", /not accepted/);
    await screenshot(page, "passkey-refused");
    await device.context.close();
  });

  it("are added, used after the password, renamed and removed", async () => {
    const person = await signUp(server.url);
    const device = await openDevice();
    const { page } = device;
    await page.goto(`${server.url}login`);
    await page.getByLabel("E-mail address").fill(person.email);
    await page.keyboard.press("Enter");
    await page.waitForURL(/login\/password/);
    await screenshot(page, "passkey-other-way");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/approvals");

    await page.goto(`${server.url}profile`);
    await page.getByRole("link", { name: "Add a passkey" }).click();
    await screenshot(page, "passkey-add");
    await page.getByRole("button", { name: "Create passkey" }).click();
    await page.waitForURL("**/profile#passkeys");
    await screenshot(page, "passkey-profile");
    await page.getByRole("link", { name: "Add a passkey" }).click();
    await page.getByRole("button", { name: "Create passkey" }).click();
    await page.getByRole("alert").first().waitFor();
    assert.match((await page.locator("[data-problem]").textContent()) ?? "", /already/);

    await page.goto(`${server.url}logout`);
    await recognise(device, false);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL("**/login**");
    await page.getByLabel("E-mail address").fill(person.email);
    await page.keyboard.press("Enter");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL(/login\/passkey/);
    await screenshot(page, "passkey-second-step");
    await recognise(device, true);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await page.waitForURL("**/approvals");

    await page.goto(`${server.url}profile`);
    await page.getByRole("link", { name: /^Change Chrome/ }).click();
    await page.getByLabel("Name of this passkey").fill("Blue key");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "Change Blue key" }).click();
    await screenshot(page, "passkey-change");
    await page.getByRole("button", { name: "Remove this passkey" }).click();
    await page.waitForURL("**/profile#passkeys");
    assert.equal(await page.getByText("Blue key").count(), 0);
    assert.deepEqual(device.problems, []);
    await device.context.close();
  });

  it("are not offered where nothing runs the script, and the page says so in the person's language", async () => {
    const context = await newWindow(browser, { javaScript: false, locale: "ja-JP", phone: true, dark: true });
    const page = await context.newPage();
    await page.goto(`${server.url}login`);
    assert.equal(await page.getByRole("button", { name: "パスキーを使う" }).count(), 0);
    await page.getByRole("textbox").first().fill("nobody@example.com");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "パスキーを使う" }).click();
    await page.getByText("このブラウザーでは").waitFor();
    await screenshot(page, "passkey-without-script-japanese");
    await page.getByRole("link", { name: "パスワード" }).click();
    await page.waitForURL(/login\/password/);
    await context.close();
  });
});
