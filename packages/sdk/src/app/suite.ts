import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { type TestContext, test } from "node:test";
import { createMemoryStore } from "../store.ts";
import { behalfOf, manualClock } from "../testing.ts";
import { type AppAuth, type AppAuthOptions, createAppAuth } from "./index.ts";
import { type Issuer, startIssuer } from "./issuer/testing.ts";

/**
 * Starts a server of the framework on a free port of loopback and gives its origin. It serves
 * `/auth/*` by the adapter; `GET /me`, behind `requireSession`, as `{ userId }`; and `GET /token`, the access
 * token of the adapter's `getAccessToken` for the audience in the query, as `{ token }`, 401 without session.
 */
export type StartApp = (t: TestContext, createAuth: (origin: string) => AppAuth) => Promise<string>;

const SECRET = "a-secret-of-more-than-thirty-two-characters";
const AUDIENCE = "https://shop.example";
/** Requests of CVE-2025-67490, spread over so many users. */
const INTERLEAVED_REQUESTS = 1_000;
const INTERLEAVED_USERS = 20;

interface Scene {
  issuer: Issuer;
  origin: string;
  clock: ReturnType<typeof manualClock>;
  newBrowser(): Browser;
}

/** A browser over HTTP that keeps the app's cookies and follows no redirect by itself. */
interface Browser {
  cookies: Map<string, string>;
  open(path: string, init?: RequestInit): Promise<Response>;
  /** As far as the answer of the server; the address is the way back to the app. */
  beginLogin(user: string, query?: Record<string, string>): Promise<string>;
  logIn(user: string, query?: Record<string, string>): Promise<Response>;
  userId(): Promise<string | undefined>;
}

/** The stories of a login that every adapter passes, with sessions in the store and in the cookie. */
export function appSuite(name: string, start: StartApp): void {
  for (const sessionsIn of ["store", "cookie"] as const) {
    stories(`${name}, sessions in the ${sessionsIn}`, async (t, options = {}) => {
      const clock = manualClock();
      const issuer = await startIssuer(t, clock);
      const behalf = behalfOf(issuer.peer, { clock, store: createMemoryStore({ clock }) });
      const revocations = createMemoryStore({ clock });
      const origin = await start(t, (appBaseUrl) =>
        createAppAuth({
          behalf,
          appBaseUrl,
          secret: SECRET,
          browserAudiences: [AUDIENCE],
          ...(sessionsIn === "cookie" ? { sessionsIn, revocations } : {}),
          ...options,
        }),
      );
      return { issuer, origin, clock, newBrowser: () => createBrowser(origin) };
    });
  }
}

