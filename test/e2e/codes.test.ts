import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { openMailbox, type TestMailbox } from "../support/mailbox.ts";
import { logIn, PASSWORD, type Person, signUp, tokenRequest } from "../support/person.ts";
import { startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page, type UserAgent } from "../support/user-agent.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FRESH = "kettle-orbit-plaid-seven";

const codeIn = (text: string) => /(?<!\d)\d{6}(?!\d)/.exec(text)?.[0] ?? "";
const linkIn = (text: string, path: string) =>
  text
    .split("\n")
    .find((line) => line.includes(`/${path}`))
    ?.trim() ?? "";

for (const engine of engines) {
  describe(`codes and links on ${engine.name}`, () => {
    let server: TestServer;
    let mailbox: TestMailbox;
    let now = Date.now();
    let required: TestServer;

    before(async () => {
      mailbox = await openMailbox();
      const start = async (login: object) => {
        const storage = await engine.storage();
        return startTestServer(
          (config) => {
            Object.assign(config, mailbox.configPart);
            config["storage"] = storage;
            config["login"] = login;
          },
          { clock: { now: () => now } },
        );
      };
      const limits = { failures: 100_000, signUps: 100_000, messages: 100_000 };
      server = await start({ limits });
      required = await start({ limits, confirmEmail: "required" });
    });
    after(async () => {
      await server?.close();
      await required?.close();
      await mailbox?.close();
    });

    let people = 0;
    const address = () => `codes-${engine.name}-${++people}@example.com`.toLowerCase();
    /** How many mails came to an address so far; waits for one more. */
    const seen = new Map<string, number>();
    async function nextMail(to: string): Promise<string> {
      const count = (seen.get(to) ?? 0) + 1;
      seen.set(to, count);
      return (await mailbox.waitForMail(to, count)).text;
    }
    async function nextText(to: string): Promise<string> {
      const count = (seen.get(to) ?? 0) + 1;
      seen.set(to, count);
      return (await mailbox.waitForText(to, count)).text;
    }
    const isLoggedIn = async (agent: UserAgent, at = server) =>
      (await agent.fetch(`${at.url}approvals`)).status === 200;

    /** A person whose sign-up mail was read. */
    async function newPerson(): Promise<Person> {
      const email = address();
      const person = await signUp(server.url, email);
      await nextMail(email);
      return person;
    }
    /** The page on which a flow goes on by a code that is sent there. */
    async function askForCode(identifier: string, agent = createUserAgent(), path = "email-code") {
      const first = await agent.submit(await agent.open(`${server.url}login`), { email: identifier });
      const flow = new URL(first.address).searchParams.get("flow") ?? "";
      const page = await agent.submit(await agent.open(`${server.url}login/${path}?flow=${flow}`), {});
      return { agent, page, flow };
    }
    const formAt = (page: Page, action: string) =>
      page.forms.findIndex((form) => new URL(form.action, page.address).pathname === action);

    describe("a code by e-mail", () => {
      it("logs in whoever reads the mail, once, and confirms the address", async () => {
        const { email } = await newPerson();
        const { agent, page } = await askForCode(email);
        const code = codeIn(await nextMail(email));
        assert.ok(!(await dumpDatabase(server)).includes(code), "the code lies nowhere in clear");
        const done = await agent.submit(page, { code: `${code.slice(0, 3)} ${code.slice(3)}` });
        assert.equal(done.status, 200);
        assert.equal(await isLoggedIn(agent), true);
        assert.match((await agent.open(`${server.url}profile`)).text, />confirmed</);
        assert.equal((await logIn(server.url, agent)).claims()?.["amr"]?.toString(), "otp");
        assert.equal((await agent.submit(page, { code })).status, 400, "the flow is over");
      });

      it("is worth nothing in another flow, in another browser, or for another address", async () => {
        const { email } = await newPerson();
        const first = await askForCode(email);
        const code = codeIn(await nextMail(email));
        const second = await askForCode(email);
        await nextMail(email);
        assert.equal((await second.agent.submit(second.page, { code })).status, 401);
        const mallory = await askForCode((await newPerson()).email);
        assert.equal((await mallory.agent.submit(mallory.page, { code })).status, 401);
        assert.equal((await createUserAgent().submit(first.page, { code })).status, 403);
        assert.equal(await isLoggedIn(mallory.agent), false);
        assert.equal((await first.agent.submit(first.page, { code })).status, 200);
      });

      it("is over after ten minutes, after five wrong tries, and when a newer one was sent", async () => {
        const { email } = await newPerson();
        const late = await askForCode(email);
        const old = codeIn(await nextMail(email));
        now += 11 * MINUTE_MS;
        assert.equal((await late.agent.submit(late.page, { code: old })).status, 401);
        const guessed = await askForCode(email);
        const code = codeIn(await nextMail(email));
        const wrong = code === "000000" ? "000001" : "000000";
        for (let i = 0; i < 5; i++)
          assert.equal((await guessed.agent.submit(guessed.page, { code: wrong })).status, 401);
        assert.equal((await guessed.agent.submit(guessed.page, { code })).status, 401);
        const again = formAt(guessed.page, "/login/email-code/send");
        const resent = await guessed.agent.submit(guessed.page, {}, { form: again });
        const newer = codeIn(await nextMail(email));
        if (newer !== code) assert.equal((await guessed.agent.submit(resent, { code })).status, 401);
        assert.equal((await guessed.agent.submit(resent, { code: newer })).status, 200);
      });

      it("takes five of 64 guesses at once, and one of 64 right answers", async () => {
        const { email } = await newPerson();
        const { agent, page } = await askForCode(email);
        const code = codeIn(await nextMail(email));
        const answers = await Promise.all(Array.from({ length: 64 }, () => agent.submit(page, { code })));
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
        const other = await askForCode(email);
        const right = codeIn(await nextMail(email));
        const wrong = right === "111111" ? "111112" : "111111";
        await Promise.all(Array.from({ length: 64 }, () => other.agent.submit(other.page, { code: wrong })));
        assert.equal((await other.agent.submit(other.page, { code: right })).status, 401);
      });

      it("is sent again three times in one flow and six times an hour to one address", async () => {
        const { email } = await newPerson();
        const { agent, page } = await askForCode(email);
        const form = formAt(page, "/login/email-code/send");
        for (let i = 0; i < 3; i++) assert.equal((await agent.submit(page, {}, { form })).status, 200);
        const refused = await agent.submit(page, {}, { form });
        assert.equal(refused.status, 429);
        assert.match(refused.text, /Wait an hour/);
        // The sign-up's own mail was one of six.
        assert.equal((await askForCode(email)).page.status, 200);
        assert.equal((await askForCode(email)).page.status, 429);
        now += HOUR_MS + 1;
        assert.equal((await askForCode(email)).page.status, 200);
        seen.set(email, mailbox.messages(email).length);
      });

      it("sends nothing when a page is opened, and does not log in somebody who was switched off", async () => {
        const { email, userId } = await newPerson();
        const agent = createUserAgent();
        const first = await agent.submit(await agent.open(`${server.url}login`), { email });
        const flow = new URL(first.address).searchParams.get("flow");
        for (let i = 0; i < 3; i++)
          assert.equal((await agent.open(`${server.url}login/email-code?flow=${flow}`)).status, 200);
        assert.equal(mailbox.messages(email).length, 1);
        const asked = await askForCode(email);
        const code = codeIn(await nextMail(email));
        await server.services.storage
          .db<{ users: { id: string; disabled_at: number | null } }>()
          .updateTable("users")
          .set({ disabled_at: now })
          .where("id", "=", userId)
          .execute();
        assert.equal((await asked.agent.submit(asked.page, { code })).status, 401);
      });
    });

    describe("a link by e-mail", () => {
      it("goes on where the log-in began, with one press of a button", async () => {
        const { email } = await newPerson();
        const { agent } = await askForCode(email);
        const link = linkIn(await nextMail(email), "login/email-code/link");
        const opened = await agent.open(link);
        assert.equal(await isLoggedIn(agent), false, "opening it is not enough");
        assert.equal((await agent.submit(opened, {})).status, 200);
        assert.equal(await isLoggedIn(agent), true);
        assert.equal((await agent.open(link)).status, 400);
      });

      it("shows the code in another browser and logs nobody in there, and a scanner uses nothing up", async () => {
        const { email } = await newPerson();
        const { agent, page } = await askForCode(email);
        const mail = await nextMail(email);
        const link = linkIn(mail, "login/email-code/link");
        const scanner = createUserAgent();
        for (let i = 0; i < 5; i++) await scanner.open(link);
        const elsewhere = await scanner.open(link);
        assert.equal(elsewhere.forms.length, 0);
        assert.ok(elsewhere.text.includes(codeIn(mail)));
        assert.equal(await isLoggedIn(scanner), false);
        const mallory = await askForCode((await newPerson()).email);
        const params = new URL(link).searchParams;
        const forged = await mallory.agent.open(
          `${server.url}login/email-code/link?flow=${mallory.flow}&token=${params.get("token")}`,
        );
        assert.equal((await mallory.agent.submit(forged, {})).status, 401);
        assert.equal(await isLoggedIn(mallory.agent), false);
        assert.equal((await agent.submit(page, { code: codeIn(mail) })).status, 200);
        assert.equal((await scanner.open(link)).status, 400);
      });

      it("that was altered shows nothing", async () => {
        const { email } = await newPerson();
        await askForCode(email);
        const link = linkIn(await nextMail(email), "login/email-code/link");
        for (const bad of [
          link.slice(0, -1),
          `${link}x`,
          link.replace(/token=.*/, "token="),
          link.replace(/token=.*/, ""),
        ])
          assert.equal((await createUserAgent().open(bad)).status, 400);
      });
    });

    const strip = (page: Page) =>
      page.text
        .replaceAll(/(name="(form_token|flow)" value="[^"]*"|flow=[\w-]+)/g, "")
        .replaceAll(/[\w.+%-]+(@|%40)example\.com/g, "");
    const headers = (page: Page) =>
      [...page.headers].filter(
        ([name]) => !["date", "set-cookie", "x-request-id", "content-length"].includes(name),
      );

    it("asks an unknown address the same, and mails it that it has no account", async () => {
      const { email } = await newPerson();
      const nobody = address();
      const [known, unknown] = [await askForCode(email), await askForCode(nobody)];
      assert.equal(strip(known.page), strip(unknown.page));
      assert.deepEqual(headers(known.page), headers(unknown.page));
      const [wrong, guess] = [
        await known.agent.submit(known.page, { code: "000000" }),
        await unknown.agent.submit(unknown.page, { code: "000000" }),
      ];
      assert.deepEqual([wrong.status, strip(wrong)], [guess.status, strip(guess)]);
      const mail = await nextMail(nobody);
      assert.match(mail, /has no account/);
      assert.equal(codeIn(mail), "");
      await nextMail(email);
    });

    it("answers a known and an unknown address as fast, when it sends a code and when it sends a reset", async () => {
      const { email } = await newPerson();
      for (const path of ["email-code/send", "reset"]) {
        const agent = createUserAgent();
        const slower = { known: 0, pairs: 40 };
        const once = async (identifier: string) => {
          now += HOUR_MS;
          const first = await agent.submit(await agent.open(`${server.url}login`), { email: identifier });
          const fields: Readonly<Record<string, string>> = first.forms[0]?.fields ?? {};
          const body = new URLSearchParams({
            flow: fields["flow"] ?? "",
            form_token: fields["form_token"] ?? "",
          });
          const begin = performance.now();
          const answer = await agent.fetch(`${server.url}login/${path}`, { method: "POST", body });
          const took = performance.now() - begin;
          assert.ok(answer.status < 400, `${path} ${answer.status}`);
          return took;
        };
        await once(email);
        await once(address());
        for (let i = 0; i < slower.pairs; i++) {
          const [a, b] =
            i % 2 ? [await once(email), await once(address())] : [await once(address()), await once(email)];
          if (i % 2 ? a > b : b > a) slower.known += 1;
        }
        assert.ok(
          slower.known > 6 && slower.known < 34,
          `${path}: slower in ${slower.known} of ${slower.pairs}`,
        );
      }
      seen.set(email, mailbox.messages(email).length);
    });

    describe("a forgotten password", () => {
      async function askForReset(email: string, agent = createUserAgent()) {
        const first = await agent.submit(await agent.open(`${server.url}login`), { email });
        const flow = new URL(first.address).searchParams.get("flow");
        return agent.submit(await agent.open(`${server.url}login/reset?flow=${flow}`), {});
      }
      const canLogIn = async (email: string, password: string) => {
        const agent = createUserAgent();
        const page = await agent.submit(await agent.open(`${server.url}login`), { email, password });
        return page.status === 200;
      };

      it("is replaced by a link; every session and refresh token ends, and a mail says so", async () => {
        const { email, agent: old } = await newPerson();
        const tokens = await logIn(server.url, old);
        await askForReset(email);
        const agent = createUserAgent();
        const link = linkIn(await nextMail(email), "reset");
        const form = await agent.open(link);
        assert.ok(!form.address.includes("token"), "the token has left the address");
        assert.match((await agent.submit(form, { password: "short" })).text, /at least 12/);
        assert.match((await agent.submit(form, { password: "password1234" })).text, /known from a leak/);
        assert.match((await agent.submit(form, { password: email })).text, /known from a leak/);
        const done = await agent.submit(form, { password: FRESH });
        assert.equal(done.status, 200);
        assert.match(await nextMail(email), /was changed/);
        assert.equal(await isLoggedIn(old), false);
        assert.equal(await isLoggedIn(agent), false);
        const refreshed = await tokenRequest(server.url, {
          grant_type: "refresh_token",
          refresh_token: tokens.refresh_token ?? "",
          client_id: "assistant",
          client_secret: TEST_SECRET,
        });
        assert.equal(refreshed.status, 400);
        assert.deepEqual([await canLogIn(email, PASSWORD), await canLogIn(email, FRESH)], [false, true]);
        assert.equal((await agent.open(link)).status, 400, "it works once");
        assert.equal((await agent.submit(form, { password: `${FRESH}-2` })).status, 400);
      });

      it("counts once of 64 times at once", async () => {
        const { email } = await newPerson();
        await askForReset(email);
        const agent = createUserAgent();
        const form = await agent.open(linkIn(await nextMail(email), "reset"));
        const answers = await Promise.all(
          Array.from({ length: 64 }, (_, i) => agent.submit(form, { password: `${FRESH}-${i}` })),
        );
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      });

      it("is not replaced by a link that is too old, altered, another browser's, or older than the password", async () => {
        const { email } = await newPerson();
        await askForReset(email);
        const late = linkIn(await nextMail(email), "reset");
        const started = createUserAgent();
        const form = await started.open(late);
        assert.equal((await createUserAgent().submit(form, { password: FRESH })).status, 403);
        for (const bad of [late.slice(0, -1), `${late}A`, `${server.url}reset`, `${server.url}reset?token=`])
          assert.equal((await createUserAgent().open(bad)).status, 400);
        now += 31 * MINUTE_MS;
        assert.equal((await createUserAgent().open(late)).status, 400);
        assert.equal((await started.submit(form, { password: FRESH })).status, 400);
        await askForReset(email);
        const one = linkIn(await nextMail(email), "reset");
        await askForReset(email);
        const two = linkIn(await nextMail(email), "reset");
        const first = createUserAgent();
        assert.equal((await first.submit(await first.open(one), { password: FRESH })).status, 200);
        await nextMail(email);
        assert.equal((await createUserAgent().open(two)).status, 400);
      });

      it("of an unknown address gets the same answer and no mail", async () => {
        const { email } = await newPerson();
        const nobody = address();
        const [known, unknown] = [await askForReset(email), await askForReset(nobody)];
        assert.equal(strip(known), strip(unknown));
        assert.deepEqual(headers(known), headers(unknown));
        await nextMail(email);
        assert.equal(mailbox.messages(nobody).length, 0);
      });
    });

    describe("signing up", () => {
      const open = async (at: TestServer, fields: Record<string, string>, agent = createUserAgent()) => {
        const page = await agent.submit(await agent.open(`${at.url}signup`), {
          name: "Anne Example",
          ...fields,
        });
        return { agent, page };
      };

      it("without a password makes the account once the code came back", async () => {
        const email = address();
        const { agent, page } = await open(server, { email, with: "code" });
        assert.ok(!page.text.includes("/login/password"), "there is no other way yet");
        assert.equal((await agent.submit(page, { code: "000000" })).status, 401);
        assert.equal(await isLoggedIn(agent), false);
        await agent.submit(page, { code: codeIn(await nextMail(email)) });
        assert.equal(await isLoggedIn(agent), true);
        assert.match((await agent.open(`${server.url}profile`)).text, /You have no password/);
      });

      it("with a known password, or one's own name, is refused and says why", async () => {
        const { page } = await open(server, { email: address(), password: "iloveyou2025!" });
        assert.equal(page.status, 400);
        assert.match(page.text, /known from a leak/);
        const own = await open(server, { email: address(), password: "Anne Example" });
        assert.equal(own.page.status, 400);
      });

      it("with an address that must be confirmed shows the same for one that is taken, whose owner is told", async () => {
        const [email, other] = [address(), address()];
        const first = await open(required, { email, password: PASSWORD });
        assert.equal(await isLoggedIn(first.agent, required), false);
        const link = linkIn(await nextMail(email), "login/sign-up-code/link");
        await first.agent.submit(await first.agent.open(link), {});
        assert.equal(await isLoggedIn(first.agent, required), true);
        const [taken, free] = [
          await open(required, { email, password: FRESH }),
          await open(required, { email: other, password: FRESH }),
        ];
        assert.equal(strip(taken.page), strip(free.page));
        assert.deepEqual(headers(taken.page), headers(free.page));
        const told = await nextMail(email);
        assert.match(told, /which has an account/);
        assert.equal(codeIn(told), "");
        const page = await createUserAgent().open(`${required.url}signup`);
        assert.ok(!page.text.includes("/signup/passkey"), "a passkey alone confirms no address");
      });
    });

    describe("one's e-mail address", () => {
      const ask = async (agent: UserAgent, email: string) => {
        const page = await agent.open(`${server.url}profile/email`);
        return agent.submit(page, { email }, { form: page.forms.length - 1 });
      };

      it("is confirmed by the link of the sign-up's mail, where one is logged in", async () => {
        const email = address();
        const { agent } = await signUp(server.url, email);
        const link = linkIn(await nextMail(email), "profile/email/link");
        const stranger = await createUserAgent().open(link);
        assert.equal(stranger.forms.length, 0);
        await agent.submit(await agent.open(link), {});
        assert.match((await agent.open(`${server.url}profile`)).text, />confirmed</);
      });

      it("changes once the new one was confirmed, and the old one is told", async () => {
        const { agent, email } = await newPerson();
        const fresh = address();
        const page = await ask(agent, fresh);
        const code = codeIn(await nextMail(fresh));
        assert.ok((await agent.open(`${server.url}profile`)).text.includes(email), "not before");
        assert.equal((await agent.submit(page, { code: code === "000000" ? "1" : "000000" })).status, 401);
        const { agent: mallory } = await newPerson();
        const theirs = await ask(mallory, address());
        assert.equal((await mallory.submit(theirs, { code })).status, 401);
        assert.equal((await agent.submit(page, { code })).status, 200);
        assert.ok((await agent.open(`${server.url}profile`)).text.includes(fresh));
        assert.match(await nextMail(email), /another e-mail address/);
      });

      it("does not become one that is somebody else's, and the page does not say that it is", async () => {
        const [{ agent }, { email: taken }] = [await newPerson(), await newPerson()];
        const [one, other] = [await ask(agent, taken), await ask(agent, address())];
        assert.equal(strip(one), strip(other));
        assert.match(await nextMail(taken), /which has an account/);
      });

      it("needs a recent proof to be changed", async () => {
        const { agent } = await newPerson();
        now += 11 * MINUTE_MS;
        assert.match((await agent.open(`${server.url}profile/email`)).address, /\/login/);
      });
    });

    describe("a phone", () => {
      let numbers = 0;
      const number = () => `+4477009${engine.name === "SQLite" ? 1 : 2}${String(++numbers).padStart(4, "0")}`;
      async function addPhone(agent: UserAgent, phone: string) {
        const page = await agent.submit(await agent.open(`${server.url}profile/phone`), { phone });
        return agent.submit(page, { code: codeIn(await nextText(phone)) });
      }

      it("that was confirmed logs in by its number, and one that was not does not", async () => {
        const { agent } = await newPerson();
        const phone = number();
        const page = await agent.submit(await agent.open(`${server.url}profile/phone`), { phone });
        const stranger = await askForCode(phone, createUserAgent(), "sms-code");
        assert.equal(stranger.page.status, 200);
        assert.equal((await agent.submit(page, { code: "000000" })).status, 401);
        await agent.submit(page, { code: codeIn(await nextText(phone)) });
        const asked = await askForCode(
          `00${phone.slice(1, 5)} ${phone.slice(5)}`,
          createUserAgent(),
          "sms-code",
        );
        const text = await nextText(phone);
        assert.match(text, /@localhost #\d{6}$/);
        assert.equal((await asked.agent.submit(asked.page, { code: codeIn(text) })).status, 200);
        assert.equal((await logIn(server.url, asked.agent)).claims()?.["amr"]?.toString(), "sms");
        const nobody = await askForCode(number(), createUserAgent(), "sms-code");
        assert.equal(
          strip(stranger.page).replaceAll(/\+\d+|%2B\d+/g, ""),
          strip(nobody.page).replaceAll(/\+\d+|%2B\d+/g, ""),
        );
      });

      it("is asked for after the password once the person chose so, also before a new password counts", async () => {
        const { agent, email } = await newPerson();
        const phone = number();
        const profile = await addPhone(agent, phone);
        await nextMail(email);
        const toggle = formAt(profile, "/profile/phone/second-factor");
        await agent.submit(profile, {}, { form: toggle });
        await nextMail(email);
        const browser = createUserAgent();
        const second = await browser.submit(await browser.open(`${server.url}login`), {
          email,
          password: PASSWORD,
        });
        assert.equal(new URL(second.address).pathname, "/login/sms-code");
        assert.ok(!second.text.includes(phone), "whoever has the password need not learn the number");
        const page = await browser.submit(second, {});
        assert.equal(await isLoggedIn(browser), false);
        await browser.submit(page, { code: codeIn(await nextText(phone)) });
        assert.equal(await isLoggedIn(browser), true);
        assert.deepEqual((await logIn(server.url, browser)).claims()?.["amr"], ["pwd", "sms", "mfa"]);

        const other = createUserAgent();
        const first = await other.submit(await other.open(`${server.url}login`), { email });
        const flow = new URL(first.address).searchParams.get("flow");
        await other.submit(await other.open(`${server.url}login/reset?flow=${flow}`), {});
        const asked = await other.open(linkIn(await nextMail(email), "reset"));
        assert.equal(new URL(asked.address).pathname, "/login/sms-code");
        const named = new URL(asked.address).searchParams.get("flow");
        assert.equal(
          (await other.open(`${server.url}login/reset/new?flow=${named}`)).status,
          400,
          "not around it",
        );
        const form = await other.submit(await other.submit(asked, {}), {
          code: codeIn(await nextText(phone)),
        });
        assert.equal((await other.submit(form, { password: FRESH })).status, 200);
      });

      it("of somebody else, with an odd number or without a country is not taken", async () => {
        const [{ agent }, { agent: mallory }] = [await newPerson(), await newPerson()];
        const phone = number();
        await addPhone(agent, phone);
        const refused = await addPhone(mallory, phone);
        assert.equal(refused.status, 409);
        for (const bad of ["07700 900123", "+0123456789", "+44", "abc", `${phone}99999`])
          assert.equal(
            (await mallory.submit(await mallory.open(`${server.url}profile/phone`), { phone: bad })).status,
            400,
          );
      });
    });
  });
}
