import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { PASSWORD, type Person, signUp } from "../support/person.ts";
import { startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent } from "../support/user-agent.ts";
import { codeFor, decode, honest, isApp, openAuthorize, redeemCode, s256, VERIFIER } from "./attack.ts";

/** T07, T10, T19; authentik CVE-2023-48228, workers-oauth-provider CVE-2025-4144, ZITADEL CVE-2026-55672, -27840, KC CVE-2026-7571, better-auth 9198. */
for (const engine of protocolEngines) {
  describe(`authorization codes on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [, other] = config["clients"] as Record<string, unknown>[];
        Object.assign(other ?? {}, { firstParty: true });
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const answerOf = (address: string) => Object.fromEntries(new URL(address).searchParams);
    const authorize = (params: Record<string, string>) =>
      openAuthorize(server.url, person.agent, { ...honest(), ...params });

    const challenges: Record<string, Record<string, string>> = {
      none: { code_challenge: "", code_challenge_method: "" },
      plain: { code_challenge: VERIFIER, code_challenge_method: "plain" },
      "plain by omission": { code_challenge: VERIFIER, code_challenge_method: "" },
      "S256 without a challenge": { code_challenge: "" },
      s256: { code_challenge_method: "s256" },
      S512: { code_challenge_method: "S512" },
      "too short": { code_challenge: "abc" },
      "too long": { code_challenge: "a".repeat(129) },
      "not base64url": { code_challenge: `${s256(VERIFIER).slice(0, -1)}=` },
    };
    for (const [name, params] of Object.entries(challenges))
      it(`are not given for the challenge ${name}`, async () => {
        assert.equal(answerOf((await authorize(params)).address)["error"], "invalid_request");
      });

    const verifiers: Record<string, string | undefined> = {
      none: undefined,
      empty: "",
      wrong: `${VERIFIER}x`,
      "the challenge itself": s256(VERIFIER),
      "in another case": VERIFIER.toUpperCase(),
      "with a space": `${VERIFIER} `,
      "cut short": VERIFIER.slice(0, 42),
    };
    for (const [name, code_verifier] of Object.entries(verifiers))
      it(`are worth nothing with a verifier that is ${name}`, async () => {
        const code = await codeFor(server.url, person.agent);
        const { status, body } = await redeemCode(server.url, code, { code_verifier });
        assert.equal(status, 400);
        // A verifier that cannot be one is malformed (RFC 7636 section 4.1); any other one is wrong.
        assert.match(body.error, /^invalid_(grant|request)$/);
      });

    it("are good with the right verifier", async () => {
      assert.equal((await redeemCode(server.url, await codeFor(server.url, person.agent))).status, 200);
    });

    it("belong to the client that asked: another one gets nothing, with its own proof or without", async () => {
      const code = await codeFor(server.url, person.agent);
      for (const change of [
        { client_id: "other" },
        { client_id: "other", client_secret: undefined },
        { client_id: "spa", client_secret: undefined },
        { client_secret: undefined },
        { client_secret: "" },
        { client_secret: `${TEST_SECRET}x` },
      ]) {
        const { status, body } = await redeemCode(server.url, code, change);
        assert.ok(status === 400 || status === 401, JSON.stringify(change));
        assert.ok(["invalid_grant", "invalid_client", "invalid_request"].includes(body.error));
      }
    });

    it("are worth nothing when cut at any length, or with anything added", async () => {
      const code = await codeFor(server.url, person.agent);
      const spellings = [
        ...Array.from({ length: code.length }, (_, length) => code.slice(0, length)),
        `${code}x`,
        `${code}\0`,
        ` ${code}`,
        code.toLowerCase() === code ? code.toUpperCase() : code.toLowerCase(),
      ];
      for (const spelling of spellings) assert.equal((await redeemCode(server.url, spelling)).status, 400);
      assert.equal((await redeemCode(server.url, code)).status, 200);
    });

    it("end what they brought when they come a second time", async () => {
      const code = await codeFor(server.url, person.agent);
      const { body } = await redeemCode(server.url, code);
      assert.equal((await redeemCode(server.url, code)).body.error, "invalid_grant");
      const info = await fetch(`${server.url}userinfo`, {
        headers: { authorization: `Bearer ${body.access_token}` },
      });
      assert.equal(info.status, 401);
    });

    it("come back with state and issuer as they were, and the nonce in the ID token", async () => {
      const odd = "a b&c=d#e%20'\"<>\u00e9";
      const { address } = await authorize({ state: odd, nonce: odd });
      const answer = answerOf(address);
      assert.deepEqual([answer["state"], answer["iss"]], [odd, server.url]);
      const { body } = await redeemCode(server.url, answer["code"] ?? "");
      assert.equal(decode(body.id_token).claims["nonce"], odd);
      const refused = answerOf((await authorize({ state: odd, scope: "openid", prompt: "x" })).address);
      assert.deepEqual(
        [refused["error"], refused["state"], refused["iss"]],
        ["invalid_request", odd, server.url],
      );
    });

    it("KC CVE-2026-7571: are the only thing there is: implicit and hybrid answers do not exist", async () => {
      for (const response_type of [
        "token",
        "id_token",
        "code token",
        "code id_token",
        "none",
        "id_token token",
      ]) {
        const answer = answerOf((await authorize({ response_type })).address.replace("#", "?"));
        assert.equal(answer["error"], "unsupported_response_type", response_type);
      }
    });

    it("are what a request ends with that asked for a code, whatever is said on the way", async () => {
      const agent = createUserAgent();
      const asks = await openAuthorize(server.url, agent, honest());
      const extra =
        "response_type=token&redirect_uri=https://evil.example/&scope=openid+offline_access&client_id=other";
      const form = { ...asks, forms: asks.forms.map((it) => ({ ...it, action: `${it.action}?${extra}` })) };
      let resume = "";
      const page = await agent.submit(
        form,
        { email: person.email, password: PASSWORD, ...Object.fromEntries(new URLSearchParams(extra)) },
        {
          stopAt: (target) => {
            if (/\/authorize\/[^/]+$/.test(target)) resume = target;
            return resume !== "" || isApp(target);
          },
        },
      );
      assert.ok(resume, page.address);
      const done = await agent.open(`${resume}?${extra}`, { stopAt: isApp });
      const answer = answerOf(done.address);
      assert.ok(isApp(done.address) && answer["code"] && !answer["access_token"], done.address);
      assert.equal((await redeemCode(server.url, answer["code"] ?? "")).body.scope, "openid");
    });

    it("FastMCP GHSA-rww4-4w9c-7733: are not given to a browser that only has the address of somebody's request", async () => {
      const attacker = createUserAgent();
      const asks = await openAuthorize(server.url, attacker, honest());
      const interaction = new URL(asks.address).searchParams.get("return_to") ?? "";
      assert.match(interaction, /^\/interaction\//);
      for (const path of [interaction, interaction.replace("/interaction/", "/authorize/")]) {
        const page = await person.agent.open(new URL(path, server.url).href, { stopAt: isApp });
        assert.equal(page.status, 400, path);
      }
    });

    it("better-auth issue 9198: wait for a new log-in when the app asks for one, and none is skipped", async () => {
      for (const params of [{ prompt: "login" }, { max_age: "0" }] as Record<string, string>[]) {
        const page = await authorize(params);
        assert.equal(new URL(page.address).pathname, "/login", JSON.stringify(params));
        // The request goes on where it waits, but not with the old log-in.
        const back = new URL(page.address).searchParams.get("return_to") ?? "";
        const again = await person.agent.open(new URL(back, server.url).href, { stopAt: isApp });
        assert.equal(new URL(again.address).pathname, "/login");
        const done = await person.agent.submit(
          again,
          { email: person.email, password: PASSWORD },
          { stopAt: isApp },
        );
        assert.ok(answerOf(done.address)["code"], done.address);
      }
    });

    it("are refused without a word to the person when prompt is none and something is missing", async () => {
      const stranger = await openAuthorize(server.url, createUserAgent(), { ...honest(), prompt: "none" });
      assert.equal(answerOf(stranger.address)["error"], "login_required");
      const both = await authorize({ prompt: "none login" });
      assert.equal(answerOf(both.address)["error"], "invalid_request");
      for (const max_age of ["-1", "x", "1.5", "9".repeat(30)])
        assert.equal(answerOf((await authorize({ max_age })).address)["error"], "invalid_request", max_age);
    });

    it("are not given for somebody else than the hint names", async () => {
      const mallory = await signUp(server.url);
      const hint = (await redeemCode(server.url, await codeFor(server.url, mallory.agent))).body.id_token;
      const silent = await authorize({ id_token_hint: hint, prompt: "none" });
      assert.equal(answerOf(silent.address)["error"], "login_required");
      const asked = await authorize({ id_token_hint: hint });
      assert.equal(new URL(asked.address).pathname, "/login");
      for (const broken of [hint.slice(0, -4), `${hint.split(".").slice(0, 2).join(".")}.`, "x"]) {
        const { address } = await authorize({ id_token_hint: broken });
        assert.equal(answerOf(address)["error"], "invalid_request");
      }
    });
  });
}
