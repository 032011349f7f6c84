import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../testing.ts";
import { createCookieJar, createCookieSealer } from "./cookies.ts";

const SECRET = "a-secret-of-more-than-thirty-two-characters";
const OTHER = "another-secret-of-more-than-thirty-two-chars";
const withCookies = (cookie: string) => new Request("https://app.example/", { headers: { cookie } });

test("a sealed cookie opens with what was put in, and shows none of it", async () => {
  const sealer = createCookieSealer([SECRET], "session", manualClock());
  const sealed = await sealer.seal({ sid: "the-session" }, 60);
  assert.equal((await sealer.open(sealed))?.["sid"], "the-session");
  for (const part of sealed.split(".")) {
    assert.doesNotMatch(Buffer.from(part, "base64url").toString("latin1"), /the-session/);
  }
});

test("a sealed cookie does not open when its time is over, whatever the browser kept", async () => {
  const clock = manualClock();
  const sealer = createCookieSealer([SECRET], "session", clock);
  const sealed = await sealer.seal({ sid: "1" }, 60);
  clock.advance(59);
  assert.ok(await sealer.open(sealed));
  clock.advance(2);
  assert.equal(await sealer.open(sealed), undefined);
});

test("a cookie sealed for one purpose does not open for another", async () => {
  const clock = manualClock();
  const sealed = await createCookieSealer([SECRET], "transaction", clock).seal({ sid: "1" }, 60);
  assert.equal(await createCookieSealer([SECRET], "session", clock).open(sealed), undefined);
});

test("a cookie of another secret, changed, or made up does not open", async () => {
  const clock = manualClock();
  const sealer = createCookieSealer([SECRET], "session", clock);
  const foreign = await createCookieSealer([OTHER], "session", clock).seal({ sid: "1" }, 60);
  const mine = await sealer.seal({ sid: "1" }, 60);
  const [header, , iv, body = "", tag] = mine.split(".");
  const changed = [header, "", iv, (body.startsWith("A") ? "B" : "A") + body.slice(1), tag].join(".");
  const unencrypted = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sid":"1"}').toString("base64url")}.`;
  for (const bad of [foreign, changed, unencrypted, "", "a.b.c.d.e", undefined]) {
    assert.equal(await sealer.open(bad), undefined);
  }
});

test("after a rotation cookies of the former secret still open and new ones are sealed with the new", async () => {
  const clock = manualClock();
  const former = await createCookieSealer([OTHER], "session", clock).seal({ sid: "1" }, 60);
  const rotated = createCookieSealer([SECRET, OTHER], "session", clock);
  assert.equal((await rotated.open(former))?.["sid"], "1");
  const fresh = await rotated.seal({ sid: "2" }, 60);
  assert.equal(await createCookieSealer([OTHER], "session", clock).open(fresh), undefined);
});

test("on https a cookie is bound to this host, on http on loopback it is a plain one", () => {
  assert.equal(
    createCookieJar({ secure: true }).set("name", "value", 60),
    "__Host-name=value; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure",
  );
  assert.equal(
    createCookieJar({ secure: false }).set("name", "value", 60),
    "name=value; Max-Age=60; Path=/; HttpOnly; SameSite=Lax",
  );
  assert.match(
    createCookieJar({ secure: true }).clear("name"),
    /^__Host-name=; Max-Age=0; Path=\/;.*Secure$/,
  );
});

test("on https a cookie without the prefix is not read: another host may have set it", () => {
  const jar = createCookieJar({ secure: true });
  assert.equal(jar.read(withCookies("name=planted"), "name"), undefined);
  assert.equal(jar.read(withCookies("name=planted; __Host-name=mine"), "name"), "mine");
});

test("cookies are found among others, the first of two with one name counts", () => {
  const jar = createCookieJar({ secure: false });
  const request = withCookies("a=1;  b=2=3 ; =x; flag; b=4; txn_1=a; txn_2=b");
  assert.equal(jar.read(request, "b"), "2=3");
  assert.equal(jar.read(request, "flag"), undefined);
  assert.deepEqual(jar.names(request, "txn_"), ["txn_1", "txn_2"]);
});
