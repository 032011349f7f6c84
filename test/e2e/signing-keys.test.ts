import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { CREDENTIALS, post } from "../security/attack.ts";
import { engines } from "../support/engines.ts";
import { freePort, SHOP, startTestServer, type TestServer } from "../support/server.ts";

const MINUTE = 60_000;
/** Servers look for changed keys every 5 seconds. */
const SEEN_MS = 6_000;

/** Two servers where the engine lets two run on one database. */
for (const engine of engines) {
  const several = engine.name !== "SQLite";
  describe(`signing keys of running servers on ${engine.name}`, () => {
    const servers: TestServer[] = [];
    const time = { ahead: 0 };
    const clock = { now: () => Date.now() + time.ahead };

    before(async () => {
      const storage = await engine.storage();
      const port = await freePort();
      const start = async (own: number) =>
        startTestServer(
          (config) => {
            config["storage"] = storage;
            config["issuer"] = `http://localhost:${port}/`;
            config["listen"] = { host: "127.0.0.1", port: own };
          },
          { clock },
        );
      servers.push(await start(port));
      if (several) servers.push(await start(await freePort()));
    });
    after(async () => {
      for (const server of servers) await server.close();
    });

    const addressOf = (server: TestServer) => `http://localhost:${server.port}/`;
    const issue = async (server: TestServer) => {
      const { body } = await post(`${addressOf(server)}oauth/token`, {
        grant_type: "client_credentials",
        audience: SHOP,
        ...CREDENTIALS,
      });
      return body["access_token"] ?? assert.fail(JSON.stringify(body));
    };
    const published = async (server: TestServer) => {
      const answer = await fetch(`${addressOf(server)}.well-known/jwks.json`);
      assert.match(answer.headers.get("cache-control") ?? "", /max-age=300/);
      return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
    };
    /** A token of each server verifies with the keys that each server publishes. */
    const eachVerifiesAll = async (tokens: string[]) => {
      for (const server of servers) {
        const keys = createRemoteJWKSet(new URL(`${addressOf(server)}.well-known/jwks.json`));
        for (const token of tokens) await jwtVerify(token, keys, { audience: SHOP });
      }
    };
    const kidsOf = (tokens: string[]) => new Set(tokens.map((token) => decodeProtectedHeader(token).kid));

    it("pass to a successor without a restart, and every token verifies at every moment", async () => {
      const [first] = servers;
      assert.ok(first);
      const old = await Promise.all(servers.map(issue));
      assert.equal(kidsOf(old).size, 1);
      const [next] = await first.services.signingKeys.rotate("ES256");
      assert.ok(next);
      await sleep(SEEN_MS);
      for (const server of servers) assert.ok((await published(server)).includes(next));
      // Published, and nobody signs with it: whoever keeps the key set has time to read it again.
      const during = await Promise.all(servers.map(issue));
      assert.deepEqual(kidsOf(during), kidsOf(old));
      await eachVerifiesAll([...old, ...during]);
      time.ahead = 16 * MINUTE;
      await sleep(SEEN_MS);
      const later = await Promise.all(servers.map(issue));
      assert.deepEqual(kidsOf(later), new Set([next]));
      await eachVerifiesAll([...old, ...during, ...later]);
      // A day later no token of the old key is alive.
      time.ahead = 25 * 60 * MINUTE;
      await sleep(SEEN_MS);
      for (const server of servers) assert.ok(!(await published(server)).some((kid) => kidsOf(old).has(kid)));
      assert.ok(
        servers.every(({ log }) => log.length === 0),
        servers.flatMap(({ log }) => log).join(),
      );
    });
  });
}
