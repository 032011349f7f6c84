import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { en } from "../pages/languages/en.ts";
import { ja } from "../pages/languages/ja.ts";
import type { AuthorizationDetail } from "./details.ts";
import { factList, formatAmount, labelOf, renderDetail, rowsOfDetail } from "./render.ts";
import { repeatableRandom } from "./testing.ts";

const english = { tag: "en", texts: en };
const japanese = { tag: "ja", texts: ja };

/** Labels and values of a detail as a person reads them. */
function read(detail: AuthorizationDetail, language = english): [string, string][] {
  return rowsOfDetail(detail, language).map(({ label, values }) => [
    label,
    values.map((value) => String(value).replace(/<[^>]*>/g, "")).join(" | "),
  ]);
}

describe("a detail's lines", () => {
  it("name each member in words, the type left to the title", () => {
    assert.deepEqual(read({ type: "purchase", unitPrice: 5, "ship-to": "Anne", gift: true, note: null }), [
      ["Unit price", "5"],
      ["Ship to", "Anne"],
      ["Gift", "Yes"],
      ["Note", "(empty)"],
    ]);
  });

  it("name the usual members in the reader's language", () => {
    assert.deepEqual(read({ type: "mail", recipient: "anne@example.com", urgent: false }, japanese), [
      ["宛先", "anne@example.com"],
      ["Urgent", "いいえ"],
    ]);
  });

  it("name the tool and its arguments for a tool call", () => {
    const detail = { type: "tool_call", tool: "shop.buy", arguments: { item: "Lamp", quantity: 2 } };
    assert.deepEqual(read(detail), [
      ["Tool", "shop.buy"],
      ["Item", "Lamp"],
      ["Quantity", "2"],
    ]);
  });

  it("show the type of an argument that is called type", () => {
    const detail = { type: "tool_call", tool: "shop.buy", arguments: { type: "gift" } };
    assert.deepEqual(read(detail).at(-1), ["Type", "gift"]);
  });

  it("follow objects and arrays, scalars of one array together", () => {
    const detail = {
      type: "purchase",
      items: [{ name: "Lamp" }, { name: "Desk", sizes: [1, "2"] }],
      tags: [],
      rest: {},
    };
    assert.deepEqual(read(detail), [
      ["Items 1 › Name", "Lamp"],
      ["Items 2 › Name", "Desk"],
      ["Items 2 › Sizes", "1 | 2"],
      ["Tags", "(empty)"],
      ["Rest", "(empty)"],
    ]);
  });

  it("keep the real names of two members that read alike", () => {
    assert.deepEqual(read({ type: "purchase", totalCost: 1, total_cost: 100 }), [
      ["totalCost", "1"],
      ["total_cost", "100"],
    ]);
  });

  it("are not misled by names that every object inherits", () => {
    assert.deepEqual(read({ type: "purchase", constructor: "a", toString: "b" }), [
      ["Constructor", "a"],
      ["To string", "b"],
    ]);
    assert.equal(labelOf("constructor", ja), "Constructor");
  });

  it("format amounts where the object, or one around it, names a currency", () => {
    const detail = {
      type: "purchase",
      currency: "EUR",
      items: [{ price: "49.90", quantity: 2 }],
      total: 99.8,
    };
    assert.deepEqual(read(detail), [
      ["Currency", "EUR"],
      ["Items 1 › Price", "€49.90"],
      ["Items 1 › Quantity", "2"],
      ["Total", "€99.80"],
    ]);
    assert.deepEqual(read({ type: "purchase", currency: "JPY", total: 1980 }, japanese).at(-1), [
      "合計",
      "￥1,980",
    ]);
  });

  it("leave amounts as they are without a currency, with a false one, or when they are no plain number", () => {
    assert.deepEqual(read({ type: "purchase", total: 5 }), [["Total", "5"]]);
    assert.deepEqual(read({ type: "purchase", currency: "eur", total: 5 }).at(-1), ["Total", "5"]);
    assert.deepEqual(read({ type: "purchase", currency: "EUR", total: "5 or 500" }).at(-1), [
      "Total",
      "5 or 500",
    ]);
    assert.deepEqual(read({ type: "purchase", currency: "EUR", total: "" }).at(-1), ["Total", "(empty)"]);
  });

  it("apply a currency to its own object, not to the one beside it", () => {
    const detail = { type: "purchase", fee: { currency: "EUR", amount: 5 }, other: { amount: 5 } };
    assert.deepEqual(
      read(detail).map(([, value]) => value),
      ["EUR", "€5.00", "5"],
    );
  });
});

describe("amounts", () => {
  for (const [value, currency, tag, shown] of [
    ["49.90", "EUR", "en", "€49.90"],
    [49.9, "EUR", "en", "€49.90"],
    [5, "USD", "en", "$5.00"],
    [5, "CAD", "en", "CA$5.00"],
    ["1234567.5", "USD", "ja", "$1,234,567.50"],
    ["1980", "JPY", "ja", "￥1,980"],
    ["-5", "USD", "en", "-$5.00"],
    ["19.999", "USD", "en", "$19.999"],
    ["0.5", "JPY", "en", "¥0.5"],
    ["999999999999999.99", "USD", "en", "$999,999,999,999,999.99"],
  ] as const)
    it(`shows ${JSON.stringify(value)} ${currency} as ${shown}, every digit kept`, () => {
      assert.equal(formatAmount(value, currency, tag), shown);
    });

  for (const value of ["1e3", 1e21, "0x10", "1,000", " 5", "5 ", "05", "", "٥", "5.", ".5", "5\u202e"])
    it(`does not take ${JSON.stringify(value)} for an amount`, () => {
      assert.equal(formatAmount(value, "EUR", "en"), undefined);
    });
});

