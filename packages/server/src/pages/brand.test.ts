import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { html } from "hono/html";
import { type Brand, brandOf, brandStyles, DEFAULT_BRAND, withBrand } from "./brand.ts";
import { contrast, inkOn } from "./colours.ts";
import { languageOf } from "./languages/index.ts";
import { renderPage } from "./layout.ts";

const LOGO = "data:image/png;base64,iVBORw0KGgo=";
const YELLOW = { main: "#ffd400", mainDark: "#ffe680" };
/** Each of 17 × 17 × 17 colours. */
function* colours(): Generator<string> {
  const steps = Array.from({ length: 17 }, (_, i) =>
    Math.min(i * 16, 255)
      .toString(16)
      .padStart(2, "0"),
  );
  for (const red of steps)
    for (const green of steps) for (const blue of steps) yield `#${red}${green}${blue}`;
}
const render = (brand: Brand) =>
  withBrand(brand, () =>
    renderPage({ language: languageOf("en"), title: "Log in", body: html`<h1>Log in</h1>` }),
  );
const policyOf = (page: Response) => page.headers.get("content-security-policy") ?? "";

describe("a brand", () => {
  it("cannot have a colour that no text can be read on", () => {
    for (const colour of colours()) assert.ok(contrast(inkOn(colour), colour) >= 4.5, colour);
  });

  it("has links that can be read on every page, whatever its colour", () => {
    for (const colour of colours()) {
      const styles = brandStyles({ name: "X", colours: { main: colour, mainDark: colour } });
      const [light = "", dark = ""] = [...styles.matchAll(/--link: (#[0-9a-f]{6});/g)].map(
        (match) => match[1] ?? "",
      );
      for (const back of ["#ffffff", "#f3f4f7", "#eef1f7"])
        assert.ok(contrast(light, back) >= 4.5, `${colour} light`);
      for (const back of ["#1a1d24", "#101217", "#232833"])
        assert.ok(contrast(dark, back) >= 4.5, `${colour} dark`);
    }
  });

  it("stands in the title and above the page, escaped", async () => {
    const text = await (await render({ name: "Acme <b>& Sons" })).text();
    assert.match(text, /<title>Log in · Acme &lt;b&gt;&amp; Sons<\/title>/);
    assert.doesNotMatch(text, /Behalf|<b>/);
  });

  it("allows its own style by hash and pictures in the page alone, and these only where there are any", async () => {
    const plain = await render(DEFAULT_BRAND);
    assert.doesNotMatch(policyOf(plain), /img-src|unsafe|https?:/);
    const page = await render({ name: "Acme", logo: LOGO, favicon: LOGO, colours: YELLOW });
    const text = await page.text();
    const styles = [...text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((match) => match[1] ?? "");
    assert.equal(styles.length, 2);
    for (const style of styles)
      assert.ok(policyOf(page).includes(`'sha256-${createHash("sha256").update(style).digest("base64")}'`));
    assert.match(policyOf(page), /; img-src data:;/);
    assert.doesNotMatch(policyOf(page), /unsafe|https?:/);
    assert.match(text, new RegExp(`<img src="${LOGO}" alt="">`));
    assert.match(text, /--main: #ffd400; --main-ink: #000000;/);
  });

  it("goes with its own requests and no others", async () => {
    const names = await Promise.all(
      ["Acme", "Globex"].map((name) =>
        withBrand({ name }, async () => {
          await new Promise((resolve) => setImmediate(resolve));
          const page = await renderPage({ language: languageOf("en"), title: "T", body: html`` });
          return /<title>T · (\w+)</.exec(await page.text())?.[1];
        }),
      ),
    );
    assert.deepEqual(names, ["Acme", "Globex"]);
  });

  it("gives way to an organization's name, logo and colour, and never lends its logo", () =>
    withBrand({ name: "Acme", logo: LOGO, colours: YELLOW }, () => {
      const plain = brandOf({ displayName: "North Bakery", branding: {} });
      assert.deepEqual([plain.name, plain.logo, plain.colours], ["North Bakery", undefined, YELLOW]);
      const own = brandOf({ displayName: "North Bakery", branding: { logo: LOGO, colour: "#112233" } });
      assert.deepEqual([own.logo, own.colours?.main], [LOGO, "#112233"]);
      // From before pictures had to be in the page.
      const elsewhere = brandOf({
        displayName: "N",
        branding: { logo: "https://elsewhere.example/logo.png" },
      });
      assert.equal(elsewhere.logo, undefined);
    }));
});
