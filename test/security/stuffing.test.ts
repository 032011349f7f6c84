import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { PASSWORD, type Person, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page } from "../support/user-agent.ts";

const FAILURES = 5;
const SIGN_UPS = 4;
const MINUTE_MS = 60_000;
/** Attempts a side: with as many, a difference by chance beyond the bound is one in a hundred thousand. */
const SAMPLES = 40;

/** Credential stuffing and user enumeration; OpenBao CVE-2025-55003 counts what comes in other clothes too. */
for (const engine of engines) {
  describe(`many guesses on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    let now = Date.now();

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          config["login"] = { limits: { failures: FAILURES, signUps: SIGN_UPS } };
          config["trustedProxies"] = ["127.0.0.1"];
        },
        { clock: { now: () => now } },
      );
      person = await signUp(server.url);
    });
    after(() => server?.close());

    /** One attempt that a proxy of ours passes on for `from`. */
    async function attempt(path: string, fields: Record<string, string>, from: string): Promise<Response> {
      const form = await fetch(`${server.url}${path}`);
      const cookie = form.headers.getSetCookie()[0]?.split(";")[0] ?? "";
      const form_token = /name="form_token" value="([^"]+)"/.exec(await form.text())?.[1] ?? "";
      return fetch(`${server.url}${path}`, {
        method: "POST",
        redirect: "manual",
        headers: { cookie, "x-forwarded-for": from },
        body: new URLSearchParams({ form_token, ...fields }),
      });
    }
    let strangers = 0;
    const guess = (from: string) =>
      attempt("login", { email: `stranger-${++strangers}@example.com`, password: "a wrong password" }, from);

    it("from one network end, for known and unknown addresses and the right password alike", async () => {
      for (let i = 0; i < FAILURES; i++) assert.equal((await guess("198.51.100.1")).status, 401);
      const known = await attempt("login", { email: person.email, password: PASSWORD }, "198.51.100.1");
      const unknown = await guess("198.51.100.1");
      assert.deepEqual([known.status, unknown.status], [429, 429]);
      assert.equal(await known.text(), await unknown.text());
      assert.ok(Number(known.headers.get("retry-after")) > 0);
      assert.equal(
        (await attempt("login", { email: person.email, password: PASSWORD }, "198.51.100.2")).status,
        303,
      );
      now += 11 * MINUTE_MS;
      assert.equal((await guess("198.51.100.1")).status, 401);
    });

    it("are one network's whatever it writes into the header, and however it spells its address", async () => {
      const spellings = [
        "6.6.6.1, 198.51.100.7",
        "6.6.6.2,198.51.100.7",
        "x, 198.51.100.7",
        "::ffff:198.51.100.7",
      ];
      for (let i = 0; i < FAILURES; i++) await guess(spellings[i % spellings.length] ?? "");
      for (const from of spellings) assert.equal((await guess(from)).status, 429, from);
      for (let i = 0; i < FAILURES; i++) await guess(`2001:db8:0:1::${i + 1}`);
      assert.equal((await guess("2001:db8:0:1:ffff::9")).status, 429);
      assert.equal((await guess("2001:db8:0:2::9")).status, 401);
    });

    it("in parallel all count", async () => {
      const answers = await Promise.all(Array.from({ length: 64 }, () => guess("198.51.100.9")));
      const statuses = answers.map(({ status }) => status);
      assert.equal(statuses.filter((it) => it === 401).length, FAILURES);
      assert.equal(statuses.filter((it) => it === 429).length, 64 - FAILURES);
    });

    it("are not what somebody makes who logs in again and again", async () => {
      for (let i = 0; i < FAILURES * 2; i++) {
        const answer = await attempt("login", { email: person.email, password: PASSWORD }, "198.51.100.20");
        assert.equal(answer.status, 303);
      }
    });

    it("of who has an account, by signing up, end too", async () => {
      const taken = () =>
        attempt("signup", { name: "x", email: person.email, password: PASSWORD }, "198.51.100.30");
      for (let i = 0; i < SIGN_UPS; i++) assert.equal((await taken()).status, 400);
      const free = { name: "x", email: "free@example.com", password: PASSWORD };
      const [one, other] = [await taken(), await attempt("signup", free, "198.51.100.30")];
      assert.deepEqual([one.status, other.status], [429, 429]);
      assert.equal(await one.text(), await other.text());
    });
  });

  describe(`a log-in for an address that has no account on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["login"] = { limits: { failures: 10_000 } };
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    it("has the same status, text and headers as one that has, at every step", async () => {
      const unknown = "nobody-at-all@example.com";
      const own = /value="[^"]*"|(?:flow|login_hint)=[^"&]*/g;
      const strip = ({ text }: Page, email: string) => text.replaceAll(email, "").replaceAll(own, "");
      const shape = ({ status, headers }: Page) => [
        status,
        [...headers].filter(
          ([name]) => !["date", "x-request-id", "set-cookie", "content-length"].includes(name),
        ),
      ];
      for (let i = 0; i < 7; i++) {
        const steps: Page[][] = [];
        for (const email of [person.email, unknown]) {
          const agent = createUserAgent();
          const first = await agent.submit(await agent.open(`${server.url}login`), { email });
          steps.push([first, await agent.submit(first, { password: `a guess ${i}` })]);
        }
        const [known = [], other = []] = steps;
        for (const [n, page] of known.entries()) {
          const twin = other[n];
          assert.ok(twin);
          assert.deepEqual(shape(page), shape(twin), `guess ${i}, step ${n}`);
          assert.equal(strip(page, person.email), strip(twin, unknown), `guess ${i}, step ${n}`);
        }
      }
    });

    it("takes as long", async (t) => {
      const timeOf = async (email: string) => {
        const agent = createUserAgent();
        const first = await agent.submit(await agent.open(`${server.url}login`), { email });
        const before = performance.now();
        await agent.submit(first, { password: "a wrong password" });
        return performance.now() - before;
      };
      const known: number[] = [];
      const unknown: number[] = [];
      // By turns, so that what else the machine does falls on both.
      for (let i = 0; i < SAMPLES; i++) {
        known.push(await timeOf(person.email));
        unknown.push(await timeOf("nobody-at-all@example.com"));
      }
      // How often one of the first is slower than one of the second (Mann and Whitney): a half when nothing tells them apart.
      const slower = known.flatMap((a) => unknown.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
      const share = slower.reduce<number>((sum, it) => sum + it, 0) / slower.length;
      t.diagnostic(`a known address is slower in ${(share * 100).toFixed(0)} % of pairs`);
      assert.ok(share > 0.2 && share < 0.8, String(share));
    });
  });
}
