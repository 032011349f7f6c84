import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { decodeJwt } from "jose";
import {
  type Authenticator,
  type Change,
  type CreationOptions,
  createAuthenticator,
  type RequestOptions,
} from "../support/authenticator.ts";
import { engines } from "../support/engines.ts";
import { SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

const GRANT = "urn:okta:params:oauth:grant-type:webauthn";
const APP_ORIGIN = "https://app.example";

interface Asked<T> {
  readonly auth_session: string;
  readonly authn_params_public_key: T;
}

/** Passkeys that an app asks for itself, and what an app or a stranger must not get by them. */
for (const engine of engines)
  describe(`the passkey grant on ${engine.name}`, () => {
    let server: TestServer;
    let now = Date.now();
    let people = 0;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer(
        (config) => {
          config["storage"] = storage;
          const passkey = { firstParty: true, grantTypes: ["passkey", "refresh_token"] };
          (config["clients"] as object[]).push(
            { ...passkey, id: "native", name: "Native app", webOrigins: [APP_ORIGIN] },
            { ...passkey, id: "neighbour", name: "Neighbour", apis: { [SHOP]: { scopes: ["orders:read"] } } },
            { ...passkey, id: "backend", name: "Backend", secret: { env: "SECRET" } },
            { ...passkey, id: "third", name: "Third party", firstParty: false },
          );
        },
        { clock: { now: () => now } },
      );
    });
    after(() => server?.close());

    const json = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
      const response = await fetch(new URL(path, server.url), {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    };
    const challenge = async (clientId = "native") =>
      (await json("passkey/challenge", { client_id: clientId })).body as Asked<RequestOptions>;
    const register = async (email: string, clientId = "native") =>
      (
        await json("passkey/register", {
          client_id: clientId,
          user_profile: { email, name: "Anne Example" },
          realm: "Username-Password-Authentication",
        })
      ).body as Asked<CreationOptions>;
    const redeem = (asked: { auth_session: string }, answer: string, more: Record<string, unknown> = {}) =>
      json("oauth/token", {
        grant_type: GRANT,
        client_id: "native",
        auth_session: asked.auth_session,
        authn_response: JSON.parse(answer),
        scope: "openid email offline_access",
        ...more,
      });
    const originOf = () => new URL(server.url).origin;

    async function signUp(clientId = "native") {
      const email = `app-${engine.name}-${++people}@example.com`.toLowerCase();
      const authenticator = createAuthenticator(APP_ORIGIN);
      const asked = await register(email, clientId);
      const answer = authenticator.create(asked.authn_params_public_key);
      return { email, authenticator, ...(await redeem(asked, answer, { client_id: clientId })) };
    }

    async function logIn(authenticator: Authenticator, change: Change = {}, more: object = {}) {
      const asked = await challenge();
      return redeem(asked, authenticator.get(asked.authn_params_public_key, change), { ...more });
    }

    it("signs up and logs in, with tokens that say how", async () => {
      const { email, authenticator, status, body } = await signUp();
      assert.equal(status, 200, JSON.stringify(body));
      const again = await logIn(authenticator);
      assert.equal(again.status, 200, JSON.stringify(again.body));
      const claims = decodeJwt(again.body.id_token);
      assert.equal(claims.sub, decodeJwt(body.id_token).sub);
      assert.equal(claims["email"], email);
      assert.equal(claims["email_verified"], false);
      assert.deepEqual(claims["amr"], ["pop", "user", "mfa"]);
      assert.equal(claims["acr"], "phr");
      const refreshed = await json("oauth/token", {
        grant_type: "refresh_token",
        client_id: "native",
        refresh_token: again.body.refresh_token,
      });
      assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
    });

    it("takes the answer as text in a form, a secret where there is one, and an audience", async () => {
      const { authenticator } = await signUp();
      const asked = await challenge("backend");
      const form = (secret: string) =>
        fetch(new URL("oauth/token", server.url), {
          method: "POST",
          body: new URLSearchParams({
            grant_type: GRANT,
            client_id: "backend",
            client_secret: secret,
            auth_session: asked.auth_session,
            authn_response: authenticator.get(asked.authn_params_public_key, { origin: originOf() }),
            scope: "openid",
          }),
        });
      assert.equal((await form("wrong")).status, 401);
      assert.equal((await form(TEST_SECRET)).status, 200, "a wrong secret has spent nothing");
      const other = await challenge("neighbour");
      const answer = authenticator.get(other.authn_params_public_key, { origin: originOf() });
      const { body } = await redeem(other, answer, {
        client_id: "neighbour",
        audience: SHOP,
        scope: "openid orders:read orders:create",
      });
      assert.deepEqual(
        String(decodeJwt(body.access_token)["scope"])
          .split(" ")
          .filter((scope) => scope.startsWith("orders")),
        ["orders:read"],
      );
    });

    it("refuses an answer that is not as it must be, always in the same words", async () => {
      const { authenticator } = await signUp();
      const other = await signUp();
      const changes: Change[] = [
        { origin: "https://evil.example" },
        { origin: `${APP_ORIGIN}.evil.example` },
        { crossOrigin: true },
        { rpId: "app.example" },
        { type: "webauthn.create" },
        { challenge: Buffer.alloc(32, 1).toString("base64url") },
        { present: false },
        { verified: false },
        { breakSignature: true },
        { credentialId: other.authenticator.credentialId },
        { userHandle: other.authenticator.userHandle },
        { userHandle: null },
        { counter: 1 },
      ];
      for (const change of changes) {
        const { status, body } = await logIn(authenticator, change);
        assert.equal(status, 400, JSON.stringify(change));
        assert.deepEqual(
          body,
          { error: "invalid_grant", error_description: "the passkey was not accepted" },
          JSON.stringify(change),
        );
      }
      assert.equal((await logIn(authenticator)).status, 200);
    });

    it("counts an answer once, with its auth_session, for its client, in time", async () => {
      const { authenticator } = await signUp();
      const [asked, other] = [await challenge(), await challenge()];
      const answer = authenticator.get(asked.authn_params_public_key);
      assert.equal((await redeem(other, answer)).body.error, "invalid_grant", "another auth_session");
      assert.equal((await redeem(asked, answer, { client_id: "neighbour" })).body.error, "invalid_grant");
      assert.equal((await redeem(asked, answer, { client_id: "spa" })).status, 403);
      assert.equal((await redeem(asked, answer)).status, 200);
      assert.equal((await redeem(asked, answer)).body.error, "invalid_grant", "replayed");
      const late = await challenge();
      now += 5 * 60_000;
      const answered = authenticator.get(late.authn_params_public_key);
      assert.equal((await redeem(late, answered)).body.error, "invalid_grant", "expired");
    });

    it("gives tokens to one of 64 who bring the same answer", async () => {
      const { authenticator } = await signUp();
      const asked = await challenge();
      const answer = authenticator.get(asked.authn_params_public_key);
      const answers = await Promise.all(Array.from({ length: 64 }, () => redeem(asked, answer)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    });

    it("takes no answer of our own page, nor gives that page one", async () => {
      const { authenticator } = await signUp();
      const page = await fetch(`${server.url}login`);
      const cookie = page.headers.getSetCookie()[0]?.split(";")[0] ?? "";
      const token = /name="form_token" value="([^"]+)"/.exec(await page.text())?.[1] ?? "";
      const options = await fetch(`${server.url}login/passkey/options`, {
        method: "POST",
        headers: { cookie, origin: originOf() },
        body: new URLSearchParams({ form_token: token }),
      });
      const ours = (await options.json()) as RequestOptions;
      const asked = await challenge();
      assert.equal((await redeem(asked, authenticator.get(ours))).body.error, "invalid_grant");
      const login = await fetch(`${server.url}login/passkey/start`, {
        method: "POST",
        headers: { cookie, origin: originOf() },
        body: new URLSearchParams({
          form_token: token,
          answer: authenticator.get(asked.authn_params_public_key, { origin: originOf() }),
        }),
        redirect: "manual",
      });
      assert.equal(login.status, 401);
    });

    it("tells nobody whether an address has an account, and makes no second one", async () => {
      const first = await signUp();
      const asked = await register(first.email);
      assert.ok(asked.auth_session, "options as for anybody");
      const answer = createAuthenticator(APP_ORIGIN).create(asked.authn_params_public_key);
      const { status, body } = await redeem(asked, answer);
      assert.equal(status, 400);
      assert.deepEqual(body, {
        error: "invalid_grant",
        error_description: "the passkey was not accepted",
      });
    });

    it("is closed to clients without it, that need consent, and to nobody's", async () => {
      for (const path of ["passkey/challenge", "passkey/register"])
        for (const clientId of ["spa", "nobody", "assistant"]) {
          const user_profile = { email: "a@example.com", name: "A" };
          const { status, body } = await json(path, { client_id: clientId, user_profile });
          assert.equal(status, 403, `${path} ${clientId}`);
          assert.equal(body.error, "unauthorized_client");
        }
      const { authenticator } = await signUp();
      const asked = await challenge("third");
      const answer = authenticator.get(asked.authn_params_public_key, { origin: originOf() });
      assert.equal((await redeem(asked, answer, { client_id: "third" })).body.error, "unauthorized_client");
    });

    it("refuses bodies that are something else", async () => {
      for (const body of ["", "{", "[]", "null", {}, { client_id: 1 }, { client_id: "x".repeat(3_000) }])
        assert.equal((await json("passkey/challenge", body)).status, 400, JSON.stringify(body));
      for (const profile of [undefined, {}, { email: "" }, { email: "x".repeat(255) }, { email: 1 }])
        assert.equal(
          (await json("passkey/register", { client_id: "native", user_profile: profile })).status,
          400,
        );
      const { authenticator } = await signUp();
      const asked = await challenge();
      const answer = authenticator.get(asked.authn_params_public_key);
      const base = { grant_type: GRANT, client_id: "native", auth_session: asked.auth_session };
      for (const [name, body] of Object.entries({
        "no answer": base,
        "an empty answer": { ...base, authn_response: {} },
        "a list": { ...base, authn_response: [] },
        "no session": { ...base, auth_session: "", authn_response: JSON.parse(answer) },
        "another nested member": { ...base, authn_response: JSON.parse(answer), scope: { openid: true } },
        "a member twice": `{"grant_type":"${GRANT}","client_id":"native","auth_session":"${asked.auth_session}","authn_response":${answer.replace("{", '{"id":"x",')}}`,
      }))
        assert.equal((await json("oauth/token", body)).status, 400, name);
      assert.equal((await redeem(asked, answer)).status, 200, "none of them spent it");
    });

    it("lets the client's own pages read the answers, and no others", async () => {
      for (const [origin, allowed] of [
        [APP_ORIGIN, APP_ORIGIN],
        ["https://evil.example", null],
      ] as const) {
        const { headers } = await json("passkey/challenge", { client_id: "native" }, { origin });
        assert.equal(headers.get("access-control-allow-origin"), allowed);
        const preflight = await fetch(`${server.url}passkey/challenge`, {
          method: "OPTIONS",
          headers: { origin, "access-control-request-method": "POST" },
        });
        assert.equal(preflight.headers.get("access-control-allow-origin"), allowed);
      }
      const other = await json("passkey/challenge", { client_id: "neighbour" }, { origin: APP_ORIGIN });
      assert.equal(other.headers.get("access-control-allow-origin"), null);
    });

    it("makes no account where nobody can sign up", async () => {
      const closed = await startTestServer((config) => {
        config["login"] = { signUp: false };
        const client = { id: "native", name: "App", firstParty: true, grantTypes: ["passkey"] };
        (config["clients"] as object[]).push(client);
      });
      const body = JSON.stringify({ client_id: "native", user_profile: { email: "a@example.com" } });
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${closed.url}passkey/register`, { method: "POST", headers, body });
      assert.equal(response.status, 403);
      assert.equal((await response.json()).error, "access_denied");
      assert.equal((await fetch(`${closed.url}signup/passkey`, { method: "POST" })).status, 404);
      await closed.close();
    });
  });