describe("a detail as HTML", () => {
  const render = (detail: AuthorizationDetail) =>
    String(renderDetail(detail, english, { purchase: { title: "Purchase" } }));

  it("has the API's title for the type, and the exact data below", () => {
    const page = render({ type: "purchase", item: "<Lamp>" });
    assert.match(page, /<h3><bdi>Purchase<\/bdi><\/h3>/);
    assert.match(
      page,
      /<dt class="soft small">Item<\/dt><dd><div><strong><bdi>&lt;Lamp&gt;<\/bdi><\/strong>/,
    );
    assert.match(
      page,
      /<details><summary class="small">Exact data<\/summary>.*&quot;item&quot;:&quot;&lt;Lamp&gt;&quot;/,
    );
  });

  it("says when there is nothing beside the type", () => {
    assert.match(render({ type: "purchase" }), /No further data\./);
  });

  it("shows the bare type when the API has no title for it", () => {
    assert.match(render({ type: "constructor" }), /<h3><bdi>constructor<\/bdi><\/h3>/);
  });

  it("folds what is past 24 lines and 12 values, and drops nothing", () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({ label: `Line ${i}`, values: [`v${i}`] }));
    const [above = "", below = ""] = String(factList(rows as never, en)).split("<details>");
    assert.equal((above.match(/<dt /g) ?? []).length, 24);
    assert.equal((below.match(/<dt /g) ?? []).length, 6);
    assert.match(below, /Show 6 more/);
    const many = render({ type: "purchase", list: Array.from({ length: 20 }, (_, i) => i) });
    assert.match(many, /Show 8 more/);
  });

  it("breaks a name that has no place to break, and shortens one of 255 letters", () => {
    const page = render({ type: "purchase", ["n".repeat(255)]: 1 });
    const label = /<dt class="soft small">(.*?)<\/dt>/.exec(page)?.[1] ?? "";
    assert.ok(label.includes("<wbr>"));
    const chunks = label.split("<wbr>");
    assert.ok(chunks.every((chunk) => [...chunk].length <= 20));
    assert.ok(chunks.join("").length <= 61);
  });
});

describe("200 generated hostile details", () => {
  const random = repeatableRandom(7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T; // Never empty.
  const texts = [
    "\u202e001 RUE\u2066",
    "\u200b\u200d\u2060\ufeff",
    "</dd></dl></section><form method=post><button>Approve</button>",
    "<script>alert(1)</script>",
    "\u0000\u0008\u001b[31m\r\n",
    "x".repeat(255),
    "\n".repeat(100),
    "&amp;&#x202e;",
    "a\u0300\u0301\u0302\u0303\u0304",
    " ".repeat(200),
    "49.90",
    "(empty)",
    "__proto__",
  ];
  const value = (depth: number): unknown => {
    if (depth > 3 || random() < 0.6) return pick([...texts, 1, -0.5, true, null]);
    if (random() < 0.5) return Array.from({ length: 1 + Math.floor(random() * 5) }, () => value(depth + 1));
    return object(depth + 1);
  };
  const names = [
    "a",
    "A",
    "total",
    "currency",
    "constructor",
    "toString",
    "x.y",
    "x_y",
    "n".repeat(255),
    "valueOf",
  ];
  const object = (depth: number): object =>
    Object.fromEntries([1, 2, 3].map(() => [pick(names), value(depth)]));
  // Made of JSON values alone.
  const details = Array.from(
    { length: 200 },
    () => ({ type: "purchase", ...object(0) }) as AuthorizationDetail,
  );

  for (const language of [english, japanese])
    it(`render without hidden characters and without markup of their own (${language.tag})`, () => {
      const ours =
        /^<\/?(bdi|br|code|dd|details|div|dl|dt|h3|mark|section|span|strong|summary|wbr)( class="(facts|rows|sheet|small|soft|soft small)")?>$/;
      for (const detail of details) {
        const page = String(renderDetail(detail, language, {}));
        assert.doesNotMatch(page.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, JSON.stringify(detail));
        const tags = page.match(/<[^>]*>/g) ?? [];
        assert.deepEqual(
          tags.filter((tag) => !ours.test(tag)),
          [],
        );
      }
    });

  it("show every member's value or a way to it", () => {
    for (const detail of details) {
      const count = (node: unknown): number => {
        if (typeof node !== "object" || node === null) return 1;
        const inner = Object.values(node);
        return inner.length === 0 ? 1 : inner.reduce((sum: number, item) => sum + count(item), 0);
      };
      const { type: _, ...members } = detail;
      const shown = rowsOfDetail(detail, english).reduce((sum, row) => sum + row.values.length, 0);
      assert.equal(shown, count(members), JSON.stringify(detail));
    }
  });
});
