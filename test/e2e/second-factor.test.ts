import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { authorize, PASSWORD, type Person, redeem, relyingParty, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, type TestServer } from "../support/server.ts";
import { totpCode } from "../support/totp.ts";
import { createUserAgent, type Page, type UserAgent } from "../support/user-agent.ts";

const MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/** Somebody with an authenticator app. */
interface Owner extends Person {
  readonly secret: string;
  readonly codes: readonly string[];
}

for (const engine of engines)
  describe(`the second factor on ${engine.name}`, () => {
    let server: TestServer;
    let now = Date.now();
    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
        },
        { clock: { now: () => now } },
      );
    });
    after(() => server?.close());

    const path = (page: Page) => new URL(page.address).pathname;
    const formTo = (page: Page, action: string) => page.forms.findIndex((form) => form.action === action);
    const secretOf = (page: Page) => /<code>([A-Z2-7 ]+)<\/code>/.exec(page.text)?.[1] ?? "";
    const codesOf = (page: Page) =>
      [...page.text.matchAll(/<code>([a-z0-9-]{19})<\/code>/g)].map((it) => it[1] ?? "");
    /** The code that counts next: each counts once. */
    function nextCode(secret: string): string {
      now += 30_000;
      return totpCode(secret, now);
    }

    async function enroll(person: Person): Promise<Owner> {
      const { agent } = person;
      const profile = await agent.open(`${server.url}profile`);
      const setUp = await agent.submit(profile, {}, { form: formTo(profile, "/profile/totp/start") });
      const secret = secretOf(setUp);
      const done = await agent.submit(setUp, { code: nextCode(secret) });
      assert.equal(done.status, 200);
      const codes = codesOf(done);
      assert.equal(codes.length, 10);
      return { ...person, secret, codes };
    }

    /** The page after the password. */
    async function afterPassword(
      email: string,
      agent = createUserAgent(),
    ): Promise<{ agent: UserAgent; page: Page }> {
      const page = await agent.submit(await agent.open(`${server.url}login?return_to=/profile`), {
        email,
        password: PASSWORD,
      });
      return { agent, page };
    }

    it("is asked for after the password, and lets in who has it", async () => {
      const owner = await enroll(await signUp(server.url));
      const { agent, page } = await afterPassword(owner.email);
      assert.equal(path(page), "/login/totp");
      assert.equal((await agent.fetch(`${server.url}profile`)).status, 303, "nobody is logged in yet");
      const wrong = await agent.submit(page, { code: "000000" });
      assert.equal(wrong.status, 401);
      const inside = await agent.submit(wrong, { code: nextCode(owner.secret) });
      assert.equal(path(inside), "/profile");
    });

    it("takes each code once, also of 64 answers at the same time, and none that is old", async () => {
      const owner = await enroll(await signUp(server.url));
      const code = nextCode(owner.secret);
      const started = await Promise.all(Array.from({ length: 4 }, () => afterPassword(owner.email)));
      const answers = await Promise.all(started.map(({ agent, page }) => agent.submit(page, { code })));
      assert.equal(answers.filter((page) => path(page) === "/profile").length, 1);
      const late = await afterPassword(owner.email);
      const old = totpCode(owner.secret, now - 120_000);
      now += 20 * 60_000; // The lock of the guesses above is over; so is the flow.
      assert.equal((await late.agent.submit(late.page, { code: old })).status, 400);
      const again = await afterPassword(owner.email);
      assert.equal((await again.agent.submit(again.page, { code: old })).status, 401);
      assert.equal((await again.agent.submit(again.page, { code })).status, 401);
    });

    it("locks after five wrong codes, also of parallel ones, and the right code is refused then", async () => {
      const owner = await enroll(await signUp(server.url));
      const { agent, page } = await afterPassword(owner.email);
      const guesses = await Promise.all(
        Array.from({ length: 64 }, (_, i) => agent.submit(page, { code: String(i).padStart(6, "0") })),
      );
      assert.ok(guesses.filter(({ status }) => status === 401).length <= 5);
      assert.equal((await agent.submit(page, { code: totpCode(owner.secret, now) })).status, 429);
    });

    it("is no way around the password, and takes nobody else's code", async () => {
      const [owner, other] = [await enroll(await signUp(server.url)), await enroll(await signUp(server.url))];
      const agent = createUserAgent();
      const start = await agent.submit(await agent.open(`${server.url}login`), { email: owner.email });
      const flow = new URL(start.address).search;
      for (const page of ["totp", "recovery-code", "second-factor", "enroll", "enroll/totp"])
        assert.equal((await agent.open(`${server.url}login/${page}${flow}`)).status, 400, page);
      const forged = { ...start, forms: [{ ...start.forms[0], action: "/login/totp" }] } as Page;
      assert.equal((await agent.submit(forged, { code: nextCode(owner.secret) })).status, 400);
      const { agent: mine, page } = await afterPassword(owner.email);
      assert.equal((await mine.submit(page, { code: nextCode(other.secret) })).status, 401);
      const pending = await mine.open(`${server.url}login/enroll/totp${new URL(page.address).search}`);
      assert.equal(pending.status, 400, "no new app before the one there is was asked for");
      assert.equal(
        (await mine.open(`${server.url}login/password${new URL(page.address).search}`)).status,
        400,
      );
    });

    it("can be replaced by a recovery code, once each, however it is spaced", async () => {
      const owner = await enroll(await signUp(server.url));
      const [first = "", second = ""] = owner.codes;
      const { agent, page } = await afterPassword(owner.email);
      assert.match(page.text, /\/login\/recovery-code\?flow=/);
      const link = /href="(\/login\/recovery-code\?flow=[^"]+)"/.exec(page.text)?.[1] ?? "";
      const form = await agent.open(new URL(link, server.url).href);
      const inside = await agent.submit(form, { code: ` ${first.toUpperCase().replaceAll("-", " ")} ` });
      assert.equal(path(inside), "/profile");
      const again = await afterPassword(owner.email);
      const next = await again.agent.open(
        `${server.url}login/recovery-code${new URL(again.page.address).search}`,
      );
      assert.equal((await again.agent.submit(next, { code: first })).status, 401);
      const race = await Promise.all(
        Array.from({ length: 8 }, () => again.agent.submit(next, { code: second })),
      );
      assert.equal(race.filter((it) => path(it) === "/profile").length, 1);
    });

    it("needs a recent proof to be changed, and goes with its codes", async () => {
      const owner = await enroll(await signUp(server.url));
      const profile = await owner.agent.open(`${server.url}profile`);
      assert.match(profile.text, /10 codes are left/);
      now += 11 * 60_000;
      const stale = await owner.agent.submit(profile, {}, { form: formTo(profile, "/profile/totp/remove") });
      assert.equal(path(stale), "/login/password");
      const code = await owner.agent.submit(stale, { password: PASSWORD });
      assert.equal(path(code), "/login/totp");
      const back = await owner.agent.submit(code, { code: nextCode(owner.secret) });
      const gone = await owner.agent.submit(back, {}, { form: formTo(back, "/profile/totp/remove") });
      assert.doesNotMatch(gone.text, /profile\/totp\/remove/);
      const { page } = await afterPassword(owner.email);
      assert.equal(path(page), "/profile", "the password is enough again");
    });

    it("removes nobody else's app", async () => {
      const [owner, mallory] = [
        await enroll(await signUp(server.url)),
        await enroll(await signUp(server.url)),
      ];
      const theirs = await owner.agent.open(`${server.url}profile`);
      const factor = theirs.forms[formTo(theirs, "/profile/totp/remove")]?.fields["factor"] ?? "";
      const mine = await mallory.agent.open(`${server.url}profile`);
      const form = formTo(mine, "/profile/totp/remove");
      assert.equal((await mallory.agent.submit(mine, { factor }, { form })).status, 404);
      assert.equal(path((await afterPassword(owner.email)).page), "/login/totp");
    });

    it("is asked for when an app wants it, of a person who is logged in already", async () => {
      const owner = await enroll(await signUp(server.url));
      // Logged in with the password alone, before the app was set up.
      const party = await relyingParty(server.url);
      const { page, verifier } = await authorize(party, owner.agent, { acr_values: MFA });
      assert.equal(path(page), "/login/totp");
      const back = await owner.agent.submit(
        page,
        { code: nextCode(owner.secret) },
        { stopAt: (address) => address.startsWith(APP_URL) },
      );
      const tokens = await redeem(party, back.address, verifier);
      assert.equal(tokens.claims()?.["acr"], MFA);
      assert.deepEqual(tokens.claims()?.["amr"], ["pwd", "otp", "mfa"]);
      const again = await authorize(party, owner.agent, { acr_values: MFA });
      assert.equal(again.page.status, 0, "and not twice");
    });

    it("is set up on the way when an app wants it and the person has none", async () => {
      const { agent, email } = await signUp(server.url);
      const party = await relyingParty(server.url);
      const { page, verifier } = await authorize(party, agent, { acr_values: MFA });
      assert.equal(path(page), "/login/password", "who sets something up proves anew who they are");
      const choose = await agent.submit(page, { password: PASSWORD });
      assert.equal(path(choose), "/login/enroll");
      const link = /href="(\/login\/enroll\/totp\?flow=[^"]+)"/.exec(choose.text)?.[1] ?? "";
      const setUp = await agent.submit(await agent.open(new URL(link, server.url).href), {});
      const wrong = await agent.submit(setUp, { code: "000000" });
      assert.equal(wrong.status, 401);
      const codes = await agent.submit(wrong, { code: nextCode(secretOf(wrong)) });
      assert.equal(codesOf(codes).length, 10);
      const back = await agent.submit(codes, {}, { stopAt: (address) => address.startsWith(APP_URL) });
      const tokens = await redeem(party, back.address, verifier);
      assert.equal(tokens.claims()?.["acr"], MFA);
      assert.equal(path((await afterPassword(email)).page), "/login/totp", "asked for from now on");
    });

    it("answers prompt=none with an error when more has to be proven", async () => {
      const { agent } = await signUp(server.url);
      const party = await relyingParty(server.url);
      const { page } = await authorize(party, agent, { acr_values: MFA, prompt: "none" });
      assert.equal(new URL(page.address).searchParams.get("error"), "interaction_required");
    });

    it("keeps its secret and its codes out of the database", async () => {
      const owner = await enroll(await signUp(server.url));
      const rows = await server.services.storage
        .db<{ totp_factors: Record<string, unknown>; recovery_codes: Record<string, unknown> }>()
        .selectFrom("totp_factors")
        .selectAll()
        .execute();
      const codes = await server.services.storage
        .db<{ recovery_codes: Record<string, unknown> }>()
        .selectFrom("recovery_codes")
        .selectAll()
        .execute();
      const text = JSON.stringify([rows, codes], (_, value) =>
        value?.type === "Buffer" ? Buffer.from(value.data).toString("latin1") : value,
      );
      assert.ok(rows.length > 0 && codes.length > 0);
      for (const planted of [
        owner.secret.replaceAll(" ", ""),
        ...owner.codes,
        ...owner.codes.map((code) => code.replaceAll("-", "")),
      ])
        assert.ok(!text.includes(planted));
    });
  });
