import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { afterEach, beforeEach, describe, it } from "node:test";
import { loadConfig } from "../config.ts";
import { readKeyFile } from "../crypto/keyring.ts";
import { reveal, secret } from "../lib/secret.ts";
import { openServices, startServer } from "../main.ts";
import { type CommandFolder, openFolder } from "./testing.ts";

const WRITTEN = ["assistant.secret", "behalf.db", "behalf.yaml", "root.key"];

describe("behalf init", () => {
  let at: CommandFolder;
  beforeEach(() => {
    at = openFolder();
  });
  afterEach(() => at.close());

  const files = () => readdirSync(at.folder).toSorted();

  it("writes a configuration that loads, a root key and the first client's secret", async () => {
    const { code, out } = await at.behalf("init");
    assert.equal(code, 0);
    assert.match(out, /Wrote behalf\.yaml, root\.key, assistant\.secret\./);
    assert.match(out, /Start with: behalf serve --config behalf\.yaml/);
    assert.deepEqual(files(), WRITTEN);
    const config = loadConfig(at.path("behalf.yaml"), {});
    assert.equal(config.issuer, "http://localhost:4000/");
    assert.equal(config.clients[0]?.id, "assistant");
    assert.ok(config.clients[0].secret);
    assert.equal(reveal(config.clients[0].secret).length, 43);
    assert.equal(readKeyFile(at.path("root.key")).ids().length, 1);
  });

  it("keeps both secrets readable by their owner alone", { skip: process.platform === "win32" }, async () => {
    await at.behalf("init");
    for (const name of ["root.key", "assistant.secret"])
      assert.equal(statSync(at.path(name)).mode & 0o777, 0o600, name);
  });

  it("makes the first administrator, who logs in with the password that is printed once", async () => {
    const { out } = await at.behalf("init --email anne@example.com");
    const password = /Password, shown this once: (\S+)/.exec(out)?.[1];
    assert.ok(password && password.length >= 20);
    for (const name of WRITTEN) assert.ok(!readFileSync(at.path(name)).includes(password), name);
    const services = await openServices(loadConfig(at.path("behalf.yaml"), {}), {
      writeLog: () => undefined,
    });
    const login = await services.login.accounts.authenticate("anne@example.com", secret(password));
    assert.ok(login.outcome === "ok" && login.user.role === "admin");
    const [made] = (await services.audit.list({ action: "login.user_created" })).events;
    assert.equal(made?.actor_id, "command");
    await services.close();
  });

  it("takes the password from standard input and does not print it", async () => {
    const { code, out, err } = await at.behalf("init --password-stdin", {
      readStandardInput: async () => "a password of my own\n",
    });
    assert.equal(code, 0);
    assert.ok(!out.includes("a password of my own") && !err.includes("a password of my own"));
    assert.ok(!out.includes("shown this once"));
  });

  it("answers as JSON for scripts", async () => {
    const { json } = await at.behalf("init --json --issuer http://localhost:4100/");
    const answer = json as {
      issuer: string;
      client_id: string;
      administrator: { email: string; password: string };
    };
    assert.deepEqual([answer.issuer, answer.client_id], ["http://localhost:4100/", "assistant"]);
    assert.equal(answer.administrator.email, "admin@localhost");
    assert.ok(answer.administrator.password);
    assert.equal(loadConfig(at.path("behalf.yaml"), {}).listen.port, 4100);
  });

  it("writes for production when the issuer is https", async () => {
    const { code } = await at.behalf("init --issuer https://id.example.com/");
    assert.equal(code, 0);
    const config = loadConfig(at.path("behalf.yaml"), {});
    assert.deepEqual([config.production, config.issuer], [true, "https://id.example.com/"]);
  });

  it("writes into a folder that does not exist yet", async () => {
    assert.equal((await at.behalf("init --dir deep/er")).code, 0);
    assert.ok(existsSync(at.path("deep/er/behalf.yaml")));
  });

  it("writes settings for the Auth0 SDKs when asked to", async () => {
    const { code } = await at.behalf("init --profile auth0 --issuer https://id.example.com/");
    assert.equal(code, 0);
    const text = readFileSync(at.path("auth0.env"), "utf8");
    assert.match(text, /^AUTH0_DOMAIN=id\.example\.com$/m);
    assert.match(text, /^AUTH0_CLIENT_ID=assistant$/m);
    assert.equal(
      /^AUTH0_CLIENT_SECRET=(.*)$/m.exec(text)?.[1],
      readFileSync(at.path("assistant.secret"), "utf8").trim(),
    );
  });

  it("makes a certificate for the Auth0 SDKs on this machine, and serves with it", async () => {
    const { code, out } = await at.behalf("init --profile auth0");
    assert.equal(loadConfig(at.path("behalf.yaml")).keys.defaultAlgorithm, "RS256");
    assert.equal(code, 0);
    assert.match(out, /NODE_EXTRA_CA_CERTS=.*authority\.pem/);
    assert.match(readFileSync(at.path("auth0.env"), "utf8"), /^AUTH0_DOMAIN=localhost:4000$/m);
    const config = loadConfig(at.path("behalf.yaml"), {});
    assert.deepEqual([config.issuer, config.production], ["https://localhost:4000/", false]);
    assert.equal(config.listen.tls?.certFile, at.path("tls/server.pem"));
    const server = await startServer(
      { ...config, listen: { ...config.listen, port: 0 } },
      { writeLog: () => undefined },
    );
    const ca = readFileSync(at.path("tls/authority.pem"));
    const status = await new Promise((resolve, reject) => {
      get({ host: "localhost", port: server.port, path: "/healthz", ca }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).once("error", reject);
    });
    await server.close();
    assert.equal(status, 200);
  });

  it("keeps the certificate that dev-cert has made, also when it fails", async () => {
    await at.behalf("dev-cert --host auth.example.test");
    const before = readFileSync(at.path("tls/server.pem"), "utf8");
    assert.equal((await at.behalf("init --profile auth0 --email nobody")).code, 1);
    assert.equal((await at.behalf("init --profile auth0")).code, 0);
    assert.equal(readFileSync(at.path("tls/server.pem"), "utf8"), before);
  });

  for (const name of WRITTEN)
    it(`refuses to replace ${name} and writes nothing`, async () => {
      writeFileSync(at.path(name), "mine");
      const { code, err } = await at.behalf("init");
      assert.equal(code, 1);
      assert.match(err, new RegExp(`${name.replace(".", "\\.")} exists already\\. Nothing was written`));
      assert.deepEqual(files(), [name]);
      assert.equal(readFileSync(at.path(name), "utf8"), "mine");
    });

  it("names every file it would have to replace when run twice", async () => {
    await at.behalf("init");
    const before = readFileSync(at.path("root.key"), "utf8");
    const { code, err } = await at.behalf("init");
    assert.equal(code, 1);
    for (const name of WRITTEN) assert.ok(err.includes(name), name);
    assert.match(err, / exist already\. Nothing was written/);
    assert.equal(readFileSync(at.path("root.key"), "utf8"), before);
  });

  const undone: [string, RegExp][] = [
    ["--email nobody", /e-mail address is malformed/],
    ["--password short", /12 to 200 characters/],
    ["--issuer http://id.example.com/", /issuer: .*https/],
  ];
  for (const [options, message] of undone)
    it(`leaves nothing behind after ${options}`, async () => {
      const { code, err } = await at.behalf(`init ${options}`);
      assert.equal(code, 1);
      assert.match(err, message);
      assert.deepEqual(files(), []);
    });

  const misused: [string, RegExp][] = [
    ["--issuer localhost", /--issuer must be an address/],
    ["--issuer https://id.example.com", /ends in "\/"/],
    ["--profile other", /--profile must be auth0/],
    ["--profile auth0 --issuer http://localhost:4000/", /needs --issuer https/],
    ["--password a --password-stdin", /not both/],
    ["--password-stdin", /standard input is empty/],
    ["somewhere", /"somewhere" is one argument too many/],
  ];
  for (const [options, message] of misused)
    it(`does not understand ${options} and writes nothing`, async () => {
      const { code, err } = await at.behalf(`init ${options}`);
      assert.equal(code, 2);
      assert.match(err, message);
      assert.deepEqual(files(), []);
    });
});
