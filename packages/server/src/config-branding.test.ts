import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ConfigError, parseConfig } from "./config.ts";

const SVG = '<?xml version="1.0"?>\n<!-- ours -->\n<svg xmlns="http://www.w3.org/2000/svg"></svg>';
const PNG = Buffer.from("89504e470d0a1a0a00", "hex");

describe("branding in the configuration", () => {
  let baseDir: string;
  before(() => {
    baseDir = mkdtempSync(join(tmpdir(), "behalf-branding-"));
    writeFileSync(join(baseDir, "logo.svg"), SVG);
    writeFileSync(join(baseDir, "logo.png"), PNG);
    writeFileSync(join(baseDir, "large.png"), Buffer.concat([PNG, Buffer.alloc(65_536)]));
    writeFileSync(join(baseDir, "page.svg"), "<!doctype html><html><svg></svg></html>");
    writeFileSync(join(baseDir, "logo.gif"), "GIF89a");
  });
  after(() => rmSync(baseDir, { recursive: true, force: true }));

  const parse = (branding: unknown) =>
    parseConfig(
      {
        issuer: "http://localhost:4000/",
        storage: "sqlite::memory:",
        rootKey: { env: "ROOT_KEY" },
        branding,
      },
      { env: { ROOT_KEY: Buffer.alloc(32, 7).toString("base64") }, baseDir },
    ).branding;

  it("is ours when nothing is said", () =>
    assert.deepEqual(parse(undefined), {
      name: "Behalf",
      logo: undefined,
      favicon: undefined,
      colours: undefined,
    }));

  it("takes a name, pictures by their content, and colours", () => {
    const colors = { main: "#FFD400" };
    const branding = parse({ name: "Acme", logoFile: "logo.svg", favicon: "logo.png", colors });
    assert.equal(branding.name, "Acme");
    assert.equal(branding.logo, `data:image/svg+xml;base64,${Buffer.from(SVG).toString("base64")}`);
    assert.match(branding.favicon ?? "", /^data:image\/png;base64,/);
    assert.deepEqual(branding.colours, { main: "#FFD400", mainDark: "#FFD400" });
  });

  const wrong: readonly [what: string, branding: object, problem: RegExp][] = [
    [
      "a file that is not there",
      { logoFile: "none.svg" },
      /^branding\.logoFile: the file .*none\.svg cannot be read/,
    ],
    ["a folder", { favicon: "." }, /^branding\.favicon: /],
    ["a picture past 64 KiB", { logoFile: "large.png" }, /^branding\.logoFile: .*more than 64 KiB/],
    ["a page that has an SVG in it", { logoFile: "page.svg" }, /^branding\.logoFile: .*neither SVG nor PNG/],
    ["another kind of picture", { favicon: "logo.gif" }, /^branding\.favicon: .*neither SVG nor PNG/],
    ["a colour by name", { colors: { main: "red" } }, /^branding\.colors\.main: a colour like/],
    ["a colour with more behind it", { colors: { main: "#112233;}" } }, /^branding\.colors\.main: /],
    [
      "a dark colour in three digits",
      { colors: { main: "#112233", mainDark: "#fff" } },
      /^branding\.colors\.mainDark: /,
    ],
    ["no name", { name: "  " }, /^branding\.name: /],
    ["a name past 60 characters", { name: "x".repeat(61) }, /^branding\.name: /],
    ["what is not known", { logo: "https://elsewhere.example/logo.png" }, /^branding: /],
  ];
  for (const [what, branding, problem] of wrong)
    it(`refuses ${what}, and says where it stands`, () =>
      assert.throws(
        () => parse(branding),
        (error) => error instanceof ConfigError && error.problems.some((line) => problem.test(line)),
      ));
});
