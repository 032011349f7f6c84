import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { hash as hashBcrypt } from "@node-rs/bcrypt";
import { parse } from "yaml";
import { loadConfig } from "../config.ts";
import { hashExportUser, profileUser, TENANT_YAML } from "./auth0/testing.ts";
import { type CommandFolder, openFolder } from "./testing.ts";

const BIN = join(import.meta.dirname, "..", "bin.ts");

interface Line {
  kind: string;
  name: string;
  state: string;
  notes: string[];
}

const IDS = ["5dea9f9c82dd7c0e76e4ec91", "5dea9f9c82dd7c0e76e4ec92", "5dea9f9c82dd7c0e76e4ec93"] as const;

describe("behalf import auth0", () => {
  let at: CommandFolder;
  beforeEach(async () => {
    at = openFolder();
    assert.equal((await at.behalf("init --issuer http://localhost:1/")).code, 0);
  });
  afterEach(() => at.close());

  async function run(words: string) {
    const { code, out, err } = await at.behalf(`import auth0 ${words}`, {}, [
      ...`import auth0 ${words}`.split(" "),
      "--json",
    ]);
    const all = out
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const lines = all.filter((one) => !one.summary) as Line[];
    const line = (kind: string, name: string) =>
      lines.find((one) => one.kind === kind && one.name.startsWith(name));
    return { code, out, err, lines, line, summary: all.find((one) => one.summary) };
  }
  const states = (lines: readonly Line[]) => lines.map(({ state }) => state);
  const write = (name: string, text: string | Buffer) => writeFileSync(at.path(name), text);
  const users = async () =>
    (
      (await at.behalf("users list --json")).json as {
        users: { id: string; email: string; disabled: boolean }[];
      }
    ).users;
  const bcrypt = (password = "the old password") => hashBcrypt(password, { cost: 4 });

  describe("with a tenant", () => {
    beforeEach(() => write("tenant.yaml", TENANT_YAML));

    it("says of each thing what became of it, and exits with 3 when something was not taken", async () => {
      const { code, line } = await run("tenant.yaml");
      assert.equal(code, 3);
      const state = (kind: string, name: string) => line(kind, name)?.state;
      assert.deepEqual(
        [
          ...[state("api", "My API"), state("api", "Old API"), state("api", "Auth0 Management API")],
          ...[state("client", "My SPA"), state("client", "My M2M"), state("client", "All Applications")],
          ...[
            state("connection", "google-oauth2"),
            state("connection", "myad"),
            state("connection", "github"),
          ],
          ...[state("database", "Username"), state("database", "users"), state("role", "Admin")],
          ...[state("organization", "acme"), state("organization", "Not A"), state("section", "actions")],
        ],
        [
          ...["partly", "partly", "left"],
          ...["partly", "partly", "left"],
          ...["partly", "refused", "refused"],
          ...["left", "partly", "partly"],
          ...["partly", "refused", "refused"],
        ],
      );
    });

    it("names each address and grant that is not taken, and why", async () => {
      const { line } = await run("tenant.yaml");
      const spa = line("client", "My SPA")?.notes.join("\n") ?? "";
      assert.match(spa, /"https:\/\/\*\.example\.com\/callback" has a wildcard/);
      assert.match(spa, /"https:\/\/##ENV##\.example\.com\/cb" has a placeholder/);
      assert.match(spa, /"http:\/\/app\.example\.com\/insecure" must be https/);
      assert.match(spa, /the grants implicit are not taken/);
      const machine = line("client", "My M2M")?.notes.join("\n") ?? "";
      assert.match(machine, /no client_id: the app must be given the id my-m2m/);
      assert.match(machine, /new secret/);
      assert.match(machine, /https:\/\/api\.example\.com\/v1 has no scope delete:account/);
      assert.match(machine, /"https:\/\/elsewhere\.example\.com\/" is of no API/);
      assert.match(line("api", "My API")?.notes.join() ?? "", /86400 seconds, not 172800/);
      assert.match(line("api", "Old API")?.notes.join() ?? "", /HS256 signs no tokens here/);
      assert.match(line("role", "Admin")?.notes.join() ?? "", /called admin here;?.*"fly" is of no API/);
      assert.match(line("connection", "myad")?.notes.join() ?? "", /"waad" is not known/);
      assert.match(line("connection", "github")?.notes.join() ?? "", /no client_id/);
    });

    it("writes entries that the server takes, with secrets for their owner alone", async () => {
      const { summary, out } = await run("tenant.yaml");
      const file = at.path("auth0-import/behalf-part.yaml");
      assert.equal(summary.file, file);
      const part = parse(readFileSync(file, "utf8"));
      const config = parse(readFileSync(at.path("behalf.yaml"), "utf8"));
      for (const [name, list] of Object.entries(part))
        config[name] = [...(config[name] ?? []), ...(list as [])];
      write("merged.yaml", JSON.stringify(config));
      const loaded = loadConfig(at.path("merged.yaml"), {});
      const spa = loaded.clients.find(({ id }) => id === "a1B2c3D4e5F6g7H8");
      assert.deepEqual(
        [spa?.redirectUris, spa?.webOrigins, spa?.grantTypes, spa?.organizations, spa?.secret],
        [
          ["https://app.example.com/callback"],
          ["https://app.example.com"],
          ["authorization_code", "refresh_token"],
          "optional",
          undefined,
        ],
      );
      assert.deepEqual(loaded.clients.find(({ id }) => id === "my-m2m")?.apis, {
        "https://api.example.com/v1": { scopes: ["update:account"] },
      });
      const secretFile = at.path("auth0-import/secrets/client-my-m2m");
      assert.equal(statSync(secretFile).mode & 0o777, 0o600);
      const secret = readFileSync(secretFile, "utf8").trim();
      assert.equal(Buffer.from(secret, "base64url").length, 32);
      assert.equal(
        readFileSync(at.path("auth0-import/secrets/connection-google-oauth2"), "utf8"),
        "google-secret\n",
      );
      for (const word of [secret, "google-secret", "secret-of-the-other-system"])
        assert.ok(!out.includes(word) && !readFileSync(file, "utf8").includes(word), word);
    });

    it("changes nothing the second time, before and after the entries are in the configuration", async () => {
      await run("tenant.yaml");
      const files = ["auth0-import/behalf-part.yaml", "auth0-import/secrets/client-my-m2m"].map(at.path);
      const before = files.map((file) => readFileSync(file, "utf8"));
      const second = await run("tenant.yaml");
      assert.deepEqual(
        files.map((file) => readFileSync(file, "utf8")),
        before,
      );
      assert.equal(second.line("organization", "acme")?.state, "there");
      const config = parse(readFileSync(at.path("behalf.yaml"), "utf8"));
      for (const [name, list] of Object.entries(parse(before[0] ?? "")))
        config[name] = [...(config[name] ?? []), ...(list as [])];
      write("behalf.yaml", JSON.stringify(config));
      const third = await run("tenant.yaml");
      const things = third.lines.filter(({ kind }) => ["api", "client", "role", "connection"].includes(kind));
      assert.deepEqual(new Set(states(things)), new Set(["there", "left", "refused"]));
      assert.equal(third.summary.file, null);
    });

    it("leaves entries alone that somebody edited", async () => {
      await run("tenant.yaml");
      write("auth0-import/behalf-part.yaml", "# mine\n");
      const { code, line } = await run("tenant.yaml");
      assert.equal(code, 3);
      assert.equal(line("file", at.path("auth0-import"))?.state, "refused");
      assert.equal(readFileSync(at.path("auth0-import/behalf-part.yaml"), "utf8"), "# mine\n");
    });

    it("writes nothing in a trial run", async () => {
      const { line, summary } = await run("tenant.yaml --dry-run");
      assert.equal(line("organization", "acme")?.state, "partly");
      assert.equal(summary.dry_run, true);
      assert.throws(() => statSync(at.path("auth0-import")), /ENOENT/);
      const { json } = await at.behalf("organizations list --json");
      assert.deepEqual((json as { organizations: unknown[] }).organizations, []);
    });
  });

  describe("with users", () => {
    it("takes profiles and hashes from two files, and says nothing of either's secrets", async () => {
      const hash = await bcrypt();
      write("profiles.json", JSON.stringify([profileUser(IDS[0], "anne@example.com")]));
      write("hashes.ndjson", `${JSON.stringify(hashExportUser(IDS[0], "anne@example.com", hash))}\n`);
      const trial = await run("profiles.json --dry-run");
      assert.deepEqual([trial.code, trial.lines[0]?.state], [0, "taken"]);
      assert.equal((await users()).length, 1);
      const first = await run("profiles.json");
      assert.deepEqual([first.code, first.summary.without_password], [0, 1]);
      const second = await run("hashes.ndjson");
      assert.deepEqual(
        [second.code, second.lines[0]?.state, second.summary.without_password],
        [0, "taken", 0],
      );
      const third = await run("hashes.ndjson");
      assert.deepEqual([third.code, third.lines[0]?.state, third.lines[0]?.notes], [0, "there", []]);
      assert.ok((await users()).some(({ id }) => id === `auth0|${IDS[0]}`));
      for (const { out, err } of [first, second, third]) assert.ok(!`${out}${err}`.includes(hash.slice(7)));
    });

    it("goes on after a broken line, and names it", async () => {
      const good = (n: 0 | 1) => JSON.stringify(profileUser(IDS[n], `person-${n}@example.com`));
      write(
        "users.ndjson",
        `${good(0)}\n{"passwordHash":"$2b$10$broken\n[1]\n\n${"x".repeat(1_100_000)}\n${good(1)}`,
      );
      const { code, lines, out } = await run("users.ndjson");
      assert.equal(code, 3);
      assert.deepEqual(lines.map(({ name, state }) => `${state} ${name}`).sort(), [
        "refused line 2",
        "refused line 3",
        "refused line 5",
        `taken auth0|${IDS[0]}`,
        `taken auth0|${IDS[1]}`,
      ]);
      assert.ok(!out.includes("broken"));
    });

    it("refuses a user without id or address, and an address that somebody has", async () => {
      const without = (name: string) => ({ ...profileUser(IDS[1], "ben@example.com"), [name]: undefined });
      write(
        "users.json",
        JSON.stringify([
          profileUser(IDS[0], "anne@example.com"),
          { ...profileUser(IDS[1], "ANNE@example.com") },
          without("user_id"),
          without("email"),
          { ...profileUser(IDS[2], "no address") },
          { ...profileUser(IDS[2], "cleo@example.com"), user_id: "auth0|with space" },
        ]),
      );
      for (const trial of [" --dry-run", ""]) {
        const { code, lines } = await run(`users.json${trial}`);
        assert.equal(code, 3);
        assert.deepEqual(states(lines).sort(), [
          "refused",
          "refused",
          "refused",
          "refused",
          "refused",
          "taken",
        ]);
      }
    });

    it("says what of a person is not taken: other log-ins, factors, phone, user name, a hash it cannot check", async () => {
      const md5 = { algorithm: "md5", hash: { value: "5f4dcc3b5aa765d61d8327deb882cf99", encoding: "hex" } };
      write(
        "users.json",
        JSON.stringify([
          {
            ...profileUser(IDS[0], "anne@example.com"),
            ...{ phone_number: "+12125550001", username: "anne", multifactor: ["guardian"] },
            identities: [{ provider: "google-oauth2", user_id: "1" }],
            custom_password_hash: md5,
          },
        ]),
      );
      const { code, lines, summary, out } = await run("users.json");
      assert.deepEqual([code, lines[0]?.state, summary.without_password], [3, "partly", 1]);
      const notes = lines[0]?.notes.join("\n") ?? "";
      for (const pattern of [/google-oauth2/, /second factors/, /phone number/, /user name/, /hash \(md5\)/])
        assert.match(notes, pattern);
      assert.ok(!out.includes(md5.hash.value));
    });

    it("keeps a blocked person out", async () => {
      write("users.json", JSON.stringify([{ ...profileUser(IDS[0], "anne@example.com"), blocked: true }]));
      await run("users.json");
      assert.equal((await users()).find(({ email }) => email === "anne@example.com")?.disabled, true);
    });

    it("reads a folder with a tenant and users, compressed or not", async () => {
      write("tenant.yaml", TENANT_YAML);
      write("users.ndjson.gz", gzipSync(JSON.stringify(profileUser(IDS[0], "anne@example.com"))));
      write("more.json", JSON.stringify([profileUser(IDS[1], "ben@example.com")]));
      const { line } = await run(".");
      assert.equal(line("api", "My API")?.state, "partly");
      assert.deepEqual(
        IDS.map((id) => line("user", `auth0|${id}`)?.state),
        ["taken", "taken", undefined],
      );
    });

    it("reads 20,000 users of a file that is larger than the memory it has", {
      timeout: 110_000,
    }, async () => {
      const file = createWriteStream(at.path("users.ndjson"));
      for (let i = 0; i < 20_000; i += 1) {
        const user = { ...profileUser(`u${i}`, `person-${i}@example.com`), nickname: "x".repeat(4_000) };
        const { app_metadata: _app, user_metadata: _user, ...slim } = user;
        if (!file.write(`${JSON.stringify(slim)}\n`)) await once(file, "drain");
      }
      file.end();
      await once(file, "close");
      const child = spawn(
        process.execPath,
        ["--max-old-space-size=80", "-C", "@behalf/source", BIN, "import", "auth0", "users.ndjson"],
        { cwd: at.folder, stdio: ["ignore", "pipe", "inherit"] },
      );
      let count = 0;
      let rest = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        count += lines.filter((line) => line.startsWith("taken")).length;
      });
      const [code] = await once(child, "close");
      assert.deepEqual([code, count], [0, 20_000]);
      assert.ok(statSync(at.path("users.ndjson")).size > 80 * 1024 * 1024);
    });
  });

  it("cannot run on what is no export, and exits with 1", async () => {
    write("notes.txt", "nothing");
    for (const path of ["notes.txt", "missing.json"]) {
      const { code, err } = await run(path);
      assert.equal(code, 1, path);
      assert.match(err, /"error"/);
    }
  });

  it("names a tenant file that is broken", async () => {
    write("tenant.yaml", "clients: {a: 1}\nroles: [\n");
    const { code, line } = await run("tenant.yaml");
    assert.deepEqual([code, line("file", "tenant.yaml")?.state], [3, "refused"]);
  });
});
