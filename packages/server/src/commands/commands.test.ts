import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { loadConfig } from "../config.ts";
import { secret } from "../lib/secret.ts";
import { openServices } from "../main.ts";
import { commands } from "./index.ts";
import { type CommandFolder, openFolder } from "./testing.ts";

const PASSWORD = "correct horse battery";

/** The JSON of an answer; its shape is what each test asserts. */
// biome-ignore lint/suspicious/noExplicitAny: asserted member by member
type Answer = any;

describe("the behalf command", () => {
  let at: CommandFolder;
  before(async () => {
    at = openFolder();
    assert.equal((await at.behalf("init --email root@example.com")).code, 0);
  });
  after(() => at.close());

  const json = async (words: string): Promise<Answer> => (await at.behalf(`${words} --json`)).json;

  describe("help", () => {
    it("lists every command with its summary", async () => {
      const { code, out } = await at.behalf("--help");
      assert.equal(code, 0);
      for (const { name, summary } of commands) assert.ok(out.includes(name) && out.includes(summary), name);
    });

    for (const { name } of commands)
      it(`of "${name}" shows how to call it`, async () => {
        const { code, out, err } = await at.behalf(`${name} --help`);
        assert.equal(code, 0);
        assert.ok(out.startsWith(`Usage: behalf ${name}`));
        assert.match(out, /--json/);
        assert.equal(err, "");
      });

    it("of a group lists its commands", async () => {
      const { code, out } = await at.behalf("users --help");
      assert.equal(code, 0);
      assert.match(out, /users create/);
      assert.doesNotMatch(out, /clients create/);
    });

    it("is shown, with exit code 2, when nothing was asked for", async () => {
      const { code, out } = await at.behalf("");
      assert.equal(code, 2);
      assert.match(out, /^Usage: behalf/);
    });

    it("prints the version", async () => {
      assert.deepEqual(await at.behalf("--version"), { code: 0, out: "1.2.3\n", err: "", json: undefined });
    });
  });

  describe("misuse", () => {
    const misused: [string, RegExp][] = [
      ["frobnicate", /"frobnicate" is no command\. Run "behalf --help"/],
      ["users", /Choose one of: users create, users list/],
      ["users remove", /"users remove" is no command\. Choose one of/],
      ["users list --bogus", /--bogus/],
      ["users list --email", /--email/],
      ["users list extra", /"extra" is one argument too many/],
      ["users create", /--email is missing/],
      ["users create --email a@b.example --role root", /--role must be user or admin/],
      ["users disable", /<id or e-mail address> is missing/],
      ["clients create", /--name is missing/],
      ["clients create --name A --grant password", /grantTypes/],
      ["clients create --name A --api noscopes", /--api must look like/],
      ["clients create --name A --jwks none.json", /--jwks: none.json cannot be read as JSON/],
      ["clients create --name A --tls-client-auth dns=a.example", /tlsClientAuth\.by/],
      ["clients create --name A --certificate none.pem", /--certificate: none.pem cannot be read/],
      ["clients create --name A --agent-owner B", /--agent-purpose is missing/],
      ["audit list --limit 0", /--limit must be a whole number from 1 to 200/],
      ["audit list --limit 201", /--limit must be a whole number/],
      ["audit list --limit 1e1", /--limit must be a whole number/],
      ["keys create", /--out is missing/],
    ];
    for (const [words, message] of misused)
      it(`"${words}" ends with 2 and says what to write`, async () => {
        const { code, out, err } = await at.behalf(words);
        assert.equal(code, 2);
        assert.match(err, message);
        assert.equal(out, "");
      });

    it("is reported as JSON with --json", async () => {
      const { code, out, err } = await at.behalf("users create --json");
      assert.deepEqual([code, out], [2, ""]);
      assert.equal(JSON.parse(err).error.kind, "usage");
    });
  });

  describe("configuration faults", () => {
    it("end with 1 and name every problem", async () => {
      writeFileSync(at.path("bad.yaml"), "issuer: nope\nstorage: mysql\n");
      const { code, err } = await at.behalf("users list --config bad.yaml --json");
      assert.equal(code, 1);
      const { error } = JSON.parse(err);
      assert.equal(error.kind, "configuration");
      assert.equal(error.problems.length, 3);
    });

    it("name the command that writes a configuration when there is none", async () => {
      const { code, err } = await at.behalf("serve --config none.yaml");
      assert.equal(code, 1);
      assert.match(err, /none\.yaml does not exist; run "behalf init"/);
    });

    it("include a root key that others may read", { skip: process.platform === "win32" }, async () => {
      chmodSync(at.path("root.key"), 0o644);
      for (const words of ["serve", "users list", "migrate"]) {
        const { code, err } = await at.behalf(words);
        assert.equal(code, 1, words);
        assert.match(err, /run "chmod 600/);
      }
      chmodSync(at.path("root.key"), 0o600);
    });
  });

  describe("users", () => {
    it("are made, listed, switched off and on, by id or by address", async () => {
      const made = await json("users create --email Bob@example.com --name Bob");
      assert.match(made.id, /^usr_/);
      assert.ok(made.password.length >= 20);
      const listed = await json("users list --email bob@");
      assert.deepEqual(listed.users, [
        { id: made.id, email: "Bob@example.com", name: "Bob", role: "user", disabled: false },
      ]);
      assert.equal((await json("users disable bob@example.com")).disabled, true);
      assert.match((await at.behalf("users list")).out, /Bob@example\.com\s+user\s+disabled/);
      assert.equal((await json(`users enable ${made.id}`)).disabled, false);
    });

    it("get the password from standard input, which is printed nowhere", async () => {
      const { code, out, err } = await at.behalf("users create --email carl@example.com --password-stdin", {
        readStandardInput: async () => `${PASSWORD}\n`,
      });
      assert.equal(code, 0);
      assert.ok(!(out + err).includes(PASSWORD));
      const services = await openServices(loadConfig(at.path("behalf.yaml"), {}), {
        writeLog: () => undefined,
      });
      const login = await services.login.accounts.authenticate("carl@example.com", secret(PASSWORD));
      assert.equal(login.outcome, "ok");
      await services.close();
    });

    const refused: [string, string][] = [
      ["users create --email root@example.com", "login.email_taken"],
      ["users create --email nobody", "login.email_invalid"],
      ["users disable usr_none", "admin.user_unknown"],
      ["users disable root@example.com", "admin.last_administrator"],
    ];
    for (const [words, refusal] of refused)
      it(`"${words}" is refused with ${refusal}`, async () => {
        const { code, out, err } = await at.behalf(`${words} --json`);
        assert.deepEqual([code, out], [1, ""]);
        assert.equal(JSON.parse(err).error.code, refusal);
      });

    it("that do not exist are named", async () => {
      const { code, err } = await at.behalf("users disable none@example.com");
      assert.equal(code, 1);
      assert.match(err, /no user with the address none@example\.com\. "behalf users list"/);
    });
  });

  describe("clients", () => {
    it("are made with a secret that is printed once, listed, and switched off and on", async () => {
      const made = await json(
        "clients create --name Planner --redirect-uri https://a.example/cb --redirect-uri https://b.example/cb --grant token_vault --grant authorization_code --agent-owner Sales --agent-purpose Plans",
      );
      assert.match(made.client_secret, /^[A-Za-z0-9_-]{43}$/);
      assert.ok(!(await at.behalf("clients list --json")).out.includes(made.client_secret));
      const { clients } = await json("clients list");
      assert.deepEqual(
        clients.map((client: Answer) => [client.id, client.source, client.agent]),
        [
          ["assistant", "configuration", true],
          [made.id, "runtime", true],
        ],
      );
      assert.equal((await json(`clients disable ${made.id}`)).disabled, true);
      assert.equal((await json("clients disable assistant")).disabled, true);
      assert.match((await at.behalf("clients list")).out, /assistant .*disabled/);
      assert.equal((await json("clients enable assistant")).disabled, false);
    });

    it("without a secret are made with --public", async () => {
      assert.ok(!("client_secret" in (await json("clients create --name Web --public"))));
    });

    it("with keys of their own are made without a secret, and with a private key not at all", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const write = (name: string, key: object) =>
        writeFileSync(at.path(name), JSON.stringify({ keys: [key] }));
      write("public.json", { ...publicKey.export({ format: "jwk" }), kid: "a" });
      write("private.json", privateKey.export({ format: "jwk" }));
      const made = await json("clients create --name Machine --grant client_credentials --jwks public.json");
      assert.ok(!("client_secret" in made));
      await json("clients create --name Remote --grant ciba --jwks-uri https://app.example/jwks.json");
      const { code, err } = await at.behalf("clients create --name A --jwks private.json");
      assert.equal(code, 2);
      assert.match(err, /jwks\.keys\.0: Unrecognized key: "d"/);
    });

    it("are changed in what is named, keep the rest, and lose what is cleared", async () => {
      const { id } = await json(
        "clients create --name Web --redirect-uri https://a.example/cb --web-origin https://a.example --backchannel-logout-uri https://a.example/out --backchannel-logout-format json --organizations optional --agent-owner Sales --agent-purpose Plans",
      );
      await json(`clients update ${id} --name Shop --logout-uri https://a.example/ --agent-owner Support`);
      await json(`clients update ${id} --clear web-origin --rotate-refresh-tokens yes`);
      const services = await openServices(loadConfig(at.path("behalf.yaml"), {}), {
        writeLog: () => undefined,
      });
      const { metadata } = await services.admin.clients.get(id);
      await services.close();
      assert.deepEqual(metadata, {
        name: "Shop",
        redirectUris: ["https://a.example/cb"],
        postLogoutRedirectUris: ["https://a.example/"],
        webOrigins: [],
        tlsClientCertificateBoundAccessTokens: false,
        backchannelLogoutUri: "https://a.example/out",
        backchannelLogoutFormat: "json",
        grantTypes: ["authorization_code", "refresh_token"],
        apis: {},
        organizations: "optional",
        firstParty: false,
        rotateRefreshTokens: true,
        idTokenAlgorithm: "RS256",
        agent: { owner: "Support", purpose: "Plans", connections: {} },
      });
    });

    const wrongChanges: [string, string, RegExp][] = [
      ["nothing", "", /say what to change/],
      ["a member that is not there to clear", "--clear name", /--clear must be one of/],
      ["a format that does not exist", "--backchannel-logout-format xml", /backchannelLogoutFormat/],
      ["an origin with a path", "--web-origin https://a.example/x", /webOrigins/],
      ["rotation by another word", "--rotate-refresh-tokens maybe", /must be yes or no/],
    ];
    for (const [what, options, message] of wrongChanges)
      it(`are not changed by ${what}`, async () => {
        const { id } = await json("clients create --name Web");
        const { code, err } = await at.behalf(`clients update ${id} ${options}`);
        assert.equal(code, 2);
        assert.match(err, message);
      });

    it("of the configuration file are not changed, and unknown ones neither", async () => {
      for (const [id, expected] of [
        ["assistant", "admin.read_only"],
        ["none", "admin.client_unknown"],
      ]) {
        const { code, err } = await at.behalf(`clients update ${id} --name B --json`);
        assert.deepEqual([code, JSON.parse(err).error.code], [1, expected]);
      }
    });

    it("that refer to what does not exist are refused", async () => {
      const { code, err } = await at.behalf("clients create --name A --api https://none.example/=x --json");
      assert.equal(code, 1);
      assert.deepEqual(JSON.parse(err).error.problems, [
        'apis: no api has the audience "https://none.example/"',
      ]);
    });

    it("that are unknown cannot be switched", async () => {
      const { code, err } = await at.behalf("clients disable none --json");
      assert.equal(code, 1);
      assert.equal(JSON.parse(err).error.code, "admin.client_unknown");
    });
  });

  describe("keys", () => {
    it("lists the root key by its id and never its value", async () => {
      const { root_keys } = await json("keys list");
      assert.match(root_keys[0].id, /^[0-9a-f]{16}$/);
      const { out } = await at.behalf("keys list");
      assert.ok(!out.includes(readFileSync(at.path("root.key"), "utf8").trim()));
    });

    it("writes a new root key that can be put first without losing anything", async () => {
      const made = await json("keys create --out new.key");
      const old = readFileSync(at.path("root.key"), "utf8");
      writeFileSync(at.path("root.key"), readFileSync(at.path("new.key"), "utf8") + old);
      const { root_keys } = await json("keys list");
      assert.equal(root_keys.length, 2);
      assert.equal(root_keys[0].id, made.id);
      writeFileSync(at.path("root.key"), old);
    });

    it("makes successors of the signing keys, of one algorithm or of all, which do not sign yet", async () => {
      const states = async () => {
        const { signing_keys } = await json("keys list");
        return signing_keys.map(
          (key: { algorithm: string; state: string }) => `${key.algorithm} ${key.state}`,
        );
      };
      const before = await states();
      const { kids } = await json("keys rotate --algorithm EdDSA");
      assert.equal(kids.length, 1);
      assert.deepEqual((await states()).slice(before.length), ["EdDSA signs"]);
      const all = await json("keys rotate");
      const algorithms = new Set((await states()).map((line: string) => line.split(" ")[0]));
      assert.equal(all.kids.length, algorithms.size);
      assert.ok((await states()).includes("EdDSA next"));
      const { code, err } = await at.behalf("keys rotate --algorithm HS256 --json");
      assert.equal(code, 2);
      assert.match(err, /--algorithm must be one of RS256, ES256, EdDSA/);
    });

    it("never overwrites a file", async () => {
      writeFileSync(at.path("taken.key"), "mine");
      const { code, err } = await at.behalf("keys create --out taken.key");
      assert.equal(code, 1);
      assert.match(err, /exists; a key file is never overwritten/);
      assert.equal(readFileSync(at.path("taken.key"), "utf8"), "mine");
    });
  });

  it("lists connections without their secrets", async () => {
    assert.deepEqual(await json("connections list"), { issuer: "http://localhost:4000/", connections: [] });
  });

  describe("migrate", () => {
    it("says that a new database has everything pending, applies it, and then nothing", async () => {
      const text = readFileSync(at.path("behalf.yaml"), "utf8").replace("behalf.db", "fresh.db");
      writeFileSync(at.path("fresh.yaml"), text);
      const check = await at.behalf("migrate --config fresh.yaml --check --json");
      assert.equal(check.code, 1);
      const { pending } = check.json as { pending: string[] };
      assert.ok(pending.includes("0001-foundation"));
      assert.deepEqual((await json("migrate --config fresh.yaml")).applied, pending);
      assert.deepEqual(await json("migrate --config fresh.yaml"), { applied: [] });
      assert.equal((await at.behalf("migrate --config fresh.yaml --check")).code, 0);
    });
  });

  describe("audit", () => {
    it("verify says that the chain is unbroken and prints its last hash", async () => {
      const verdict = await json("audit verify");
      assert.equal(verdict.ok, true);
      assert.match(verdict.head, /^[A-Za-z0-9_-]{43}$/);
    });

    it("verify shows progress to a person who watches, and not to a script", async () => {
      assert.match((await at.behalf("audit verify", { watched: true })).err, /\r\d+ events checked\n$/);
      assert.equal((await at.behalf("audit verify")).err, "");
      assert.equal((await at.behalf("audit verify --json", { watched: true })).err, "");
    });

    it("verify finds an earlier hash that was noted elsewhere, and misses one of another log", async () => {
      const { head } = await json("audit verify");
      await at.behalf("users create --email dora@example.com");
      assert.equal((await at.behalf(`audit verify --head=${head}`)).code, 0);
      const { code, err } = await at.behalf("audit verify --head other");
      assert.equal(code, 1);
      assert.match(err, /No event has the hash other: the log was replaced/);
    });

    it("list shows what the command did", async () => {
      const { events } = await json("audit list --limit 1");
      assert.equal(events.length, 1);
      assert.equal(events[0].actor_id, "command");
    });

    it("verify ends with 1 and names the event when the log was changed", async () => {
      const database = new DatabaseSync(at.path("behalf.db"));
      database.exec("update audit_events set user_id = 'usr_other' where seq = 1");
      const { code, err } = await at.behalf("audit verify --json");
      assert.equal(code, 1);
      assert.equal(JSON.parse(err).error.seq, 1);
      assert.match((await at.behalf("audit verify")).err, /broken at event 1: a column does not say/);
      database.close();
    });
  });

  it("reports an unexpected error whole, so that it can be reported", async () => {
    const { code, err } = await at.behalf("users list", {
      openServices: async () => {
        throw new RangeError("surprise");
      },
    });
    assert.equal(code, 1);
    assert.match(err, /Unexpected: RangeError: surprise\n\s+at /);
  });

  it("leaves no file of its own behind", () => {
    assert.equal(existsSync(at.path("behalf.db-wal")), false);
  });
});