function stories(
  name: string,
  setUp: (t: TestContext, options?: Partial<AppAuthOptions>) => Promise<Scene>,
): void {
  test(`${name}: a login gives a session and tokens, and a logout ends them for whoever kept the cookie`, async (t) => {
    const { issuer, origin, newBrowser } = await setUp(t);
    const browser = newBrowser();
    const back = await browser.logIn("anne", { returnTo: "/me?tab=1" });
    assert.equal(back.headers.get("location"), `${origin}/me?tab=1`);
    assert.equal(await browser.userId(), "user:anne");
    const profile = await (await browser.open("/auth/profile")).json();
    assert.equal(profile.name, "anne");
    const { token } = await (await browser.open(`/token?audience=${AUDIENCE}`)).json();
    assert.match(token, /^at\|anne\|https:\/\/shop\.example\|/);
    const forScripts = await (await browser.open(`/auth/access-token?audience=${AUDIENCE}`)).json();
    assert.equal(forScripts.accessToken, token);
    const kept = new Map(browser.cookies);
    const out = await browser.open("/auth/logout", { method: "POST", headers: { origin } });
    const url = new URL(out.headers.get("location") ?? "");
    assert.equal(`${url.origin}${url.pathname}`, `${issuer.peer.issuer}oidc/logout`);
    assert.equal(url.searchParams.get("logout_hint"), issuer.sidOf("anne"));
    assert.match(url.searchParams.get("id_token_hint") ?? "", /^ey/);
    assert.equal(url.searchParams.get("post_logout_redirect_uri"), origin);
    assert.equal(issuer.refreshTokens.size, 0);
    assert.equal(browser.cookies.size, 0);
    for (const [cookie, value] of kept) browser.cookies.set(cookie, value);
    assert.equal(await browser.userId(), undefined);
    assert.equal((await browser.open("/auth/profile")).status, 401);
    assert.equal((await browser.open(`/token?audience=${AUDIENCE}`)).status, 401);
  });

  test(`${name}: a page without a session goes to the login, a script gets 401`, async (t) => {
    const { origin, newBrowser } = await setUp(t);
    const browser = newBrowser();
    const page = await navigate(`${origin}/me?tab=1`);
    assert.equal(page.statusCode, 303);
    assert.equal(page.headers.location, `${origin}/auth/login?returnTo=%2Fme%3Ftab%3D1`);
    const script = await browser.open("/me", { headers: { accept: "application/json" } });
    assert.equal(script.status, 401);
    assert.equal((await script.json()).code, "session.login_required");
    const fetched = { accept: "text/html", "sec-fetch-mode": "cors" };
    assert.equal((await browser.open("/me", { headers: fetched })).status, 401);
  });

  test(`${name}: a callback with another state, another browser's, or a second time begins no session`, async (t) => {
    const { newBrowser } = await setUp(t);
    const [browser, stranger] = [newBrowser(), newBrowser()];
    const callback = new URL(await browser.beginLogin("anne"));
    const other = new URL(callback);
    other.searchParams.set("state", `${callback.searchParams.get("state")?.slice(0, -2)}xx`);
    assert.equal((await browser.open(other.href)).status, 400);
    assert.equal((await stranger.open(callback.href)).status, 400);
    await stranger.beginLogin("bob");
    assert.equal((await stranger.open(callback.href)).status, 400);
    assert.equal(await stranger.userId(), undefined);
    const transaction = new Map(browser.cookies);
    assert.equal((await browser.open(callback.href)).status, 303);
    const replayer = newBrowser();
    for (const [cookie, value] of transaction) replayer.cookies.set(cookie, value);
    assert.match(await (await replayer.open(callback.href)).text(), /session\.transaction_unknown/);
    assert.equal(await replayer.userId(), undefined);
  });

  test(`${name}: of 64 answers to one login at once one begins a session`, async (t) => {
    const { newBrowser } = await setUp(t);
    const browser = newBrowser();
    const callback = await browser.beginLogin("anne");
    const answers = await Promise.all(Array.from({ length: 64 }, () => browser.open(callback)));
    assert.equal(answers.filter(({ status }) => status === 303).length, 1);
    assert.equal(answers.filter(({ status }) => status === 400).length, 63);
  });

  test(`${name}: a session cookie that was changed or cut off anywhere is none`, async (t) => {
    const { newBrowser } = await setUp(t);
    const browser = newBrowser();
    await browser.logIn("anne");
    const [[cookie = "", value = ""] = []] = browser.cookies;
    const step = Math.ceil(value.length / 40);
    for (let at = 0; at < value.length; at += step) {
      const flipped = value[at] === "A" ? "B" : "A";
      for (const bad of [value.slice(0, at), `${value.slice(0, at)}${flipped}${value.slice(at + 1)}`]) {
        browser.cookies.set(cookie, bad);
        assert.equal(await browser.userId(), undefined, `at ${at}`);
      }
    }
    browser.cookies.set(cookie, value);
    assert.equal(await browser.userId(), "user:anne");
  });

  test(`${name}: CVE-2025-46344: a session ends when it is not used, and after its time however much it is`, async (t) => {
    const { newBrowser, clock } = await setUp(t, { sessionTtlSeconds: 3600, sessionIdleSeconds: 600 });
    const [idle, busy] = [newBrowser(), newBrowser()];
    await idle.logIn("anne");
    await busy.logIn("bob");
    for (let minutes = 9; minutes < 60; minutes += 9) {
      clock.advance(9 * 60);
      assert.equal(await busy.userId(), "user:bob", `after ${minutes} minutes`);
    }
    assert.equal(await idle.userId(), undefined);
    const kept = new Map(busy.cookies);
    clock.advance(6 * 60 + 1);
    for (const [cookie, value] of kept) busy.cookies.set(cookie, value);
    assert.equal(await busy.userId(), undefined);
  });

  test(`${name}: a login leads to pages of this app alone`, async (t) => {
    const { origin, newBrowser } = await setUp(t);
    for (const returnTo of [
      "https://evil.example/",
      "//evil.example/",
      "/\\evil.example",
      "/\t/evil.example",
      "/.//evil.example",
      "javascript:alert(1)",
      `${origin}@evil.example`,
    ]) {
      const back = await newBrowser().logIn("anne", { returnTo });
      assert.equal(back.headers.get("location"), `${origin}/`, returnTo);
    }
  });

  test(`${name}: another site cannot log anybody out`, async (t) => {
    const { newBrowser } = await setUp(t);
    const browser = newBrowser();
    await browser.logIn("anne");
    for (const headers of [
      {},
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ] as Record<string, string>[]) {
      const refused = await browser.open("/auth/logout", { method: "POST", headers });
      assert.equal(refused.status, 403, JSON.stringify(headers));
      assert.match(await refused.text(), /session\.cross_site/);
    }
    const asked = await browser.open("/auth/logout", { headers: { "sec-fetch-site": "cross-site" } });
    assert.match(await asked.text(), /<form method="post" action="\/auth\/logout">/);
    assert.equal(await browser.userId(), "user:anne");
    const own = { "sec-fetch-site": "same-origin", origin: "null" };
    assert.equal((await browser.open("/auth/logout", { method: "POST", headers: own })).status, 303);
    assert.equal(await browser.userId(), undefined);
  });

  test(`${name}: CVE-2025-48947: no answer with a cookie or a token may be kept by a cache`, async (t) => {
    const { newBrowser, clock } = await setUp(t);
    const browser = newBrowser();
    const answers = [await browser.open("/auth/login"), await browser.logIn("anne")];
    clock.advance(1800);
    answers.push(await browser.open("/me"), await browser.open("/auth/profile"));
    answers.push(await browser.open(`/auth/access-token?audience=${AUDIENCE}`));
    answers.push(await browser.open("/auth/access-token?audience=https://other.example"));
    answers.push(await browser.open(`/token?audience=${AUDIENCE}`), await browser.open("/auth/logout"));
    for (const answer of answers) {
      const personal = answer.url.includes("/auth/") || answer.headers.getSetCookie().length > 0;
      if (personal) assert.equal(answer.headers.get("cache-control"), "no-store", answer.url);
    }
  });

  test(`${name}: CVE-2025-67490: ${INTERLEAVED_REQUESTS} interleaved requests each see their own user alone`, async (t) => {
    const { newBrowser } = await setUp(t);
    const users = Array.from({ length: INTERLEAVED_USERS }, (_, i) => `canary${i}`);
    const browsers = users.map(newBrowser);
    await Promise.all(browsers.map((browser, i) => browser.logIn(users[i] ?? "")));
    const paths = ["/me", "/auth/profile", `/token?audience=${AUDIENCE}`, "/token"];
    const one = async (n: number) => {
      const i = n % INTERLEAVED_USERS;
      const path = paths[Math.floor(n / INTERLEAVED_USERS) % paths.length] ?? "/me";
      const response = await browsers[i]?.open(path);
      const text = (await response?.text()) ?? "";
      assert.equal(response?.status, 200, `${path}: ${text}`);
      assert.deepEqual([...new Set(text.match(/canary\d+/g))], [users[i]], path);
    };
    await Promise.all(Array.from({ length: INTERLEAVED_REQUESTS }, (_, n) => one(n)));
  });

  test(`${name}: a logout at the server ends the session here, as a form and as JSON, each token once`, async (t) => {
    const { issuer, newBrowser, clock } = await setUp(t);
    const [one, two, three] = [newBrowser(), newBrowser(), newBrowser()];
    await one.logIn("anne");
    const sid = issuer.sidOf("anne");
    await two.logIn("anne");
    await three.logIn("bob");
    const form = await issuer.logoutToken({ sid, sub: "user:anne" });
    assert.equal((await postLogoutToken(one, form)).status, 200);
    const userIds = () => Promise.all([one, two, three].map((browser) => browser.userId()));
    assert.deepEqual(await userIds(), [undefined, "user:anne", "user:bob"]);
    const replayed = await postLogoutToken(one, form);
    assert.equal(replayed.status, 400);
    assert.equal((await replayed.json()).code, "session.logout_token_invalid");
    clock.advance(1);
    const json = await issuer.logoutToken({ sub: "user:anne" });
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ logout_token: json });
    assert.equal((await one.open("/auth/backchannel-logout", { method: "POST", headers, body })).status, 200);
    assert.deepEqual(await userIds(), [undefined, undefined, "user:bob"]);
    clock.advance(1);
    await one.logIn("anne"); // a login that came after the logout stays
    assert.equal(await one.userId(), "user:anne");
  });
}

