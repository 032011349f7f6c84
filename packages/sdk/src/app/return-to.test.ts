import assert from "node:assert/strict";
import { test } from "node:test";
import { safeReturnTo } from "./return-to.ts";

const APP = "https://app.example";

test("a path of this app is kept, with its query and fragment", () => {
  const paths = [
    "/",
    "/chat",
    "/chat/7?a=1&b=%2F#top",
    "/a//b",
    "/@evil.example",
    "/search?q=//x",
    "/h\u00e4user",
    "/a:b",
  ];
  for (const path of paths) assert.equal(safeReturnTo(path, APP), new URL(path, APP).href, path);
});

test("whatever may lead to another site leads to the start page", () => {
  const hostile = [
    "https://evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example/..",
    "/\\evil.example",
    "\\\\evil.example",
    "/a\\..\\evil",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\r\nSet-Cookie: a=b",
    "/\u0000/evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "/%2e//evil.example",
    "/./\\evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.example",
    "evil.example",
    "?next=//evil.example",
    "#x",
    "",
    null,
    undefined,
  ];
  for (const returnTo of hostile)
    assert.equal(safeReturnTo(returnTo, APP), `${APP}/`, JSON.stringify(returnTo));
});

test("the answer always begins with the app's own origin and one path", () => {
  const alphabet = ["/", "\\", ".", "a", "%2f", "%5c", "@", ":", "\t", "?", "#", "//"];
  let seen = 0;
  for (const a of alphabet)
    for (const b of alphabet)
      for (const c of alphabet)
        for (const d of alphabet) {
          const url = new URL(safeReturnTo(`/${a}${b}${c}${d}evil.example`, APP));
          assert.equal(url.origin, APP);
          assert.doesNotMatch(url.pathname, /^\/[/\\]/);
          seen += 1;
        }
  assert.equal(seen, alphabet.length ** 4);
});
