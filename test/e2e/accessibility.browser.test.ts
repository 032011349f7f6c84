import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchChromium, screenshot } from "../support/chromium.ts";
import {
  type EveryPageServer,
  everyPage,
  type PageState,
  startEveryPageServer,
} from "../support/every-page.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** WCAG 2.2, levels A and AA, as axe-core names its parts. */
const WCAG = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] };
/** What differs between light and dark, and between sizes. */
const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block", "target-size"] };
const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
/** A desk at 400 %: nothing may need scrolling sideways (WCAG 2.2 success criterion 1.4.10). */
const NARROW = { width: 320, height: 640 };

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What a page is like in the browser. */
interface Observed extends PageState {
  readonly where: string;
  readonly tag: string;
  /** What axe-core found, a line each. */
  readonly findings: readonly string[];
  readonly structure: Awaited<ReturnType<typeof readStructure>>;
  readonly moves: boolean;
  /** Pixels that need scrolling sideways: in a narrow window, and with letters twice as large. */
  readonly sideways: readonly number[];
}

/**
 * Every page a person sees, as the server sent it, in Chromium. The pages allow no script but their own, so their
 * policy is set aside for the auditor, in this browser's windows alone.
 */
describe("every page", () => {
  let world: EveryPageServer;
  let browser: Browser;
  let tab: Page;
  let english: readonly PageState[];
  const observed: Observed[] = [];

  before(async () => {
    [world, browser] = await Promise.all([startEveryPageServer(), launchChromium()]);
    english = await everyPage(world, "en");
    const japanese = await everyPage(world, "ja");
    const other = await openTab(browser);
    tab = await openTab(browser);
    const [left, right] = await Promise.all([
      observeAll(tab, english, "en"),
      observeAll(other, japanese, "ja"),
    ]);
    observed.push(...left, ...right);
    await other.context().close();
  });
  after(async () => {
    await browser?.close();
    await world?.close();
  });

  const state = (name: string) => {
    const found = english.find((entry) => entry.name === name);
    assert.ok(found, name);
    return found;
  };

  it("passes WCAG 2.2 AA in light and dark, on a phone and a desk, in both languages", () => {
    assert.ok(observed.length >= 2 * 50, String(observed.length));
    assert.deepEqual(
      observed.flatMap(({ where, findings }) => findings.map((line) => `${where} ${line}`)),
      [],
    );
  });

  const planted: readonly [rule: string, change: (html: string) => string, dark?: boolean][] = [
    [
      "image-alt",
      (html) => html.replace("<h1>", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><h1>'),
    ],
    ["label", (html) => html.replace("</form>", '<input type="text" name="more"></form>')],
    ["html-has-lang", (html) => html.replace(/<html lang="\w+">/, "<html>")],
    ["document-title", (html) => html.replace(/<title>[^<]*<\/title>/, "")],
    ["button-name", (html) => html.replace(/(<button[^>]*>)[^<]*/, "$1")],
    ["color-contrast", (html) => html.replace("<h1>", '<p style="color:#999;background:#fff">faint</p><h1>')],
    ["color-contrast", (html) => html.replace("</style>", "h1 { color: #16181d !important }</style>"), true],
    [
      "target-size",
      (html) =>
        html.replace(
          "<h1>",
          '<p><button style="all:unset">a</button><button style="all:unset">b</button></p><h1>',
        ),
    ],
  ];
  for (const [rule, change, dark = false] of planted)
    it(`fails with ${rule} planted in it${dark ? ", in the dark alone" : ""}`, async () => {
      await tab.emulateMedia({ colorScheme: dark ? "dark" : "light" });
      const shown = state("log-in-wrong");
      const html = change(shown.page.text);
      assert.notEqual(html, shown.page.text);
      await show(tab, shown, html);
      const found = await audit(tab, dark ? COLOURS : WCAG);
      assert.ok(
        found.some((line) => line.startsWith(`${rule}:`)),
        found.join("\n"),
      );
    });

  it("has one main heading in one main landmark, no level left out, and says its language", () => {
    for (const { structure, tag, where } of observed) {
      const told = `${where}: ${JSON.stringify(structure)}`;
      assert.deepEqual(
        [structure.lang, structure.mains, structure.inMain, structure.unnamed],
        [tag, 1, true, 0],
        told,
      );
      const { heads } = structure;
      assert.equal(heads.filter((level) => level === 1).length, 1, told);
      for (const [i, level] of heads.entries()) assert.ok(level <= (heads[i - 1] ?? 0) + 1, told);
    }
  });

  it("says what went wrong first in its title, at once, and at the field it is about", () => {
    const wrong = observed.filter(({ name }) => /-wrong|-locked|-refused|answered-before/.test(name));
    assert.ok(wrong.length >= 2 * 12, String(wrong.length));
    for (const { structure, where } of wrong) {
      const { title, alert, isDescribed, fields } = structure;
      const told = `${where}: ${JSON.stringify(structure)}`;
      assert.ok(alert !== "" && title.startsWith(alert), told);
      assert.equal(isDescribed, fields > 0, told);
    }
  });

  it("is gone through with the keyboard in the order of reading, and shows where one is", async () => {
    for (const shown of english) {
      await tab.setViewportSize(PHONE);
      await show(tab, shown);
      const order = await tab.evaluate(() => {
        const all = document.querySelectorAll<HTMLElement>("a[href],button,input,select,textarea,summary");
        const reached = [...all].filter(
          (one) => one.tabIndex === 0 && one.checkVisibility() && one.getAttribute("type") !== "hidden",
        );
        for (const [i, one] of reached.entries()) one.dataset["order"] = String(i);
        return reached.length;
      });
      const seen: number[] = [];
      for (let i = 0; i < order + 1; i++) {
        await tab.keyboard.press("Tab");
        const at = await tab.evaluate(() => {
          const one = document.activeElement as HTMLElement | null;
          if (!one || one === document.body) return undefined;
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          const { top, bottom } = one.getBoundingClientRect();
          const shows = outlineStyle === "solid" && Number.parseFloat(outlineWidth) >= 2;
          return {
            order: Number(one.dataset["order"]),
            shows,
            inView: bottom > 0 && top < window.innerHeight,
          };
        });
        if (!at) continue;
        assert.ok(at.shows && at.inView, `${shown.name}: ${JSON.stringify(at)}`);
        seen.push(at.order);
      }
      const once = [...new Set(seen)];
      const first = once.indexOf(0);
      const turned = first > 0 ? [...once.slice(first), ...once.slice(0, first)] : once;
      assert.deepEqual(turned, [...Array(order).keys()], shown.name);
    }
  });

  it("loses nothing at 400 %, nor with letters twice as large", () => {
    for (const { sideways, where } of observed) assert.deepEqual(sideways, [0, 0], `${where} is too wide`);
  });

  it("moves nothing for whoever wants no motion, and says so to nobody else", async () => {
    assert.deepEqual(
      observed.filter(({ moves }) => moves).map(({ where }) => where),
      [],
    );
    await tab.emulateMedia({ reducedMotion: "no-preference" });
    await show(tab, state("log-in"));
    assert.equal(await isMoving(tab), true);
    await tab.emulateMedia({ reducedMotion: "reduce" });
  });

  it("keeps its edges and its QR code under a person's own colours", async () => {
    await tab.emulateMedia({ forcedColors: "active" });
    for (const name of ["log-in", "sign-up-wrong-password", "profile", "approval", "enroll-app-secret"]) {
      await show(tab, state(name));
      await screenshot(tab, `pages/${name}-forced-colors`);
      const flat = await tab.evaluate(() =>
        [
          ...document.querySelectorAll<HTMLElement>(
            "button,.button,input:not([type=hidden]):not([aria-hidden])",
          ),
        ]
          .filter(
            (one) => one.checkVisibility() && Number.parseFloat(getComputedStyle(one).borderTopWidth) === 0,
          )
          .map((one) => one.outerHTML),
      );
      assert.deepEqual(flat, [], name);
    }
    const qr = await tab.evaluate(
      () => getComputedStyle(document.querySelector(".qr") as Element).backgroundColor,
    );
    assert.equal(qr, "rgb(255, 255, 255)");
    await tab.emulateMedia({ forcedColors: "none" });
  });
});

async function openTab(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ bypassCSP: true, reducedMotion: "reduce", viewport: DESK });
  await context.addInitScript({ content: AXE });
  const tab = await context.newPage();
  // What the pages' script asks for while it is audited stays unanswered.
  await tab.route("**", (route) => route.abort());
  return tab;
}

