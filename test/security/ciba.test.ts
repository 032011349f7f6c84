import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { answerNewest } from "../support/approvals.ts";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { SHOP, startTestServer, type TestServer } from "../support/server.ts";
import {
  askApproval,
  CREDENTIALS,
  codeFor,
  createProver,
  decode,
  poll,
  post,
  redeemCode,
  refresh,
} from "./attack.ts";

const PURCHASE = JSON.stringify([{ type: "purchase", amount: "10" }]);

/** T03, T04, T05; OpenID CIBA certification cases; KC CVE-2026-9798, better-auth CVE-2025-61928, CVE-2026-45337. */
for (const engine of engines) {
  describe(`backchannel requests on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [, other] = config["clients"] as Record<string, unknown>[];
        Object.assign(other ?? {}, { grantTypes: ["authorization_code", "refresh_token"] });
      });
    });
    after(() => server?.close());

    const newcomer = async () => {
      person = await signUp(server.url);
      return person;
    };
    const ask = async (change: Record<string, string> = {}) =>
      (await askApproval(server.url, person.userId, change)).body["auth_req_id"] ?? "";
    const refused = async (change: Record<string, string>) => {
      const { status, body } = await askApproval(server.url, person.userId, change);
      assert.ok(status >= 400 && status < 500, JSON.stringify({ change, status, body }));
      return body["error"];
    };
    const answerTo = async (id: string, change: Record<string, string> = {}) => {
      const { status, body } = await poll(server.url, id, change);
      return status === 200 ? body : body["error"];
    };

    it("come from a client that has the grant and proves itself", async () => {
      await newcomer();
      assert.match(String(await refused({ client_id: "other" })), /unauthorized_client|invalid_request/);
      assert.equal(await refused({ client_id: "spa", client_secret: "" }), "unauthorized_client");
      assert.equal(await refused({ client_secret: `${CREDENTIALS.client_secret}x` }), "invalid_client");
      assert.equal(await refused({ client_secret: "" }), "invalid_client");
      assert.ok(await ask());
    });

    it("name one user, by one hint that is ours", async () => {
      const mallory = await newcomer();
      const hintFor = (format: string, iss: string, sub: string) => JSON.stringify({ format, iss, sub });
      for (const login_hint of [
        "",
        mallory.email,
        mallory.userId,
        hintFor("email", server.url, mallory.userId),
        hintFor("iss_sub", "https://evil.example/", mallory.userId),
        hintFor("iss_sub", server.url.slice(0, -1), mallory.userId),
        hintFor("iss_sub", server.url, "usr_unknown"),
        hintFor("iss_sub", server.url, "assistant"),
        "[]",
        "null",
        "{",
      ])
        assert.match(String(await refused({ login_hint })), /unknown_user_id|invalid_request/, login_hint);
      const own = (await redeemCode(server.url, await codeFor(server.url, mallory.agent))).body.id_token;
      assert.equal(await refused({ id_token_hint: own }), "invalid_request", "two hints");
      assert.equal(await refused({ login_hint_token: "x" }), "invalid_request", "two hints");
      const foreign = (await logIn(server.url, mallory.agent, { scope: "openid" }, "other")).id_token ?? "";
      for (const id_token_hint of [foreign, own.slice(0, -6), `${own}x`, "x"])
        assert.equal(
          await refused({ login_hint: "", id_token_hint }),
          "invalid_request",
          id_token_hint.slice(0, 20),
        );
    });

    it("live as long as they may ask to, and no longer", async () => {
      await newcomer();
      for (const requested_expiry of [
        "0",
        "-1",
        "1.5",
        "1e3",
        "0x10",
        "259201",
        "9".repeat(20),
        "NaN",
        "Infinity",
        " 60",
        "abc",
      ])
        assert.ok(await refused({ requested_expiry }), requested_expiry);
      assert.equal(
        (await askApproval(server.url, person.userId, { requested_expiry: "259200" })).body["expires_in"],
        259_200,
      );
    });

    it("carry details of the types that the audience has", async () => {
      await newcomer();
      for (const [authorization_details, audience] of [
        [PURCHASE, ""],
        [PURCHASE, `${server.url}me/`],
        [PURCHASE, "https://api.example/"],
        [JSON.stringify([{ type: "transfer" }]), SHOP],
        [JSON.stringify([{ type: "__proto__" }]), SHOP],
        [JSON.stringify([{ type: ["purchase"] }]), SHOP],
        [JSON.stringify({ type: "purchase" }), SHOP],
        ['[{"type":"purchase","amount":"1","amount":"1000"}]', SHOP],
        [`[${"[".repeat(500)}${"]".repeat(500)}]`, SHOP],
        ["x", SHOP],
      ] as const)
        assert.ok(await refused({ authorization_details, audience }), authorization_details.slice(0, 40));
      assert.ok(await ask({ authorization_details: PURCHASE, audience: SHOP }));
    });

    it("bring nothing to a client that guesses, or is not the one that asked", async () => {
      await newcomer();
      const id = await ask();
      await answerNewest(server.url, person, "approve");
      const guesses = Array.from({ length: id.length }, (_, length) => id.slice(0, length)).filter(
        (guess) => guess !== "",
      );
      for (const guess of [...guesses, `${id}x`, ` ${id}`, `${id}\0`, id.toUpperCase()])
        assert.equal(await answerTo(guess), "invalid_grant");
      assert.equal(await answerTo(id, { client_secret: `${CREDENTIALS.client_secret}x` }), "invalid_client");
      assert.equal(await answerTo(id, { client_secret: "" }), "invalid_client");
      assert.match(String(await answerTo(id, { client_id: "other" })), /unauthorized_client|invalid_grant/);
      assert.ok(Object(await answerTo(id)).access_token);
    });

    it("bring their tokens once, to one of 32 parallel polls", async () => {
      await newcomer();
      const id = await ask();
      await answerNewest(server.url, person, "approve");
      const answers = await Promise.all(Array.from({ length: 32 }, () => answerTo(id)));
      assert.equal(answers.filter((answer) => typeof answer === "object").length, 1);
      assert.equal(await answerTo(id), "invalid_grant");
    });

    it("are not spent by a poll whose proof does not hold", async () => {
      await newcomer();
      const id = await ask();
      await answerNewest(server.url, person, "approve");
      const token = `${server.url}oauth/token`;
      const params = { grant_type: "urn:openid:params:grant-type:ciba", auth_req_id: id, ...CREDENTIALS };
      const wrong = createProver().proof("GET", token);
      assert.equal((await post(token, params, { dpop: wrong })).body["error"], "invalid_dpop_proof");
      assert.ok(Object(await answerTo(id)).access_token);
    });

    it("bring exactly the scopes that were shown, and show none that we do not know", async () => {
      await newcomer();
      const id = await ask({
        authorization_details: PURCHASE,
        audience: SHOP,
        scope: "openid orders:create NO-MONEY-WILL-BE-SPENT admin settings:write",
      });
      const { asked } = await answerNewest(server.url, person, "approve");
      assert.ok(asked.text.includes("Place orders"));
      assert.ok(!asked.text.includes("NO-MONEY") && !asked.text.includes("settings:write"));
      const body = Object(await answerTo(id));
      assert.equal(decode(body.access_token).claims["scope"], "orders:create");
    });

    it("bring a refresh token for what was approved, not for all that the client may have", async () => {
      await newcomer();
      const id = await ask({ scope: "openid offline_access" });
      await answerNewest(server.url, person, "approve");
      const token = Object(await answerTo(id)).refresh_token ?? "";
      assert.notEqual(token, "");
      for (const audience of [SHOP, `${server.url}me/`])
        assert.equal(
          (await refresh(server.url, token, { audience })).body["error"],
          "invalid_target",
          audience,
        );
      assert.equal(
        (await refresh(server.url, token, { scope: "openid email" })).body["error"],
        "invalid_scope",
      );
      assert.equal((await refresh(server.url, token)).status, 200);
    });

    it("better-auth CVE-2025-61928, CVE-2026-45337: are answered by the person who was asked, whoever the form names", async () => {
      const asked = await newcomer();
      const id = await ask();
      const mallory = await signUp(server.url);
      const path =
        /\/approvals\/apr_[0-9a-z]+/.exec((await asked.agent.open(`${server.url}approvals`)).text)?.[0] ?? "";
      assert.equal((await mallory.agent.open(new URL(path, server.url).href)).status, 404);
      const page = await asked.agent.open(new URL(path, server.url).href);
      const fields = { decision: "approve", user_id: asked.userId, userId: asked.userId, sub: asked.userId };
      assert.ok((await mallory.agent.submit(page, fields)).status >= 400);
      assert.equal(await answerTo(id), "authorization_pending");
    });

    it("cannot be approved, nor fetched, once the client is switched off", async () => {
      await newcomer();
      const { clients } = server.services.admin;
      const id = await ask();
      await clients.setDisabled("assistant", true);
      const { answered } = await answerNewest(server.url, person, "approve");
      assert.ok(answered.status >= 400, String(answered.status));
      assert.equal(await answerTo(id), "invalid_client");
      await clients.setDisabled("assistant", false);
      assert.notEqual(typeof (await answerTo(id)), "object");
    });

    it("bring nothing once the person is switched off", async () => {
      await newcomer();
      const id = await ask();
      await answerNewest(server.url, person, "approve");
      await server.services.admin.users.setDisabled(person.userId, true);
      assert.equal(await answerTo(id), "invalid_grant");
      assert.equal(await refused({}), "unknown_user_id");
    });

    it("KC CVE-2026-9798: cannot wear a person out: of 200 at once the inbox shows three", async () => {
      await newcomer();
      const asked = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          askApproval(server.url, person.userId, { binding_message: `Order ${i}` }),
        ),
      );
      assert.equal(asked.filter(({ status }) => status === 200).length, 3);
      const inbox = await person.agent.open(`${server.url}approvals`);
      assert.equal(new Set(inbox.text.match(/\/approvals\/apr_[0-9a-z]+/g)).size, 3);
    });
  });
}
