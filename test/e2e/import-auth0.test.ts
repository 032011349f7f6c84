import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { hash as hashBcrypt } from "@node-rs/bcrypt";
import { stringify } from "yaml";
import { engines } from "../support/engines.ts";
import { logIn } from "../support/person.ts";
import { startTestServer, TEST_SECRET } from "../support/server.ts";
import { createUserAgent } from "../support/user-agent.ts";

const BIN = fileURLToPath(new URL("../../packages/server/src/bin.ts", import.meta.url));
const ID = "auth0|5dea9f9c82dd7c0e76e4ec93";
const EMAIL = "anne@example.com";
const PASSWORD = "short old";

for (const engine of engines)
  describe(`a person who comes from Auth0, on ${engine.name}`, () => {
    async function world(t: TestContext) {
      const folder = mkdtempSync(join(tmpdir(), "behalf-import-"));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const database = await engine.storage();
      const storage = database === "sqlite::memory:" ? `sqlite:${join(folder, "behalf.db")}` : database;
      let text = "";
      const server = await startTestServer((config) => {
        config["storage"] = storage;
        text = stringify(config);
      });
      t.after(() => server.close());
      writeFileSync(join(folder, "behalf.yaml"), text);
      const user = { _id: { $oid: ID.slice(6) }, email: EMAIL, email_verified: true };
      const passwordHash = await hashBcrypt(PASSWORD, { cost: 10 });
      writeFileSync(join(folder, "hashes.ndjson"), `${JSON.stringify({ ...user, passwordHash })}\n`);
      const env = { ...process.env, NODE_NO_WARNINGS: "1", SECRET: TEST_SECRET };
      const child = spawn(
        process.execPath,
        ["-C", "@behalf/source", BIN, "import", "auth0", "hashes.ndjson"],
        {
          cwd: folder,
          env: { ...env, ROOT_KEY: Buffer.alloc(32, 7).toString("base64") },
          stdio: ["ignore", "ignore", "inherit"],
        },
      );
      assert.deepEqual(await once(child, "exit"), [0, null]);
      const hash = async () => {
        const row = await server.services.storage
          .db<{ users: { id: string; password_hash: string } }>()
          .selectFrom("users")
          .select("password_hash")
          .where("id", "=", ID)
          .executeTakeFirst();
        return row?.password_hash ?? "";
      };
      const tryPassword = async (password: string, agent = createUserAgent()) =>
        agent.submit(await agent.open(`${server.url}login`), { email: EMAIL, password });
      return { server, hash, tryPassword };
    }

    it("logs in on the page with the old password, keeps the old sub, and has a hash of ours from then on", async (t) => {
      const { server, hash, tryPassword } = await world(t);
      assert.match(await hash(), /^imported:\$2b\$10\$/);
      assert.equal((await tryPassword("another password")).status, 401);
      assert.match(await hash(), /^imported:\$2b\$10\$/);
      const agent = createUserAgent();
      assert.equal((await tryPassword(PASSWORD, agent)).status, 200);
      assert.match(await hash(), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
      const tokens = await logIn(server.url, agent, { scope: "openid email" });
      assert.equal(tokens.claims()?.sub, ID);
      assert.equal((await tryPassword(PASSWORD)).status, 200);
      assert.equal((await tryPassword("another password")).status, 401);
      assert.doesNotMatch(server.log.join(""), /\$2b\$|short old/);
    });
  });
