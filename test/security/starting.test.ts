import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { parseConfig, startServer } from "@behalf/server";
import { SHOP, startTestServer, TEST_SECRET, testConfig } from "../support/server.ts";
import { post } from "./attack.ts";

const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const folder = mkdtempSync(join(tmpdir(), "behalf-starting-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `${++files}.db`);
const silent = { writeLog: () => undefined };

const on = (file: string) => (config: Record<string, unknown>) => {
  config["storage"] = `sqlite:${file}`;
};

/** T23, T29; Auth.js GHSA-8fpg-xm3f-6cx3. */
describe("a server that cannot start", () => {
  it("leaves no database open when its port is taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const file = newFile();
    const config = { ...testConfig(port), storage: `sqlite:${file}` };
    const parsed = parseConfig(config, { env: { ROOT_KEY: key(7), SECRET: TEST_SECRET }, baseDir: folder });
    await assert.rejects(startServer(parsed, silent), { code: "EADDRINUSE" });
    taken.close();
    assertFree(file);
    const second = await startServer(parsed, silent);
    await second.close();
  });

  it("leaves no database open when its keys do not open what is sealed", async () => {
    const file = newFile();
    const start = (byte: number) =>
      startTestServer(on(file), {
        env: { ROOT_KEY: key(byte) },
      });
    await (await start(7)).close();
    await assert.rejects(start(8));
    assertFree(file);
    await (await start(7)).close();
  });

  it("leaves no database open when a client is in the file and in the database", async () => {
    const file = newFile();
    const first = await startTestServer(on(file));
    const { client } = await first.services.admin.clients.create({ ...METADATA, name: "Made" }, true);
    await first.close();
    const both = startTestServer((config) => {
      config["storage"] = `sqlite:${file}`;
      (config["clients"] as object[]).push({ id: client.id, name: "Twice" });
    });
    await assert.rejects(both, /in the database too/);
    assertFree(file);
  });

  it("does not start with a signing key that belongs under another id", async () => {
    const file = newFile();
    await (await startTestServer(on(file))).close();
    const database = new DatabaseSync(file);
    const rows = database.prepare("select kid, data_key, private_jwk from signing_keys order by kid").all();
    const [a, b] = rows;
    assert.ok(a && b);
    const swap = database.prepare("update signing_keys set data_key = ?, private_jwk = ? where kid = ?");
    swap.run(b["data_key"] ?? null, b["private_jwk"] ?? null, a["kid"] ?? null);
    swap.run(a["data_key"] ?? null, a["private_jwk"] ?? null, b["kid"] ?? null);
    database.close();
    await assert.rejects(startTestServer(on(file)));
    assertFree(file);
  });

  const removals: Record<string, (config: Record<string, unknown>) => void> = {
    "no root key": (config) => void delete config["rootKey"],
    "a root key that is not there": (config) => Object.assign(config, { rootKey: { env: "MISSING" } }),
    "no issuer": (config) => void delete config["issuer"],
    "an issuer that others can read on the way": (config) =>
      Object.assign(config, { issuer: "http://id.example/" }),
    "an issuer without an end": (config) => Object.assign(config, { issuer: "https://id.example" }),
    "no storage": (config) => void delete config["storage"],
    "a key nobody knows": (config) => Object.assign(config, { insecure: true }),
    "a private egress in production": (config) =>
      Object.assign(config, {
        production: true,
        issuer: "https://id.example/",
        egress: { allow: ["localhost:1"] },
      }),
    "a root key from the environment in production": (config) =>
      Object.assign(config, { production: true, issuer: "https://id.example/" }),
    "a redirect address with a wildcard host": (config) =>
      clientWith(config, { redirectUris: ["http://*.example/cb"] }),
    "a redirect address that runs code": (config) =>
      clientWith(config, { redirectUris: ["javascript:alert(1)"] }),
    "a grant that needs a secret, without one": (config) =>
      clientWith(config, { secret: undefined, grantTypes: ["client_credentials"] }),
  };
  for (const [name, change] of Object.entries(removals))
    it(`says so, with ${name}`, async () => {
      await assert.rejects(startTestServer(change), { name: "ConfigError" });
    });

  it("says so, with a secret that is shorter than 256 bits", async () => {
    await assert.rejects(startTestServer(undefined, { env: { SECRET: "short" } }), { name: "ConfigError" });
  });
});

const METADATA = {
  redirectUris: [],
  postLogoutRedirectUris: [],
  grantTypes: ["client_credentials" as const],
  apis: { [SHOP]: { scopes: ["orders:read"] } },
  firstParty: false,
  organizations: "none" as const,
  idTokenAlgorithm: "RS256" as const,
  webOrigins: [],
  backchannelLogoutFormat: "form" as const,
  tlsClientCertificateBoundAccessTokens: false,
};

describe("a new first root key", () => {
  it("breaks no client, whether it was made before or after", async () => {
    const file = newFile();
    const made: { id: string; secret: string }[] = [];
    for (const keys of [key(7), `${key(9)}\n${key(7)}`]) {
      const server = await startTestServer(
        (config) => {
          on(file)(config);
          clientWith(config, { apis: { [`${config["issuer"]}admin/`]: { scopes: ["admin"] } } });
        },
        { env: { ROOT_KEY: keys } },
      );
      try {
        const ask = (id: string, secret: string, audience = SHOP) =>
          post(`${server.url}oauth/token`, {
            grant_type: "client_credentials",
            client_id: id,
            client_secret: secret,
            audience,
            scope: "admin",
          });
        const admin = (await ask("assistant", TEST_SECRET, `${server.url}admin/`)).body["access_token"];
        const created = await fetch(`${server.url}admin/v1/clients`, {
          method: "POST",
          headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
          body: JSON.stringify({
            name: "Made",
            confidential: true,
            grant_types: ["client_credentials"],
            apis: { [SHOP]: { scopes: [] } },
          }),
        });
        const client = await created.json();
        assert.equal(created.status, 201, JSON.stringify(client));
        made.push({ id: client.client_id ?? client.id, secret: client.client_secret });
        for (const { id, secret } of made) assert.equal((await ask(id, secret)).status, 200, id);
        for (const wrong of ["", "x".repeat(43), TEST_SECRET, `${made[0]?.secret}x`])
          assert.equal((await ask(made[0]?.id ?? "", wrong)).status, 401);
      } finally {
        await server.close();
      }
    }
  });
});

/** SQLite is held by one process at a time; whoever could still write would have it locked. */
function assertFree(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("pragma locking_mode = exclusive; begin exclusive; commit;");
  database.close();
}

function clientWith(config: Record<string, unknown>, change: object): void {
  const [client] = config["clients"] as object[];
  Object.assign(client ?? {}, change);
}
