import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { decodeJwt } from "jose";
import { sql } from "kysely";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { post } from "./attack.ts";

const BANK = "https://bank.example/";
const OTP = "http://auth0.com/oauth/grant-type/mfa-otp";
const RECOVERY = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/** RFC 6238 with SHA-1 and six digits, as authenticator apps do it. */
function totp(base32: string, step: number): string {
  const bits = [...base32].map((letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  const bytes = bits.join("").match(/.{8}/g) ?? [];
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2))))
    .update(counter)
    .digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** T08: an API that asks for a second factor gets no token before one was proven, whoever asks and however often. */
for (const engine of engines) {
  describe(`second factors for an app on ${engine.name}`, () => {
    let server: TestServer;
    let ahead = 0;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          (config["apis"] as object[]).push({
            audience: BANK,
            name: "Bank",
            scopes: { "money:send": "Send money" },
            requireSecondFactor: true,
          });
          const clients = config["clients"] as Record<string, unknown>[];
          const [first = {}] = clients;
          const apis = { [SHOP]: { scopes: ["orders:read"] }, [BANK]: { scopes: ["money:send"] } };
          const grantTypes = ["authorization_code", "refresh_token", "mfa"];
          Object.assign(first, { apis, grantTypes });
          clients.push({ ...first, id: "twin" });
          clients.push({ ...first, id: "plain", grantTypes: ["authorization_code", "refresh_token"] });
        },
        { clock: { now: () => Date.now() + ahead } },
      );
    });
    after(() => server?.close());

    const secretOf = { client_secret: TEST_SECRET };
    const token = (params: Record<string, string>, id = "assistant") =>
      post(`${server.url}oauth/token`, { client_id: id, ...secretOf, ...params });
    const refreshToken = async (person: Person, id = "assistant") =>
      (await logIn(server.url, person.agent, {}, id)).refresh_token ?? "";
    const refresh = (value: string, audience = BANK, id = "assistant") =>
      token({ grant_type: "refresh_token", refresh_token: value, audience }, id);
    const mfaTokenOf = async (person: Person) => {
      const answer = await refresh(await refreshToken(person));
      assert.deepEqual([answer.status, answer.body["error"]], [403, "mfa_required"], JSON.stringify(answer));
      return String(answer.body["mfa_token"]);
    };
    const call = async (path: string, mfaToken: string, init: { method?: string; json?: object } = {}) => {
      const response = await fetch(`${server.url}mfa/${path}`, {
        method: init.method ?? (init.json ? "POST" : "GET"),
        headers: { authorization: `Bearer ${mfaToken}`, "content-type": "application/json" },
        ...(init.json ? { body: JSON.stringify(init.json) } : {}),
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : undefined };
    };
    const codeOf = (secret: string, steps = 0) =>
      totp(secret, Math.floor((Date.now() + ahead) / 30_000) + steps);
    const associate = async (mfaToken: string) =>
      (await call("associate", mfaToken, { json: { authenticator_types: ["otp"] } })).body as {
        id: string;
        secret: string;
        barcode_uri: string;
        recovery_codes: string[];
      };
    const otp = (mfaToken: string, code: string, id = "assistant", more = {}) =>
      token({ grant_type: OTP, mfa_token: mfaToken, otp: code, ...more }, id);
    /** A person with an authenticator app; its next code is not used yet. */
    const enrolled = async () => {
      const person = await signUp(server.url);
      const mfaToken = await mfaTokenOf(person);
      const app = await associate(mfaToken);
      const answer = await otp(mfaToken, codeOf(app.secret));
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      ahead += 30_000;
      return { person, ...app, answer };
    };
    const INVALID = [403, "invalid_grant"] as const;
    const outcome = (answer: { status: number; body: Readonly<Record<string, unknown>> }) =>
      [answer.status, answer.body["error"]] as const;

    it("lets an app set a first one up and get the tokens it had asked for, once", async () => {
      const person = await signUp(server.url);
      const answer = await refresh(await refreshToken(person));
      assert.deepEqual(
        [answer.status, answer.body["mfa_requirements"]],
        [403, { enroll: [{ type: "otp" }] }],
      );
      const mfaToken = String(answer.body["mfa_token"]);
      const app = await associate(mfaToken);
      assert.match(app.barcode_uri, /^otpauth:\/\/totp\//);
      assert.equal(app.recovery_codes.length, 10);
      assert.deepEqual((await call("authenticators", mfaToken)).body, []);
      assert.deepEqual(outcome(await otp(mfaToken, "000000")), INVALID);
      const { status, body } = await otp(mfaToken, codeOf(app.secret), "assistant", { audience: SHOP });
      assert.equal(status, 200, JSON.stringify(body));
      const claims = decodeJwt(body["access_token"] ?? "");
      assert.equal([claims.aud].flat()[0], BANK);
      assert.match(String(claims["scope"]), /money:send/);
      assert.deepEqual(decodeJwt(body["id_token"] ?? "")["amr"], ["pwd", "otp", "mfa"]);
      assert.deepEqual(outcome(await otp(mfaToken, codeOf(app.secret, 1))), INVALID);
      // What came of it needs no second factor again; other APIs never did.
      assert.equal((await refresh(body["refresh_token"] ?? "")).status, 200);
      ahead += 60_000;
    });

    it("asks somebody who has one for it, and answers a challenge", async () => {
      const { person, secret, id } = await enrolled();
      const value = await refreshToken(person);
      assert.equal((await refresh(value, SHOP)).status, 200);
      const answer = await refresh(value);
      assert.deepEqual(answer.body["mfa_requirements"], {
        challenge: [{ type: "otp" }, { type: "recovery-code" }],
      });
      const mfaToken = String(answer.body["mfa_token"]);
      const list = (await call("authenticators", mfaToken)).body as { id: string }[];
      assert.deepEqual(
        list.map((it) => it.id),
        [id, "recovery-code"],
      );
      const challenge = (change: object) =>
        call("challenge", mfaToken, {
          json: { mfa_token: mfaToken, client_id: "assistant", challenge_type: "otp", ...change },
        });
      assert.deepEqual(await challenge({}), { status: 200, body: { challenge_type: "otp" } });
      assert.equal((await challenge({ authenticator_id: "totp_other" })).status, 403);
      assert.equal((await challenge({ client_id: "twin" })).status, 401);
      assert.equal((await challenge({ challenge_type: "oob" })).body.error, "unsupported_challenge_type");
      assert.equal((await otp(mfaToken, codeOf(secret))).status, 200);
    });

    it("refuses another client's value, an unknown one, one that is used, and one that has expired", async () => {
      const { person, secret } = await enrolled();
      const mfaToken = await mfaTokenOf(person);
      assert.deepEqual(outcome(await otp(mfaToken, codeOf(secret), "twin")), INVALID);
      assert.deepEqual(outcome(await otp(`${mfaToken}x`, codeOf(secret))), INVALID);
      assert.deepEqual(outcome(await otp("x", codeOf(secret))), INVALID);
      assert.equal((await otp(mfaToken, codeOf(secret), "plain")).status, 403);
      ahead += 600_000;
      assert.deepEqual(outcome(await otp(mfaToken, codeOf(secret))), INVALID);
      assert.equal((await call("authenticators", mfaToken)).status, 401);
      assert.equal((await otp(await mfaTokenOf(person), codeOf(secret))).status, 200);
    });

    it("refuses a value whose refresh token was revoked meanwhile", async () => {
      const { person, secret } = await enrolled();
      const value = await refreshToken(person);
      const { body } = await refresh(value);
      await post(`${server.url}oauth/revoke`, { client_id: "assistant", ...secretOf, token: value });
      assert.deepEqual(outcome(await otp(body["mfa_token"] ?? "", codeOf(secret))), INVALID);
    });

    it("takes a code once, whatever value it comes with", async () => {
      const { person, secret } = await enrolled();
      const [one, two] = [await mfaTokenOf(person), await mfaTokenOf(person)];
      assert.equal((await otp(one, codeOf(secret))).status, 200);
      assert.deepEqual(outcome(await otp(two, codeOf(secret))), INVALID);
    });

    it("locks after wrong codes, for every value of the person", async () => {
      const { person, secret } = await enrolled();
      const mfaToken = await mfaTokenOf(person);
      for (let i = 0; i < 5; i++) assert.deepEqual(outcome(await otp(mfaToken, "12345")), INVALID);
      const right = await otp(await mfaTokenOf(person), codeOf(secret));
      assert.deepEqual(outcome(right), [429, "too_many_attempts"]);
      ahead += 40_000;
      assert.equal((await otp(mfaToken, codeOf(secret))).status, 200);
    });

    it("lets one of 64 at once through", async () => {
      const { person, secret } = await enrolled();
      const mfaToken = await mfaTokenOf(person);
      const code = codeOf(secret);
      const answers = await Promise.all(Array.from({ length: 64 }, () => otp(mfaToken, code)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    });

    it("takes a recovery code once and gives a new one; none counts without an app", async () => {
      const { person, recovery_codes: codes } = await enrolled();
      const use = async (code: string, mfaToken?: string) =>
        token({
          grant_type: RECOVERY,
          mfa_token: mfaToken ?? (await mfaTokenOf(person)),
          recovery_code: code,
        });
      const [first = ""] = codes;
      assert.deepEqual(outcome(await use("aaaa-aaaa-aaaa-aaaa")), INVALID);
      const { status, body } = await use(first);
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual(outcome(await use(first)), INVALID);
      assert.equal((await use(body["recovery_code"] ?? "")).status, 200);
      const stranger = await signUp(server.url);
      const mfaToken = await mfaTokenOf(stranger);
      const begun = await associate(mfaToken);
      assert.deepEqual(outcome(await use(begun.recovery_codes[0] ?? "", mfaToken)), INVALID);
      assert.deepEqual(outcome(await use(codes[1] ?? "", mfaToken)), INVALID);
    });

    it("lets nobody who has a factor add or remove one without proving it", async () => {
      const { person, id, secret } = await enrolled();
      const mfaToken = await mfaTokenOf(person);
      const json = { authenticator_types: ["otp"] };
      assert.equal((await call("associate", mfaToken, { json })).status, 403);
      for (const other of [id, "recovery-code", "x"])
        assert.equal((await call(`authenticators/${other}`, mfaToken, { method: "DELETE" })).status, 403);
      assert.equal((await otp(mfaToken, codeOf(secret))).status, 200);
    });

    it("takes no app that was begun before the person got another one", async () => {
      const person = await signUp(server.url);
      const [mine, theirs] = [await mfaTokenOf(person), await mfaTokenOf(person)];
      const early = await associate(theirs);
      const app = await associate(mine);
      assert.deepEqual(outcome(await otp(theirs, codeOf(early.secret))), INVALID);
      assert.equal((await otp(mine, codeOf(app.secret))).status, 200);
      assert.deepEqual(outcome(await otp(theirs, codeOf(app.secret, 1))), INVALID);
      ahead += 60_000;
    });

    it("begins no app beside a telephone that is a second factor", async () => {
      const person = await signUp(server.url);
      const value = await refreshToken(person);
      const before = String((await refresh(value)).body["mfa_token"]);
      const begun = await associate(before);
      await sql`insert into user_phones (user_id, phone, second_factor, confirmed_at)
        values (${person.userId}, '+15550100', 1, 0)`.execute(server.services.storage.db());
      const json = { authenticator_types: ["otp"] };
      assert.equal((await call("associate", before, { json })).status, 403);
      assert.deepEqual(outcome(await otp(before, codeOf(begun.secret))), INVALID);
      assert.deepEqual(outcome(await refresh(value)), [403, "interaction_required"]);
    });

    it("takes an app away that waits for its first code", async () => {
      const mfaToken = await mfaTokenOf(await signUp(server.url));
      const app = await associate(mfaToken);
      assert.equal((await call(`authenticators/${app.id}`, mfaToken, { method: "DELETE" })).status, 204);
      assert.deepEqual(outcome(await otp(mfaToken, codeOf(app.secret))), INVALID);
    });

    it("sends a client without the grant through /authorize, and refuses codes too", async () => {
      const person = await signUp(server.url);
      const answer = await refresh(await refreshToken(person, "plain"), BANK, "plain");
      assert.deepEqual(outcome(answer), [403, "interaction_required"]);
      assert.equal(answer.body["mfa_token"], undefined);
      await assert.rejects(logIn(server.url, person.agent, { resource: BANK, scope: "openid money:send" }), {
        error: "mfa_required",
      });
    });

    it("is announced", async () => {
      const response = await fetch(`${server.url}.well-known/openid-configuration`);
      const metadata = (await response.json()) as Record<string, unknown>;
      assert.equal(metadata["mfa_challenge_endpoint"], `${server.url}mfa/challenge`);
    });
  });
}
