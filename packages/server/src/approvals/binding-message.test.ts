import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bindingMessageProblem } from "./binding-message.ts";

describe("binding message", () => {
  for (const message of [
    "a",
    "x".repeat(64),
    "Buy 2 lamps, total: 49.90 EUR - order #A12?",
    "Don't wait!",
    "Versand an Müller+Söhne_1",
    "ランプを2個購入します。よろしいですか？",
    "Перевести 100 руб.",
    "W1-3.5",
    "𠮷野家で注文",
  ])
    it(`takes ${JSON.stringify(message)}`, () => {
      assert.equal(bindingMessageProblem(message), undefined);
    });

  for (const [what, message, problem] of [
    ["is empty", "", /empty/],
    ["has 65 characters", "x".repeat(65), /65 characters/],
    ["has 65 characters beyond the basic plane", "𠮷".repeat(65), /65 characters/],
    ["holds a line feed", "Buy\na lamp", /letters, digits/],
    ["holds NUL", "Buy\u0000", /letters, digits/],
    ["holds a right-to-left override", "Pay \u202e001", /letters, digits/],
    ["holds a bidirectional isolate", "Pay \u2066100\u2069", /letters, digits/],
    ["holds a zero-width space", "Buy\u200blamp", /letters, digits/],
    ["holds a letter without a shape", "Buy\u3164lamp", /letters, digits/],
    ["holds a combining joiner", "Buy a\u034f", /letters, digits/],
    ["stacks marks", "a\u0301\u0302\u0303\u0304", /letters, digits/],
    ["holds a no-break space", "Buy\u00a0lamp", /letters, digits/],
    ["holds markup", "<b>Buy</b>", /letters, digits/],
    ["ends the quotation", 'Buy" Approved', /letters, digits/],
    ["holds an emoji", "Buy \u{1f4a1}", /letters, digits/],
    ["holds a slash", "a/b", /letters, digits/],
    ["holds a lone surrogate", "Buy \ud800", /letters, digits/],
    ["holds punctuation only", "?!.. ", /no letter/],
    ["names a host", "Log in at evil.example now", /address/],
    ["names a host after www", "www.例え", /address/],
    ["names a host with a full-width stop", "evil．example", /letters, digits/],
    ["names a host with an ideographic stop", "evil。example", /address/],
    ["names a host in full-width letters", "ｅｖｉｌ.ｃｏｍ", /address/],
    ["names a host of another script", "пример.рф", /address/],
    ["is an IP address", "Go to 192.0.2.7", /address/],
    ["has a scheme", "javascript:alert", /address/],
    ["has a scheme in capitals", "HTTPS:shop", /address/],
  ] as const)
    it(`refuses a message that ${what}`, () => {
      assert.match(bindingMessageProblem(message) ?? "taken", problem);
    });
});
