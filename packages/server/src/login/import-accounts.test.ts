import assert from "node:assert/strict";
import { pbkdf2Sync, scryptSync } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { hash as hashArgon2 } from "@node-rs/argon2";
import { hash as hashBcrypt } from "@node-rs/bcrypt";
import { createAudit } from "../audit/index.ts";
import { randomBytes } from "../crypto/random.ts";
import { createIds } from "../lib/ids.ts";
import { secret } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
import { migrate } from "../storage/migrate.ts";
import { testEngines } from "../storage/testing.ts";
import { createAccounts } from "./accounts.ts";
import { createBreachedPasswords } from "./breached.ts";
import { createImportAccounts, type ImportedAccount } from "./import-accounts.ts";
import { createImportedForms } from "./imported-forms.ts";
import { decoyOf, readImportedHash } from "./imported-passwords.ts";
import { createLockout } from "./lockout.ts";
import { createPasswords } from "./passwords.ts";
import type { LoginTables } from "./store.ts";

const PASSWORD = "pássword of the other system";
const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
const SALT = Buffer.alloc(16, 5);
const pbkdf2Of = (iterations: number) =>
  `$pbkdf2-sha512$i=${iterations},l=64$${base64(SALT)}$${base64(pbkdf2Sync(PASSWORD, SALT, iterations, 64, "sha512"))}`;
const scryptHash = `$scrypt$ln=10,r=8,p=1$${base64(SALT)}$${base64(scryptSync(PASSWORD, SALT, 32, { N: 1024 }))}`;

async function hashes(): Promise<Record<string, string>> {
  const bcrypt = await hashBcrypt(PASSWORD, { cost: 4 });
  return {
    "bcrypt $2b$": bcrypt,
    "bcrypt $2a$": bcrypt.replace("$2b$", "$2a$"),
    argon2id: await hashArgon2(PASSWORD, { algorithm: 2, memoryCost: 8_192, timeCost: 3, parallelism: 1 }),
    pbkdf2: pbkdf2Of(1_000),
    scrypt: scryptHash,
  };
}

describe("a hash that was made elsewhere", () => {
  it("matches its password and no other, and its decoy matches none", async () => {
    for (const [name, text] of Object.entries(await hashes())) {
      const hash = readImportedHash(text);
      assert.ok(hash, name);
      assert.equal(await hash.matches(PASSWORD), true, name);
      assert.equal(await hash.matches(`${PASSWORD} `), false, name);
      const decoy = await decoyOf(hash.form);
      assert.equal(decoy.form, hash.form, name);
      assert.equal(await decoy.matches("no user has this password"), false, name);
    }
  });

  it("is not taken when its algorithm is unknown, its form is broken or its check costs too much", async () => {
    const bcrypt = await hashBcrypt(PASSWORD, { cost: 4 });
    for (const text of [
      "",
      "password",
      "5f4dcc3b5aa765d61d8327deb882cf99",
      "{SSHA}abcdef",
      bcrypt.slice(0, -1),
      `${bcrypt}\n`,
      bcrypt.replace("$04$", "$15$"),
      bcrypt.replace("$04$", "$03$"),
      "$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
      "$argon2id$v=16$m=8192,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
      pbkdf2Of(1_000).replace("i=1000", "i=1000001"),
      pbkdf2Of(1_000).replace("l=64", "l=32"),
      pbkdf2Of(1_000).replace("sha512", "md4"),
      scryptHash.replace("ln=10", "ln=18"),
      "$scrypt$ln=17,r=16,p=9$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
    ])
      assert.equal(readImportedHash(text), undefined, text);
  });
});

