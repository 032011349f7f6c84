import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { CALLBACK, type Person, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { codeFor, decode, honest, openAuthorize, redeemCode, s256, VERIFIER } from "./attack.ts";

/** What one redemption does differently. The first value of each is the honest one. */
const DIMENSIONS = {
  verifier: ["right", "wrong", "none", "empty"],
  code: ["right", "other client's", "replayed", "truncated", "expired"],
  client: ["right", "other", "wrong secret", "no secret", "public"],
  redirectUri: ["same", "missing", "other", "empty"],
} as const;
type Dimensions = typeof DIMENSIONS;
type Cell = { readonly [K in keyof Dimensions]: Dimensions[K][number] };

const CELLS: readonly Cell[] = DIMENSIONS.verifier.flatMap((verifier) =>
  DIMENSIONS.code.flatMap((code) =>
    DIMENSIONS.client.flatMap((client) =>
      DIMENSIONS.redirectUri.map((redirectUri) => ({ verifier, code, client, redirectUri })),
    ),
  ),
);

/** What the specification makes of a cell, in its order: who asks, then what they ask with. */
function expected({ verifier, code, client, redirectUri }: Cell): readonly [number, ...string[]] {
  // RFC 6749 section 2.3 and 5.2: nothing is read for somebody who is not who they say.
  if (client === "wrong secret" || client === "no secret") return [401, "invalid_client"];
  // Section 4.1.3: required, as it was in the authorization request. A client with one address may leave it out.
  const leftOut = redirectUri === "missing" || redirectUri === "empty";
  if (client === "right" && leftOut) return [400, "invalid_request"];
  const owner = code === "other client's" ? "other" : "right";
  const isLive = code === "right" || code === "other client's";
  const fits = redirectUri === "same" || leftOut;
  if (isLive && client === owner && verifier === "right" && fits) return [200];
  return [400, "invalid_grant"];
}

const CLIENTS: Readonly<Record<Cell["client"], Record<string, string | undefined>>> = {
  right: {},
  other: { client_id: "other" },
  "wrong secret": { client_secret: `${TEST_SECRET}x` },
  "no secret": { client_secret: undefined },
  public: { client_id: "spa", client_secret: undefined },
};
const VERIFIERS: Readonly<Record<Cell["verifier"], string | undefined>> = {
  right: VERIFIER,
  wrong: "w".repeat(43),
  none: undefined,
  empty: "",
};
const REDIRECTS: Readonly<Record<Cell["redirectUri"], string | undefined>> = {
  same: CALLBACK,
  missing: undefined,
  other: `${APP_URL}/auth/other`,
  empty: "",
};

/** T10, G08. */
for (const engine of protocolEngines) {
  describe(`a code on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        for (const client of config["clients"] as Record<string, unknown>[])
          Object.assign(client, { firstParty: true });
        const [assistant, , spa] = config["clients"] as Record<string, unknown>[];
        Object.assign(assistant ?? {}, { redirectUris: [CALLBACK, `${APP_URL}/auth/other`] });
        Object.assign(spa ?? {}, { redirectUris: [CALLBACK] });
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    const fresh = (params: Record<string, string> = {}) => codeFor(server.url, person.agent, params);

    /** A code in the state that the cell asks for, and its honest spelling. */
    async function codeOf(
      { code }: Cell,
      lengths: Iterator<number>,
    ): Promise<{ presented: string; whole: string }> {
      const whole = await fresh(code === "other client's" ? { client_id: "other" } : {});
      if (code === "replayed") assert.equal((await redeemCode(server.url, whole)).status, 200);
      if (code === "expired") await expire(whole);
      return { whole, presented: code === "truncated" ? whole.slice(0, lengths.next().value) : whole };
    }

    /** The core reads the machine's own clock, so the code's end is moved instead. */
    async function expire(code: string): Promise<void> {
      const db = server.services.storage.db<{ oauth_models: { id_hash: string; payload: string } }>();
      const hash = createHash("sha256").update(code).digest("base64url");
      const row = await db
        .selectFrom("oauth_models")
        .select("payload")
        .where("id_hash", "=", hash)
        .executeTakeFirstOrThrow();
      const payload = JSON.stringify({ ...JSON.parse(row.payload), exp: Math.floor(Date.now() / 1_000) - 1 });
      await db.updateTable("oauth_models").set({ payload }).where("id_hash", "=", hash).execute();
    }

    function* lengthsOf(length: number): Generator<number> {
      for (let at = 0; ; at = (at + 1) % (length - 1)) yield at + 1;
    }

    it("ZITADEL CVE-2026-27840: is good for its own client with its own verifier and address, and in no other cell", async (t) => {
      const lengths = lengthsOf(43);
      let accepted = 0;
      for (const cell of CELLS) {
        const { presented } = await codeOf(cell, lengths);
        const { status, body } = await redeemCode(server.url, presented, {
          code_verifier: VERIFIERS[cell.verifier],
          redirect_uri: REDIRECTS[cell.redirectUri],
          ...CLIENTS[cell.client],
        });
        const [wantedStatus, ...errors] = expected(cell);
        const told = JSON.stringify({ ...cell, presented, body });
        assert.equal(status, wantedStatus, told);
        if (status === 200) accepted += 1;
        else {
          assert.ok(errors.includes(body.error), told);
          assert.deepEqual(
            [body.access_token, body.refresh_token, body.id_token],
            [undefined, undefined, undefined],
          );
        }
      }
      assert.ok(CELLS.length >= 400, String(CELLS.length));
      // The first client's one way, and the three of the second one, which has one address.
      assert.equal(accepted, 4);
      t.diagnostic(`${CELLS.length} cells, ${accepted} accepted`);
    });

    /** Challenge of the request, by the method it names, with state and nonce given or not. */
    const challenges: Readonly<Record<string, Record<string, string>>> = {
      S256: { code_challenge: s256(VERIFIER), code_challenge_method: "S256" },
      none: { code_challenge: "", code_challenge_method: "" },
      plain: { code_challenge: VERIFIER, code_challenge_method: "plain" },
      "plain by omission": { code_challenge: VERIFIER, code_challenge_method: "" },
    };

    it("authentik CVE-2023-48228, workers-oauth-provider CVE-2025-4144: needs a challenge, whatever state, nonce and verifier are", async (t) => {
      let cells = 0;
      for (const [name, challenge] of Object.entries(challenges))
        for (const state of ["the-state", ""])
          for (const nonce of ["the-nonce", ""])
            for (const response_mode of ["query", "fragment"])
              for (const verifier of DIMENSIONS.verifier) {
                cells += 1;
                const page = await openAuthorize(server.url, person.agent, {
                  ...honest(),
                  ...challenge,
                  state,
                  nonce,
                  response_mode,
                });
                const answer = new URL(page.address.replace("#", "?")).searchParams;
                const told = `${name} ${state} ${nonce} ${response_mode} ${verifier}: ${page.address}`;
                assert.deepEqual([answer.get("iss"), answer.get("state") ?? ""], [server.url, state], told);
                if (name !== "S256") {
                  assert.deepEqual(
                    [answer.get("error"), answer.get("code")],
                    ["invalid_request", null],
                    told,
                  );
                  continue;
                }
                const { status, body } = await redeemCode(server.url, answer.get("code") ?? "", {
                  code_verifier: VERIFIERS[verifier],
                });
                assert.equal(status, verifier === "right" ? 200 : 400, told);
                if (status === 200)
                  assert.equal(
                    decode(body.id_token).claims["nonce"] ?? "",
                    nonce,
                    "the nonce of the request, or none",
                  );
              }
      t.diagnostic(`${cells} cells`);
    });

    for (const [thief, change] of Object.entries({
      "another client": CLIENTS.other,
      "a public client": CLIENTS.public,
    })) {
      it(`ZITADEL CVE-2026-55672: is dead for its own client once ${thief} has tried it`, async () => {
        const code = await fresh();
        assert.equal((await redeemCode(server.url, code, change)).body.error, "invalid_grant");
        assert.equal((await redeemCode(server.url, code)).body.error, "invalid_grant");
      });

      it(`ZITADEL CVE-2026-55672: ends what it brought when ${thief} comes with it afterwards`, async () => {
        const code = await fresh();
        const { body } = await redeemCode(server.url, code);
        assert.equal((await redeemCode(server.url, code, change)).body.error, "invalid_grant");
        const headers = { authorization: `Bearer ${body.access_token}` };
        assert.equal((await fetch(`${server.url}userinfo`, { headers })).status, 401);
      });
    }

    it("stays good when somebody without a client's secret tries it", async () => {
      const code = await fresh();
      for (const client of ["wrong secret", "no secret"] as const)
        assert.equal((await redeemCode(server.url, code, CLIENTS[client])).status, 401);
      assert.equal(
        (await redeemCode(server.url, code, { ...CLIENTS.other, client_secret: "x" })).status,
        401,
      );
      assert.equal((await redeemCode(server.url, code)).status, 200);
    });
  });
}