/** As a browser opens a page; `fetch` always says that a script asks. */
async function navigate(url: string): Promise<IncomingMessage> {
  const headers = { accept: "text/html,*/*", "sec-fetch-mode": "navigate" };
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (response) => resolve(response.resume())).on("error", reject);
  });
}

function postLogoutToken(browser: Browser, token: string): Promise<Response> {
  const body = new URLSearchParams({ logout_token: token });
  return browser.open("/auth/backchannel-logout", { method: "POST", body });
}

function createBrowser(origin: string): Browser {
  const cookies = new Map<string, string>();
  const open = async (path: string, init: RequestInit = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = new Headers(init.headers);
    if (cookie) headers.set("cookie", cookie);
    const response = await fetch(new URL(path, origin), { ...init, headers, redirect: "manual" });
    for (const set of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (set.includes("Max-Age=0")) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
  const beginLogin = async (user: string, query: Record<string, string> = {}) => {
    const login = await open(`/auth/login?${new URLSearchParams({ ...query, login_hint: user })}`);
    const server = await fetch(login.headers.get("location") ?? "", { redirect: "manual" });
    return server.headers.get("location") ?? "";
  };
  return {
    cookies,
    open,
    beginLogin,
    logIn: async (user, query) => open(await beginLogin(user, query)),
    async userId() {
      const response = await open("/me");
      return response.status === 200 ? (await response.json()).userId : undefined;
    },
  };
}
