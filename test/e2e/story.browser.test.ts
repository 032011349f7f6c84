import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchChromium, newWindow, screenshot } from "../support/chromium.ts";
import { type DemoPrograms, startDemo } from "../support/demo.ts";
import { PASSWORD } from "../support/person.ts";

/** Answers may wait for the interval at which approvals are looked for. */
const ANSWER_MS = 20_000;

/** The story of the assistant on the screen, as a person sees it; each page is kept as a picture. */
describe("the assistant in Chromium", () => {
  let browser: Browser;
  let demo: DemoPrograms;
  let folder: string;
  let context: BrowserContext;
  let page: Page;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "behalf-story-"));
    [browser, demo] = await Promise.all([launchChromium(), startDemo(folder)]);
    context = await newWindow(browser);
    page = await context.newPage();
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function say(text: string): Promise<void> {
    await page.getByPlaceholder("Ask, or say what to buy").fill(text);
    // Nothing is sent while an answer is still being written.
    await page.locator("button.send:enabled").click({ timeout: ANSWER_MS });
  }

  const see = (text: string | RegExp) => page.getByText(text).last().waitFor({ timeout: ANSWER_MS });

  /** The window that a click opens. */
  async function windowOf(click: () => Promise<void>): Promise<Page> {
    const opened = context.waitForEvent("page");
    await click();
    const popup = await opened;
    await popup.waitForLoadState();
    return popup;
  }

  it("begins with a page that says what it is, and a sign-up", async () => {
    await page.goto(demo.assistantUrl);
    await screenshot(page, "story-01-landing");
    await page.getByRole("link", { name: "Create an account" }).first().click();
    await page.getByLabel("Your name").fill("Anne Example");
    await page.getByLabel("E-mail address").fill("anne@example.com");
    await page.getByLabel("Password").fill(PASSWORD);
    await screenshot(page, "story-02-sign-up");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByPlaceholder("Ask, or say what to buy").waitFor();
    await screenshot(page, "story-03-welcome", "window");
  });

  it("knows who the person is", async () => {
    await say("Who am I?");
    await see(/anne@example\.com/);
    await see(/script/i);
  });

  it("asks to connect the calendar, and reads it by itself afterwards", async () => {
    await say("What is on my calendar this week?");
    const connect = page.getByRole("link", { name: "Connect calendar" });
    await connect.waitFor({ timeout: ANSWER_MS });
    await screenshot(page, "story-04-connect", "window");
    const popup = await windowOf(() => connect.click());
    await popup.getByRole("button", { name: "Allow" }).waitFor();
    await screenshot(popup, "story-05-calendar");
    await popup.getByRole("radio").first().check();
    await popup.getByRole("button", { name: "Allow" }).click();
    await popup.getByRole("button", { name: "Connect" }).waitFor();
    await screenshot(popup, "story-06-confirm");
    const closed = popup.waitForEvent("close");
    await popup.getByRole("button", { name: "Connect" }).click();
    await closed;
    await page.getByText("Read your calendar").waitFor({ timeout: ANSWER_MS });
    await see(/Brunch|next 7 days/);
    await screenshot(page, "story-07-events", "window");
  });

  it("buys only what the person approved, once", async () => {
    await say("Buy a kettle");
    const review = page.getByRole("link", { name: "Review and answer" });
    await review.waitFor({ timeout: ANSWER_MS });
    await page.getByText(/39\.90/).waitFor();
    await screenshot(page, "story-08-approval-needed", "window");
    const popup = await windowOf(() => review.click());
    assert.match((await popup.textContent("main")) ?? "", /39\.90/);
    await screenshot(popup, "story-09-approval");
    await popup.getByRole("button", { name: "Approve" }).click();
    await popup.getByText("You approved this request").waitFor();
    await popup.close();
    await see(/Approved by you and ordered/);
    await screenshot(page, "story-10-bought", "window");
    const response = await fetch(`${demo.shopUrl}/_sandbox/orders`);
    assert.equal((await response.json()).count, 1);
  });

  it("takes no for an answer", async () => {
    await say("Buy a backpack");
    const review = page.getByRole("link", { name: "Review and answer" });
    await review.waitFor({ timeout: ANSWER_MS });
    const popup = await windowOf(() => review.click());
    await popup.getByRole("button", { name: "Deny" }).click();
    await popup.getByText("You denied this request").waitFor();
    await popup.close();
    await see("Nothing was bought.");
    await screenshot(page, "story-11-denied", "window");
  });

  it("answers from documents, and names them", async () => {
    await say("What does the travel policy say about hotels?");
    await page.getByRole("list", { name: "Documents that were read" }).last().waitFor({ timeout: ANSWER_MS });
    await screenshot(page, "story-12-documents", "window");
  });

  it("looks right on a phone and in the dark", async () => {
    for (const [name, options] of [
      ["story-13-phone", { phone: true }],
      ["story-14-phone-dark", { phone: true, dark: true }],
      ["story-15-dark", { dark: true }],
    ] as const) {
      const other = await newWindow(browser, options);
      await other.addCookies(await context.cookies());
      const window = await other.newPage();
      await window.goto(page.url());
      await window.getByPlaceholder("Ask, or say what to buy").waitFor();
      await screenshot(window, name, "window");
      const overflow = await window.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
      await other.close();
    }
  });

  it("keeps the conversation over a reload, and lets the person out", async () => {
    await page.reload();
    await see(/Approved by you and ordered/);
    await page.getByLabel("Anne Example").click();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Create an account" }).first().waitFor();
    await screenshot(page, "story-16-logged-out");
  });
});
