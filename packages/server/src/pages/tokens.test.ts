import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contrast } from "./colours.ts";
import { styles } from "./tokens.ts";

const [, light = "", dark = ""] =
  /:root \{([^}]*)\}\s*@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}/.exec(styles) ?? [];
const tokensOf = (block: string) =>
  Object.fromEntries(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map(([, name = "", value = ""]) => [name, value]),
  );

describe("the colours of the pages", () => {
  for (const [scheme, block] of Object.entries({ light, dark })) {
    const token = tokensOf(block);
    const least = (wanted: number, front: string, back: string) => {
      const reached = contrast(token[front] ?? "", token[back] ?? "");
      assert.ok(reached >= wanted, `${scheme}: ${front} on ${back} reaches ${reached.toFixed(2)}`);
    };
    it(`let text be read in the ${scheme}: 4.5:1 (WCAG 2.2 success criterion 1.4.3)`, () => {
      for (const ink of ["ink", "ink-soft"])
        for (const back of ["paper", "ground", "quote"]) least(4.5, ink, back);
      for (const ink of ["danger", "good"]) least(4.5, ink, "paper");
      least(4.5, "paper", "danger");
    });
    it(`let fields and where one is be seen in the ${scheme}: 3:1 (WCAG 2.2 success criterion 1.4.11)`, () => {
      for (const edge of ["field", "focus", "danger"])
        for (const back of ["paper", "ground"]) least(3, edge, back);
    });
  }
});