/** Shows what the server sent, with its headers. */
async function show(tab: Page, { page }: PageState, html = page.text): Promise<void> {
  const headers = Object.fromEntries(page.headers);
  for (const name of ["content-length", "content-encoding", "transfer-encoding"]) delete headers[name];
  const address = page.address.split("#")[0] ?? "";
  await tab.route(address, (route) => route.fulfill({ status: page.status, headers, body: html }), {
    times: 1,
  });
  await tab.goto(address);
}

/** What axe-core finds, a line each. */
async function audit(tab: Page, runOnly: object = WCAG): Promise<string[]> {
  const found = await tab.evaluate(
    // The init script has put it there.
    (options) =>
      (globalThis as unknown as { axe: { run(options: object): Promise<unknown> } }).axe.run(options),
    { runOnly, resultTypes: ["violations"] },
  );
  const { violations } = found as { violations: readonly Finding[] };
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
  );
}

/** English on a bright desk and a dark phone, Japanese on a bright phone and a dark desk: each page in all four. */
async function observeAll(tab: Page, states: readonly PageState[], tag: "en" | "ja"): Promise<Observed[]> {
  const [first, second] = tag === "en" ? [DESK, PHONE] : [PHONE, DESK];
  const all: Observed[] = [];
  for (const state of states) {
    await tab.emulateMedia({ colorScheme: "light" });
    await tab.setViewportSize(first);
    await show(tab, state);
    const findings = await audit(tab);
    const structure = await tab.evaluate(readStructure);
    const moves = await isMoving(tab);
    await screenshot(tab, `pages/${state.name}-${tag}`);
    await tab.emulateMedia({ colorScheme: "dark" });
    await tab.setViewportSize(second);
    findings.push(...(await audit(tab, COLOURS)));
    if (tag === "en") await screenshot(tab, `pages/${state.name}-${tag}-phone-dark`);
    await tab.setViewportSize(NARROW);
    const narrow = await sideways(tab);
    await tab.setViewportSize(PHONE);
    await tab.evaluate(() => document.documentElement.style.setProperty("font-size", "200%"));
    const large = await sideways(tab);
    const where = `${state.name} (${tag})`;
    all.push({ ...state, where, tag, findings, structure, moves, sideways: [narrow, large] });
  }
  return all;
}

/** Runs in the page. */
function readStructure() {
  const alert = document.querySelector('[role="alert"]:not([hidden])');
  const field = document.querySelector('[aria-invalid="true"]');
  return {
    title: document.title,
    lang: document.documentElement.lang,
    mains: document.querySelectorAll("main").length,
    heads: [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((head) => Number(head.tagName[1])),
    inMain: document.querySelector("main h1") !== null,
    unnamed: document.querySelectorAll("nav:not([aria-label])").length,
    alert: alert?.textContent ?? "",
    isDescribed: alert !== null && field?.getAttribute("aria-describedby") === alert.id,
    fields: document.querySelectorAll('input:not([type="hidden"]):not([aria-hidden])').length,
  };
}

const sideways = (tab: Page) => tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

const isMoving = (tab: Page) =>
  tab.evaluate(() =>
    [...document.querySelectorAll("*")].some((one) => {
      const { transitionDuration, animationName } = getComputedStyle(one);
      return transitionDuration !== "0s" || animationName !== "none";
    }),
  );
