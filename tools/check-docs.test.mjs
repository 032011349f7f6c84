import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const tool = fileURLToPath(new URL("./check-docs.mjs", import.meta.url));

/** Runs the check over a tree of planted files. */
function check(files) {
  const folder = mkdtempSync(join(tmpdir(), "behalf-docs-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const { status, stderr } = spawnSync(process.execPath, [tool, folder], { encoding: "utf8" });
    return { status, stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const errors = '{"a.b":{},"c":{}}';
const config =
  'export const configKeys = () => ["issuer", "clients", "clients[].id", "clients[].apis", "clients[].apis.*.scopes"];';
const example =
  "before\n  // #region one\n  const a = 1;\n\n    a;\n  // #endregion\nafter\n// #region open\n";
const shown = "```ts src/a.ts#one\nconst a = 1;\n\n  a;\n```\n";
const whole = {
  "README.md":
    "[errors](docs/errors.md) [one](docs/errors.md#all-of-them) [web](https://example.com/x) [top](#behalf)\n# Behalf",
  "docs/errors.md": "# Errors\n## All of `them`!\n| `a.b` |\n| `c` |\n",
  "docs/config.md":
    "| `issuer` | x |\n| `clients` | x |\n| `clients[].id` | x |\n| `clients[].apis` | x |\n| `clients[].apis.*.scopes` | x |\n",
  "docs/start.md": `${shown}\`\`\`yaml\nclients:\n  - id: a\n    apis: { "https://x/": { scopes: [y] } }\n\`\`\`\n`,
  "src/a.ts": example,
  "spec/errors.json": errors,
  "packages/server/src/config.ts": config,
  "package.json": '{"dependencies":{"jose":"6","@behalf/sdk":"1"},"devDependencies":{"@x/y":"1"}}',
  "docs/guides/security.md": "| `CVE-2026-1` | `src/a.test.ts` |\n",
  "src/a.test.ts": 'it("Maker CVE-2026-1: is refused", () => {});',
  "docs/adr/2026-01-02-jose.md": "# jose, @x/y: signatures\n",
};

describe("check-docs", () => {
  it("passes a tree in which everything is written about", () => {
    const { status, stderr } = check(whole);
    assert.equal(status, 0, stderr);
  });

  const broken = [
    [
      "a link that leads nowhere",
      "README.md",
      "[x](docs/none.md)",
      /README\.md: the link "docs\/none\.md" leads nowhere/,
    ],
    ["an anchor without heading", "README.md", "[x](docs/errors.md#none)", /has no heading for "#none"/],
    ["a configuration key nobody explains", "docs/config.md", "| `issuer` |", /no word of "clients\[\]\.id"/],
    [
      "a key that does not exist",
      "docs/config.md",
      `${whole["docs/config.md"]}| \`port\` |\n`,
      /"port" is no key/,
    ],
    ["an error code nobody explains", "docs/errors.md", "## All of them\n`a.b`", /no word of "c"/],
    [
      "a code that does not exist",
      "docs/errors.md",
      `${whole["docs/errors.md"]}| \`d\`   |\n`,
      /"d" is not in spec/,
    ],
    [
      "a dependency without record",
      "docs/adr/2026-01-02-jose.md",
      "# jose: x",
      /no record of @x\/y \(package\.json\)/,
    ],
    [
      "a record that names it in its text alone",
      "docs/adr/2026-01-02-jose.md",
      "# @x/y: x\njose",
      /no record of jose/,
    ],
    ["a record without date", "docs/adr/jose.md", "# x", /call it YYYY-MM-DD/],
    [
      "code that differs from its region",
      "docs/start.md",
      shown.replace("a = 1", "a = 2"),
      /docs\/start\.md:1: the block differs from region "one" of src\/a\.ts/,
    ],
    ["a region that is not there", "docs/start.md", shown.replace("#one", "#two"), /no region "two"/],
    ["a region that does not end", "docs/start.md", "```ts src/a.ts#open\n```\n", /no region "open"/],
    ["a file that is not there", "docs/start.md", shown.replace("a.ts", "b.ts"), /no file "src\/b\.ts"/],
    [
      "code without a source",
      "docs/start.md",
      "x\n\n```ts\na;\n```\n",
      /start\.md:3: code without its source/,
    ],
    [
      "a key in an example that does not exist",
      "docs/start.md",
      "```yaml\nclients: [{ id: a, ids: b }]\n```\n",
      /"clients\[\]\.ids" is no key/,
    ],
    [
      "a key under a name of one's choice that does not exist",
      "docs/start.md",
      '```yaml\nclients: [{ apis: { "https://x/": { scope: y } } }]\n```\n',
      /"clients\[\]\.apis\.\*\.scope" is no key/,
    ],
    [
      "an advisory that no test has in its title",
      "src/a.test.ts",
      '// CVE-2026-1\nit("Maker CVE-2026-10: is refused", () => {});',
      /no test of src\/a\.test\.ts has CVE-2026-1 in its title/,
    ],
    ["an example that is no YAML", "docs/start.md", "```yaml\na: [\n```\n", /start\.md:1: /],
  ];
  for (const [name, path, text, message] of broken)
    it(`names ${name}`, () => {
      const { status, stderr } = check({ ...whole, [path]: text });
      assert.equal(status, 1);
      assert.match(stderr, message);
    });

  it("takes what looks like a link inside code as code", () => {
    const text = "`[x](none.md)`\n```\n[x](none.md)\n```\n";
    assert.equal(check({ ...whole, "README.md": `${whole["README.md"]}\n${text}` }).status, 0);
  });

  it("names everything at once", () => {
    const { stderr } = check({ ...whole, "README.md": "[x](none.md)", "docs/errors.md": "## All of them" });
    assert.match(stderr, /^3 thing\(s\) missing/);
  });
});
