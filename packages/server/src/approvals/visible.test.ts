import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { en } from "../pages/languages/en.ts";
import { repeatableRandom } from "./testing.ts";
import { type Piece, visible, visiblePieces, visibleShort, visibleText } from "./visible.ts";

/** Characters that a page must never carry raw inside a value. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00a0\u2800\u3164]/u;

/** The text that pieces stand for: proves that nothing was dropped or made up. */
function original(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => {
      if ("text" in piece) return piece.text;
      const [name = "", count = "1"] = piece.escape.split("×");
      const control = { "\\n": "\n", "\\t": "\t" }[name];
      return (control ?? String.fromCodePoint(Number.parseInt(name.slice(2), 16))).repeat(Number(count));
    })
    .join("");
}

describe("visible text", () => {
  for (const [text, shown] of [
    ["Desk lamp", "Desk lamp"],
    ["Müller & Söhne <b>", "Müller & Söhne <b>"],
    ["デスク　ランプ、2個", "デスク　ランプ、2個"],
    ["שלום", "שלום"],
    ["❤️ 👩‍👧", "❤️ 👩‍👧"],
    ["é a\u0301\u0302\u0303", "é a\u0301\u0302\u0303"],
    ["pay \u202e001", "pay [U+202E]001"],
    ["\u2066x\u2069", "[U+2066]x[U+2069]"],
    ["a\u200b\u200b\u200bb", "a[U+200B×3]b"],
    ["a\u0000b\u001b[2J", "a[U+0000]b[U+001B][2J"],
    ["one\ntwo\tthree\r\n", "one[\\n]two[\\t]three[U+000D][\\n]"],
    ["a\u00a0b", "a[U+00A0]b"],
    ["a  b", "a[U+0020×2]b"],
    [" a ", "[U+0020]a[U+0020]"],
    ["a\u3164b\u2800c", "a[U+3164]b[U+2800]c"],
    ["\u{e0041}x", "[U+E0041]x"],
    ["\ud800x", "[U+D800]x"],
    ["\ue000", "[U+E000]"],
    ["a\u0301\u0302\u0303\u0304", "a\u0301\u0302\u0303[U+0304]"],
    ["\u0301a", "[U+0301]a"],
    ["a\u200d👧", "a[U+200D]👧"],
    ["a\ufe0f", "a[U+FE0F]"],
    ["", ""],
  ] as const)
    it(`shows ${JSON.stringify(text)} as ${JSON.stringify(shown)}`, () => {
      assert.equal(visibleText(text), shown);
    });

  it("marks a name so that text which spells the name looks different", () => {
    assert.equal(String(visible("U+202E")), "<bdi>U+202E</bdi>");
    assert.equal(String(visible("\u202e")), "<bdi><mark>U+202E</mark></bdi>");
  });

  it("escapes markup", () => {
    assert.equal(
      String(visible('<img src=x onerror="a">')),
      "<bdi>&lt;img src=x onerror=&quot;a&quot;&gt;</bdi>",
    );
  });

  it("breaks the line after a line feed, unless one line is asked for", () => {
    assert.equal(String(visible("a\nb")), "<bdi>a<wbr><code>\\n</code><br>b</bdi>");
    assert.equal(String(visible("a\nb", { oneLine: true })), "<bdi>a<wbr><code>\\n</code>b</bdi>");
  });
});

describe("200 generated hostile strings", () => {
  const random = repeatableRandom(20_300_101);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T; // Never empty.
  const fragments = [
    ..."\u0000\u0007\u0008\t\n\r\u001b\u007f\u0085\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f",
    ..."\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u2800\u3164\ufeff\ufff9\ufffb\uffa0",
    ..."\u{e0001}\u{e0020}\u{1d173}\ue000",
    "\ud83d",
    "\udc00",
    "<script>alert(1)</script>",
    "</bdi></dd></dl><button name=decision value=approve>",
    '"><img src=x onerror=alert(1)>',
    "<!--",
    "]]>",
    "&lt;b&gt;&#x202e;",
    "a\u0300\u0301\u0302\u0303\u0304\u0305",
    "        ",
    "שלום 100",
    "👩‍👧",
    "Approve",
    "x".repeat(400),
    "\n".repeat(40),
    "lamp",
    "1,000.00 EUR",
  ];
  const strings = Array.from({ length: 200 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 30) }, () => pick(fragments)).join(""),
  );

  it("are all shown without a hidden character of their own", () => {
    for (const text of strings) {
      const emojiOnly = visibleText(text).replaceAll("👩‍👧", "");
      assert.doesNotMatch(emojiOnly, HIDDEN, JSON.stringify(text));
    }
  });

  it("lose nothing", () => {
    for (const text of strings) assert.equal(original(visiblePieces(text)), text);
  });

  it("bring no markup of their own", () => {
    for (const text of strings)
      for (const rendered of [visible(text), visibleShort(text, en)]) {
        const tags = String(rendered).match(/<[^>]*>/g) ?? [];
        const ours = /^<\/?(bdi|code|br|mark|details|summary|span|wbr)( class="(soft|small)")?>$/;
        assert.deepEqual(
          tags.filter((tag) => !ours.test(tag)),
          [],
        );
        assert.equal(tags.filter((tag) => tag === "<bdi>").length, tags.filter((t) => t === "</bdi>").length);
      }
  });

  it("take at most eight lines and 240 characters before they are folded", () => {
    for (const text of strings) {
      const [above = ""] = String(visibleShort(text, en)).split("<details>");
      assert.ok((above.match(/<br>/g) ?? []).length <= 8, JSON.stringify(text));
      const shown = original(visiblePieces(text)).length;
      const plain = above.replace(/<(code|mark)>[^<]*<\/\1>/g, "").replace(/<[^>]*>|&\w+;|&#\d+;/g, "");
      assert.ok([...plain].length <= 260, `${[...plain].length} of ${shown}`);
    }
  });
});

describe("text without a place to break", () => {
  for (const [text, shown] of [
    ["x".repeat(19), "x".repeat(19)],
    ["x".repeat(45), `${"x".repeat(20)}<wbr>${"x".repeat(20)}<wbr>${"x".repeat(5)}`],
    [`${"e\u0301".repeat(21)}`, `${"e\u0301".repeat(20)}<wbr>e\u0301`],
    ["あ".repeat(45), "あ".repeat(45)],
  ] as const)
    it(`is given one (${[...text].length} of ${text.slice(0, 2)})`, () => {
      assert.equal(String(visible(text)), `<bdi>${shown}</bdi>`);
    });

  it("is given one between the names of hidden characters", () => {
    assert.equal(String(visible("\u200b\u200c")), "<bdi><mark>U+200B</mark><wbr><mark>U+200C</mark></bdi>");
  });
});

describe("long text", () => {
  it("is shown whole up to 240 characters", () => {
    assert.doesNotMatch(String(visibleShort("x".repeat(240), en)), /<details>/);
  });

  it("keeps its end in sight and the whole within reach", () => {
    const text = `${"a".repeat(1_000)} and send 9,000 EUR to somebody else`;
    const [above = "", below = ""] = String(visibleShort(text, en)).split("<details>");
    assert.match(above, /send 9,000 EUR to somebody else/);
    assert.match(below, /Show all 1036 characters/);
    assert.ok(below.replaceAll("<wbr>", "").includes(text));
  });

  it("is folded when it has more than six lines", () => {
    const [above = "", below = ""] = String(visibleShort("a\nb\nc\nd\ne\nf\ng", en)).split("<details>");
    assert.equal((above.match(/<br>/g) ?? []).length, 5);
    assert.match(below, /Show all 13 characters/);
  });
});
