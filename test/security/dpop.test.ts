import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { calculateJwkThumbprint, type JWK } from "jose";
import { engines } from "../support/engines.ts";
import { type Person, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { type Claims, codeFor, createProver, decode, post, refresh, VERIFIER } from "./attack.ts";

const ACCOUNTS = "me/v1/connected-accounts/accounts";
const SCOPE = "openid offline_access read:me:connected_accounts";
const SPA_URI = "http://localhost:3999/spa";
const athOf = (token: string) => createHash("sha256").update(token).digest("base64url");
type Prover = ReturnType<typeof createProver>;
// The members of a P-256 key, which Node exports as optional.
const thumbprintOf = ({ jwk }: Prover) => calculateJwkThumbprint(jwk as JWK);

/** RFC 9449: a token that is bound to a key is good with a proof of it, and each proof once. */
for (const engine of engines)
  for (const requireNonce of [false, true])
    describe(`DPoP on ${engine.name}${requireNonce ? " with nonces" : ""}`, () => {
      let server: TestServer;
      let person: Person;
      let nonce = "";

      before(async () => {
        const storage = await engine.storage();
        server = await startTestServer((config) => {
          config["storage"] = storage;
          config["dpop"] = { requireNonce };
          const [, , spa] = config["clients"] as Record<string, unknown>[];
          Object.assign(spa ?? {}, { firstParty: true });
        });
        person = await signUp(server.url);
        if (!requireNonce) return;
        const answer = await fetch(`${server.url}oauth/token`, {
          method: "POST",
          headers: { dpop: createProver().proof("POST", `${server.url}oauth/token`) },
          body: new URLSearchParams({ client_id: "spa", grant_type: "refresh_token", refresh_token: "x" }),
        });
        assert.equal(((await answer.json()) as { error: string }).error, "use_dpop_nonce");
        nonce = answer.headers.get("dpop-nonce") ?? assert.fail("no nonce");
      });
      after(() => server?.close());

      const proofOf = (prover: Prover, method: string, path: string, change: Claims = {}) =>
        prover.proof(method, `${server.url}${path}`, { ...(requireNonce ? { nonce } : {}), ...change });
      const redeemAsSpa = (code: string, dpop: string | undefined) =>
        post(
          `${server.url}oauth/token`,
          {
            grant_type: "authorization_code",
            client_id: "spa",
            redirect_uri: SPA_URI,
            code_verifier: VERIFIER,
            code,
          },
          dpop === undefined ? {} : { dpop },
        );
      const asked = (more: Record<string, string> = {}) =>
        codeFor(server.url, person.agent, {
          client_id: "spa",
          redirect_uri: SPA_URI,
          scope: SCOPE,
          resource: `${server.url}me/`,
          ...more,
        });
      const issue = async (prover: Prover) => {
        const { body } = await redeemAsSpa(await asked(), proofOf(prover, "POST", "oauth/token"));
        return {
          token: body["access_token"] ?? assert.fail(JSON.stringify(body)),
          refreshToken: body["refresh_token"] ?? "",
        };
      };
      const get = async (path: string, authorization: string, dpop?: string) => {
        const answer = await fetch(`${server.url}${path}`, {
          headers: { authorization, ...(dpop === undefined ? {} : { dpop }) },
        });
        if (answer.status === 401)
          assert.match(answer.headers.get("www-authenticate") ?? "", /^(DPoP|Bearer)/);
        return answer.status;
      };

      it("opens /userinfo and our own APIs with a proof, and each proof once", async () => {
        const prover = createProver();
        const { token } = await issue(prover);
        assert.deepEqual(decode(token).claims["cnf"], { jkt: await thumbprintOf(prover) });
        for (const path of ["userinfo", ACCOUNTS]) {
          const proof = proofOf(prover, "GET", path, { ath: athOf(token) });
          assert.equal(await get(path, `DPoP ${token}`, proof), 200, path);
          assert.equal(await get(path, `DPoP ${token}`, proof), 401, `${path} again`);
        }
      });

      it("refuses at each place every other proof, and none", async () => {
        const prover = createProver();
        const { token } = await issue(prover);
        const ath = athOf(token);
        const now = Math.floor(Date.now() / 1_000);
        for (const path of ["userinfo", ACCOUNTS]) {
          const bad: Record<string, [string, string?]> = {
            "no proof": [`DPoP ${token}`],
            "as a bearer": [`Bearer ${token}`],
            "as a bearer with a proof": [`Bearer ${token}`, proofOf(prover, "GET", path, { ath })],
            "another key": [`DPoP ${token}`, proofOf(createProver(), "GET", path, { ath })],
            "another method": [`DPoP ${token}`, proofOf(prover, "POST", path, { ath })],
            "another address": [`DPoP ${token}`, proofOf(prover, "GET", `${path}x`, { ath })],
            "another token": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath: athOf("x") })],
            "no token": [`DPoP ${token}`, proofOf(prover, "GET", path)],
            "no id": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath, jti: undefined })],
            "no time": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath, iat: undefined })],
            "no proof's text": [`DPoP ${token}`, "x.y.z"],
            "two proofs": [
              `DPoP ${token}`,
              [proofOf(prover, "GET", path, { ath }), proofOf(prover, "GET", path, { ath })].join(", "),
            ],
            ...(requireNonce
              ? {
                  "no nonce": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath, nonce: undefined })],
                  "a made up nonce": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath, nonce: "x" })],
                }
              : {
                  "an old proof": [`DPoP ${token}`, proofOf(prover, "GET", path, { ath, iat: now - 400 })],
                  "a proof of the future": [
                    `DPoP ${token}`,
                    proofOf(prover, "GET", path, { ath, iat: now + 400 }),
                  ],
                }),
          };
          for (const [name, [authorization, proof]] of Object.entries(bad))
            assert.notEqual(await get(path, authorization, proof), 200, `${name} at ${path}`);
        }
      });

      it("lets one of 64 uses of a proof at once through at our own APIs", async () => {
        const prover = createProver();
        const { token } = await issue(prover);
        const proof = proofOf(prover, "GET", ACCOUNTS, { ath: athOf(token) });
        const answers = await Promise.all(
          Array.from({ length: 64 }, () => get(ACCOUNTS, `DPoP ${token}`, proof)),
        );
        assert.equal(answers.filter((status) => status === 200).length, 1);
      });

      it("takes no token that is bound to nothing", async () => {
        const { body } = await redeemAsSpa(await asked(), undefined);
        const token = body["access_token"] ?? "";
        assert.equal(await get(ACCOUNTS, `Bearer ${token}`), 200);
        const proof = proofOf(createProver(), "GET", ACCOUNTS, { ath: athOf(token) });
        assert.equal(await get(ACCOUNTS, `DPoP ${token}`, proof), 401);
      });

      it("binds a code to the key that was named with the request", async () => {
        const prover = createProver();
        const dpop_jkt = await thumbprintOf(prover);
        const [stolen, own, bare] = [
          await asked({ dpop_jkt }),
          await asked({ dpop_jkt }),
          await asked({ dpop_jkt }),
        ];
        const thief = await redeemAsSpa(stolen, proofOf(createProver(), "POST", "oauth/token"));
        assert.equal(thief.body["error"], "invalid_grant");
        assert.equal((await redeemAsSpa(bare, undefined)).body["error"], "invalid_grant");
        assert.equal((await redeemAsSpa(own, proofOf(prover, "POST", "oauth/token"))).status, 200);
      });

      it("binds a public client's refresh token to the key", async () => {
        const prover = createProver();
        const { refreshToken } = await issue(prover);
        const again = (dpop: string | undefined) =>
          post(
            `${server.url}oauth/token`,
            { grant_type: "refresh_token", client_id: "spa", refresh_token: refreshToken },
            dpop === undefined ? {} : { dpop },
          );
        assert.equal((await again(undefined)).status, 400);
        assert.equal((await again(proofOf(createProver(), "POST", "oauth/token"))).status, 400);
        assert.equal((await refresh(server.url, refreshToken)).status, 400);
        const { status, body } = await again(proofOf(prover, "POST", "oauth/token"));
        assert.deepEqual([status, body["token_type"]], [200, "DPoP"]);
      });

      if (requireNonce)
        it("says which nonce to send", async () => {
          const prover = createProver();
          const { token } = await issue(prover);
          const answer = await fetch(`${server.url}${ACCOUNTS}`, {
            headers: {
              authorization: `DPoP ${token}`,
              dpop: proofOf(prover, "GET", ACCOUNTS, { ath: athOf(token), nonce: undefined }),
            },
          });
          assert.equal(answer.status, 401);
          assert.equal(answer.headers.get("www-authenticate"), 'DPoP error="use_dpop_nonce"');
          const given = answer.headers.get("dpop-nonce") ?? "";
          const proof = proofOf(prover, "GET", ACCOUNTS, { ath: athOf(token), nonce: given });
          assert.equal(await get(ACCOUNTS, `DPoP ${token}`, proof), 200);
        });
    });
