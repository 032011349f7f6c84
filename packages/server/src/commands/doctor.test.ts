import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it, type TestContext } from "node:test";
import { type MailboxOptions, startMailbox, startProvider } from "@behalf/sandbox";
import { sql } from "kysely";
import { migrate } from "../storage/migrate.ts";
import { openEmptyPostgres, postgresUrl } from "../storage/testing.ts";
import type { CommandWorld } from "./index.ts";
import { type CommandFolder, openFolder } from "./testing.ts";

type Finding = { check: string; state: string; detail: string; action?: string };

describe("behalf doctor", () => {
  let at: CommandFolder;
  beforeEach(async () => {
    at = openFolder();
    assert.equal((await at.behalf("init --issuer http://localhost:1/")).code, 0);
  });
  afterEach(() => at.close());

  const change = (from: string, to: string) => {
    const path = at.path("behalf.yaml");
    const text = readFileSync(path, "utf8");
    assert.ok(text.includes(from), from);
    writeFileSync(path, text.replace(from, to));
  };
  async function examine(world: Partial<CommandWorld> = {}, options = "") {
    const { code, json } = await at.behalf(`doctor --json ${options}`, world);
    const { findings } = json as { findings: Finding[] };
    return { code, find: (check: string) => findings.find((finding) => finding.check === check), findings };
  }

  it("finds nothing to fail in what init wrote", async () => {
    const { code, findings } = await examine();
    assert.equal(code, 0);
    assert.deepEqual(
      findings.map(({ check, state }) => [check, state]),
      [
        ["configuration", "ok"],
        ["root key", "ok"],
        ["database", "ok"],
        ["schema", "ok"],
        ["keyring", "ok"],
        ["clock", "ok"],
        ["administrators", "ok"],
        ["data folder", "ok"],
        ["issuer", "warning"],
        ["TLS", "ok"],
        ["mail", "warning"],
        ["egress", "ok"],
      ],
    );
  });

  it("prints a line for each check and what to do about it", async () => {
    const { out } = await at.behalf("doctor");
    assert.match(out, /^ok {6}configuration: /m);
    assert.match(out, /^warning issuer: .*\n {8}→ normal while the server is stopped/m);
  });

  it("names every problem of the configuration and goes no further", async () => {
    change("issuer: ", "issue: ");
    const { code, findings } = await examine();
    assert.equal(code, 1);
    assert.ok(findings.length >= 2 && findings.every((one) => one.check === "configuration"));
    assert.ok(findings.every((one) => one.state === "failed" && one.action));
  });

  it("fails for a root key that others may read", { skip: process.platform === "win32" }, async () => {
    chmodSync(at.path("root.key"), 0o640);
    const { code, find } = await examine();
    assert.equal(code, 1);
    assert.match(find("root key")?.detail ?? "", /chmod 600/);
    assert.equal(find("keyring"), undefined);
  });

  it("warns about a root key in the environment", async () => {
    change("{ file: root.key }", "{ env: ROOT_KEY }");
    const { code, find } = await examine({ env: { ROOT_KEY: readFileSync(at.path("root.key"), "utf8") } });
    assert.equal(code, 0);
    assert.equal(find("root key")?.state, "warning");
  });

  it("fails when the database was sealed with another root key", async () => {
    await at.behalf("serve", { env: { BEHALF_PORT: "0" } });
    assert.match((await examine()).find("keyring")?.detail ?? "", /opens what this database sealed/);
    rmSync(at.path("root.key"));
    await at.behalf("keys create --out root.key");
    const { code, find } = await examine();
    assert.equal(code, 1);
    assert.match(find("keyring")?.detail ?? "", /needs root key [0-9a-f]{16}, which is not in the keyring/);
    assert.match(find("keyring")?.action ?? "", /further line/);
    const { code: served, err } = await at.behalf("serve", { env: { BEHALF_PORT: "0" } });
    assert.equal(served, 1);
    assert.match(err, /no root key [0-9a-f]{16} in the keyring.*run "behalf doctor"/);
  });

  it("fails when steps of the schema are pending", async () => {
    change("sqlite:behalf.db", "sqlite:other.db");
    const { code, find } = await examine();
    assert.equal(code, 1);
    assert.match(find("schema")?.detail ?? "", /pending: 0001-foundation/);
    assert.match(find("schema")?.action ?? "", /behalf migrate/);
  });

  it("fails when the data folder cannot be written", async () => {
    change("apis: []\n", "apis: []\ndataDir: root.key/data\n");
    const { code, find } = await examine();
    assert.equal(code, 1);
    assert.match(find("data folder")?.action ?? "", /dataDir/);
  });

  it("fails when the database does not answer", async () => {
    change("sqlite:behalf.db", "postgres://nobody@127.0.0.1:1/none");
    const { code, find } = await examine();
    assert.equal(code, 1);
    assert.equal(find("database")?.state, "failed");
    assert.match(find("database")?.action ?? "", /that the database runs/);
  });

  it("fails when the clock is behind what the database saw", async () => {
    const { code, find } = await examine({ clock: { now: () => Date.now() - 3_600_000 } });
    assert.equal(code, 1);
    assert.match(find("clock")?.detail ?? "", /is 36\d\d s before what the database already saw/);
  });

  it("fails when the clock is apart from the database's", async () => {
    const { code, find } = await examine({ clock: { now: () => Date.now() + 60_000 } });
    assert.equal(code, 1);
    assert.match(find("clock")?.detail ?? "", /is (59|60) s apart from the database's clock/);
  });

  it("reads the clock of a PostgreSQL database", {
    skip: postgresUrl() ? false : "BEHALF_TEST_POSTGRES is not set",
  }, async () => {
    const storage = await openEmptyPostgres(postgresUrl() ?? "");
    await migrate(storage, { now: () => 0 });
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(storage.db());
    await storage.close();
    const address = new URL(postgresUrl() ?? "");
    address.pathname = `/${rows[0]?.name}`;
    change("sqlite:behalf.db", address.href);
    assert.equal((await examine()).find("clock")?.state, "ok");
    const late = await examine({ clock: { now: () => Date.now() + 60_000 } });
    assert.equal(late.find("clock")?.state, "failed");
  });

  it("warns when nobody can administer", async () => {
    change("sqlite:behalf.db", "sqlite:empty.db");
    await at.behalf("migrate");
    const { code, find } = await examine();
    assert.equal(code, 0);
    assert.equal(find("administrators")?.state, "warning");
    assert.match(find("administrators")?.action ?? "", /behalf users create --role admin/);
  });

  it("says loudly which private addresses may be reached", async () => {
    change("apis: []\n", 'apis: []\negress: { allow: ["localhost:4001"] }\n');
    const { find } = await examine();
    assert.deepEqual(
      [find("egress")?.state, find("egress")?.detail],
      ["warning", "may reach localhost:4001"],
    );
  });

  it("asks each oidc provider who it is, and fails for one that is somebody else", async () => {
    const provider = await startProvider({
      clients: [{ clientId: "behalf", clientSecret: null, redirectUris: ["http://localhost:1/cb"] }],
    });
    const { host } = new URL(provider.url);
    change("apis: []\n", `apis: []\negress: { allow: ["${host}"] }\n`);
    change(
      "connections: []\n",
      `connections: [{ name: own, displayName: Own, kind: oidc, login: true, issuer: "${provider.issuer}", clientId: behalf, clientAuthMethod: none }, { name: other, displayName: Other, kind: oidc, issuer: "${provider.issuer}/", clientId: behalf, clientAuthMethod: none }]\n`,
    );
    const { code, find } = await examine();
    await provider.close();
    assert.equal(code, 1);
    assert.equal(find("connection own")?.state, "ok");
    assert.equal(find("connection other")?.state, "failed");
    assert.match(find("connection other")?.detail ?? "", /names another issuer/);
    assert.match((await at.behalf("connections list")).out, /own +Own +oidc +yes/);
  });

  it("warns when the issuer is https and nothing here ends TLS", async () => {
    at.close();
    at = openFolder();
    await at.behalf("init --issuer https://id.example.invalid/");
    const { find } = await examine({ fetch: async () => Response.error() });
    assert.equal(find("TLS")?.state, "warning");
    assert.match(find("TLS")?.action ?? "", /proxy/);
  });

  describe("asking the mail server", () => {
    const USER = { user: "sender", password: "a-long-password" };
    async function withMailbox(t: TestContext, options: MailboxOptions, smtp: string) {
      const mailbox = await startMailbox(options);
      t.after(() => mailbox.close());
      const server = `{ host: 127.0.0.1, port: ${mailbox.smtpPort}${smtp} }`;
      change("apis: []\n", `apis: []\nmail: { from: a@id.example, smtp: ${server} }\n`);
      return mailbox;
    }

    it("is content when it takes the log-in, and sends nothing", async (t) => {
      const mailbox = await withMailbox(t, { login: USER }, ", user: sender, password: { env: MAIL }");
      const { code, find } = await examine({ env: { MAIL: USER.password } });
      assert.deepEqual([code, find("mail")?.state], [0, "ok"]);
      assert.match(find("mail")?.detail ?? "", /answers as sender$/);
      assert.deepEqual(mailbox.messages(), []);
    });

    it("fails for a wrong password, which is printed nowhere", async (t) => {
      await withMailbox(t, { login: USER }, ", user: sender, password: { env: MAIL }");
      const { code, find, findings } = await examine({ env: { MAIL: "another-password" } });
      assert.deepEqual([code, find("mail")?.state], [1, "failed"]);
      assert.match(find("mail")?.detail ?? "", /EAUTH 535/);
      assert.doesNotMatch(JSON.stringify(findings), /another-password/);
    });

    it("fails when TLS is asked for and not offered", async (t) => {
      await withMailbox(t, {}, ", requireTls: true");
      const { code, find } = await examine();
      assert.deepEqual([code, find("mail")?.state], [1, "failed"]);
      assert.match(find("mail")?.action ?? "", /requireTls/);
    });

    it("fails when nobody listens", async (t) => {
      const mailbox = await withMailbox(t, {}, "");
      await mailbox.close();
      const { find } = await examine();
      assert.match(find("mail")?.detail ?? "", /ECONNREFUSED|ESOCKET|ECONNECTION/);
    });

    it("sends a test mail to one address when asked", async (t) => {
      const mailbox = await withMailbox(t, {}, "");
      const { code, find } = await examine({}, "--send-mail anne@example.com");
      assert.equal(code, 0);
      assert.match(find("mail")?.detail ?? "", /took a test mail/);
      assert.deepEqual(
        mailbox.messages().map(({ to }) => to),
        ["anne@example.com"],
      );
    });

    it("fails when the test mail is refused, and for what is no address", async (t) => {
      const mailbox = await withMailbox(t, {}, "");
      mailbox.switches.set({ mailReject: { times: 1 } });
      const refused = await examine({}, "--send-mail anne@example.com");
      assert.match(refused.find("mail")?.detail ?? "", /refused with 550/);
      const { code, find } = await examine({}, "--send-mail anne@example.com,all@evil.example");
      assert.deepEqual([code, find("mail")?.state], [1, "failed"]);
      assert.deepEqual(mailbox.messages(), []);
    });

    it("fails when a test mail is asked for and no mail is configured", async () => {
      const { code, find } = await examine({}, "--send-mail anne@example.com");
      assert.deepEqual([code, find("mail")?.state], [1, "failed"]);
    });
  });

  describe("asking the issuer", () => {
    async function answering(body: (issuer: string) => unknown, status = 200): Promise<Finding | undefined> {
      const server = createServer((request, response) => {
        response.writeHead(status).end(JSON.stringify(body(`http://${request.headers.host}/`)));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      // A server that listens on a port has an address with one.
      const { port } = server.address() as AddressInfo;
      change('"http://localhost:1/"', `"http://127.0.0.1:${port}/"`);
      const { find } = await examine();
      server.close();
      return find("issuer");
    }

    it("is content when it answers as itself", async () => {
      assert.equal((await answering((issuer) => ({ issuer })))?.state, "ok");
    });

    it("fails when it answers as another one, differing in one character", async () => {
      const finding = await answering((issuer) => ({ issuer: issuer.slice(0, -1) }));
      assert.equal(finding?.state, "failed");
      assert.match(finding?.action ?? "", /set issuer to what users open/);
    });

    it("fails when a proxy answers something else", async () => {
      const finding = await answering(() => ({ error: "not here" }), 404);
      assert.equal(finding?.state, "failed");
      assert.match(finding?.detail ?? "", /answers 404 for issuer null/);
    });
  });
});