for (const engine of testEngines())
  describe(`importing accounts on ${engine.name}`, () => {
    let storage: Storage;
    before(async () => {
      storage = await engine.open();
      await migrate(storage, { now: () => 0 });
    });
    after(() => storage.close());

    async function world() {
      for (const table of ["users", "imported_password_forms", "login_failures"] as const)
        await storage.db<LoginTables>().deleteFrom(table).execute();
      const clock = { now: () => Date.now() };
      const audit = createAudit({ storage, clock });
      const forms = createImportedForms({ storage, clock });
      const passwords = await createPasswords(undefined, forms);
      const ids = createIds({ clock, random: randomBytes });
      const lockout = createLockout({ storage, clock });
      const accounts = createAccounts({
        storage,
        audit,
        clock,
        ids,
        passwords,
        lockout,
        breached: createBreachedPasswords(),
      });
      return { accounts, audit, forms, importAccounts: createImportAccounts({ storage, audit, clock }) };
    }
    const person = (n: number, more: Partial<ImportedAccount> = {}): ImportedAccount => ({
      id: `auth0|${n}`,
      email: `Person-${n}@Example.com`,
      emailVerified: true,
      disabled: false,
      ...more,
    });
    const stored = (id: string) =>
      storage.db<LoginTables>().selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();

    it("lets each known form log in once by its hash, which is ours afterwards", async () => {
      for (const [name, text] of Object.entries(await hashes())) {
        const { accounts, importAccounts } = await world();
        assert.deepEqual(await importAccounts([person(1, { passwordHash: secret(text) })]), [
          { account: "made", password: "taken" },
        ]);
        const wrong = await accounts.authenticate("person-1@example.com", secret("another password"));
        assert.equal(wrong.outcome, "wrong", name);
        assert.match((await stored("auth0|1"))?.password_hash ?? "", /^imported:/, name);
        for (let i = 0; i < 2; i += 1) {
          const right = await accounts.authenticate("person-1@example.com", secret(PASSWORD));
          assert.equal(right.outcome, "ok", name);
          assert.match(
            (await stored("auth0|1"))?.password_hash ?? "",
            /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/,
          );
        }
      }
    });

    it("keeps id, address, name, picture and date, and makes nobody an administrator", async () => {
      const { importAccounts, audit } = await world();
      const extra = { name: "Anne", picture: "https://pictures.example/1", createdAt: 1_000, disabled: true };
      await importAccounts([person(1, extra)]);
      const row = await stored("auth0|1");
      assert.deepEqual(
        [
          row?.email,
          row?.email_key,
          row?.email_verified,
          row?.name,
          row?.picture,
          Number(row?.created_at),
          row?.role,
        ],
        ["Person-1@Example.com", "person-1@example.com", 1, "Anne", extra.picture, 1_000, "user"],
      );
      assert.notEqual(row?.disabled_at, null);
      assert.ok(
        (await audit.list({ limit: 5 })).events.some((event) => event.action === "login.user_imported"),
      );
    });

    it("changes nothing the second time, and adds what was missing the first time", async () => {
      const { importAccounts } = await world();
      await importAccounts([person(1)]);
      const before = await stored("auth0|1");
      assert.deepEqual(await importAccounts([person(1, { emailVerified: false })]), [
        { account: "unchanged", password: "none" },
      ]);
      assert.deepEqual(await stored("auth0|1"), before);
      const bcrypt = secret(await hashBcrypt(PASSWORD, { cost: 4 }));
      const again = person(1, { name: "Anne", passwordHash: bcrypt });
      assert.deepEqual(await importAccounts([again]), [{ account: "completed", password: "taken" }]);
      assert.deepEqual(await importAccounts([again]), [{ account: "unchanged", password: "kept" }]);
    });

    it("never replaces a password, whoever exports another hash for the id", async () => {
      const { accounts, importAccounts } = await world();
      const first = secret(await hashBcrypt(PASSWORD, { cost: 4 }));
      await importAccounts([person(1, { passwordHash: first })]);
      const other = secret(await hashBcrypt("another password", { cost: 4 }));
      await importAccounts([person(1, { passwordHash: other })]);
      const attempt = await accounts.authenticate("person-1@example.com", secret("another password"));
      assert.equal(attempt.outcome, "wrong");
    });

    it("gives an address that is taken to nobody else, and refuses ids and addresses that are none", async () => {
      const { accounts, importAccounts } = await world();
      await accounts.create({ email: "person-1@example.com" });
      const outcomes = await importAccounts([
        person(1),
        person(2),
        { ...person(3), email: "PERSON-2@example.com" },
        { ...person(4), email: "nobody" },
        { ...person(5), id: "" },
        { ...person(6), id: "auth0|a b" },
        { ...person(7), id: "auth0|\0" },
        { ...person(8), id: "x".repeat(256) },
        { ...person(9), id: "usr_01k00000000000000000000000" },
      ]);
      assert.deepEqual(
        outcomes.map(({ account }) => account),
        [
          ...["email_taken", "made", "email_taken", "email_invalid"],
          ...["id_invalid", "id_invalid", "id_invalid", "id_invalid", "id_invalid"],
        ],
      );
    });

    it("counts a hash that cannot be checked, and a form too many, as passwords to be reset", async () => {
      const { importAccounts } = await world();
      const five = [1, 2, 3, 4, 5].map((n) => person(n, { passwordHash: secret(pbkdf2Of(n)) }));
      const unknown = person(6, { passwordHash: secret("5f4dcc3b5aa765d61d8327deb882cf99") });
      const outcomes = await importAccounts([...five, unknown]);
      assert.deepEqual(
        outcomes.map(({ account, password }) => `${account} ${password}`),
        [...Array(4).fill("made taken"), "made unknown", "made unknown"],
      );
      assert.equal((await stored("auth0|6"))?.password_hash, null);
    });

    it("forgets a form at the start once nobody's password is in it any longer", async () => {
      const { accounts, forms, importAccounts } = await world();
      const people = [
        person(1, { passwordHash: secret(pbkdf2Of(10)) }),
        person(2, { passwordHash: secret(scryptHash) }),
      ];
      await importAccounts(people);
      await forms.forgetUnused();
      assert.equal((await forms.decoys()).size, 2);
      await accounts.authenticate("person-1@example.com", secret(PASSWORD));
      await forms.forgetUnused();
      const rows = await storage
        .db<LoginTables>()
        .selectFrom("imported_password_forms")
        .selectAll()
        .execute();
      assert.deepEqual(
        rows.map(({ form }) => form.split("$")[1]),
        ["scrypt"],
      );
    });

    it("writes nothing in a trial run, and says the same", async () => {
      const { importAccounts, forms } = await world();
      const bcrypt = secret(await hashBcrypt(PASSWORD, { cost: 4 }));
      assert.deepEqual(await importAccounts([person(1, { passwordHash: bcrypt })], { dryRun: true }), [
        { account: "made", password: "taken" },
      ]);
      assert.equal(await stored("auth0|1"), undefined);
      assert.equal((await forms.decoys()).size, 0);
    });

    it("makes one user of 64 imports at once", async () => {
      const { importAccounts } = await world();
      const outcomes = await Promise.all(Array.from({ length: 64 }, () => importAccounts([person(1)])));
      assert.equal(outcomes.flat().filter(({ account }) => account === "made").length, 1);
      assert.equal(outcomes.flat().filter(({ account }) => account === "unchanged").length, 63);
    });

    it("makes an unknown address and our own hashes take as long as an imported one", async () => {
      const { accounts, importAccounts } = await world();
      const bcrypt = secret(await hashBcrypt(PASSWORD, { cost: 10 }));
      await importAccounts([person(1, { passwordHash: bcrypt })]);
      const timed = async (email: string) => {
        const startedAt = performance.now();
        await accounts.authenticate(email, secret("wrong password"));
        return performance.now() - startedAt;
      };
      await timed("person-1@example.com");
      const pairs = [];
      for (let i = 0; i < 9; i += 1)
        pairs.push([await timed(`nobody-${i}@example.com`), await timed("person-1@example.com")] as const);
      const median = (values: number[]) => values.sort((a, b) => a - b)[4] ?? 0;
      const ratio = median(pairs.map(([nobody]) => nobody)) / median(pairs.map(([, person]) => person));
      assert.ok(ratio > 0.7 && ratio < 1.4, `ratio ${ratio}`);
    });
  });
