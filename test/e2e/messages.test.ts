import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { MailboxOptions } from "@behalf/sandbox";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { openMailbox } from "../support/mailbox.ts";
import { startTestServer } from "../support/server.ts";
import { makeCertificates } from "../support/tls.ts";

const TO = "anne@example.com";
const CODE = "482913";
/** Longer than the outbox takes to look again, twice. */
const QUIET_MS = 2_500;
const quiet = () => new Promise((resolve) => setTimeout(resolve, QUIET_MS));

async function world(t: TestContext, options: MailboxOptions & { storage?: string; smtp?: object } = {}) {
  const mailbox = await openMailbox(options);
  t.after(() => mailbox.close());
  const server = await startTestServer((config) => {
    Object.assign(config, mailbox.configPart);
    const mail = mailbox.configPart.mail as { smtp: object };
    config["mail"] = { ...mail, smtp: { ...mail.smtp, ...options.smtp } };
    if (options.storage) config["storage"] = options.storage;
  });
  t.after(() => server.close());
  const { messages, storage } = server.services;
  const code = (to = TO, lifeMs = 600_000) =>
    storage.transaction((tx) =>
      messages.mail(tx, {
        to,
        language: "en",
        template: "login_code",
        values: { code: CODE, path: "/login" },
        expiresAt: Date.now() + lifeMs,
      }),
    );
  return { mailbox, server, messages, storage, code };
}

for (const engine of engines)
  describe(`messages on ${engine.name}`, () => {
    it("arrive by SMTP and SMS, and the database holds the code neither before nor after", async (t) => {
      const { mailbox, server, messages, storage, code } = await world(t, {
        storage: await engine.storage(),
      });
      mailbox.switches.set({ mailTempfail: { times: 1 } });
      await code();
      await storage.transaction((tx) =>
        messages.text(tx, {
          to: "+15005550009",
          language: "ja",
          template: "login_code",
          values: { code: CODE },
          expiresAt: Date.now() + 600_000,
        }),
      );
      for (const canary of [CODE, TO, "+15005550009"])
        assert.ok(!(await dumpDatabase(server)).includes(canary), canary);
      const mail = await mailbox.waitForMail(TO);
      assert.ok(mail.text.includes(CODE) && mail.html.includes(CODE));
      assert.match(mail.messageId, /^<out_[0-9a-z]{26}@id\.example\.com>$/);
      const text = await mailbox.waitForText("+15005550009");
      assert.match(text.text, /@localhost #482913$/);
      await quiet();
      for (const canary of [CODE, TO, "+15005550009"])
        assert.ok(!(await dumpDatabase(server)).includes(canary), canary);
      assert.ok(!server.log.join("").includes(TO) && !server.log.join("").includes(CODE));
      const rows = await storage
        .db<{ outbox: { payload: string; done_at: number | null } }>()
        .selectFrom("outbox")
        .selectAll()
        .execute();
      assert.deepEqual(
        rows.map((row) => [row.payload, row.done_at !== null]),
        [
          ["null", true],
          ["null", true],
        ],
      );
    });

    it("are not sent when their transaction was rolled back", async (t) => {
      const { mailbox, messages, storage } = await world(t, { storage: await engine.storage() });
      const failed = storage.transaction(async (tx) => {
        await messages.mail(tx, {
          to: TO,
          language: "en",
          template: "password_changed",
          values: { path: "/" },
        });
        throw new Error("stop");
      });
      await assert.rejects(failed, /stop/);
      await quiet();
      assert.deepEqual(mailbox.messages(), []);
    });
  });

describe("a mail", () => {
  it("that comes again after its answer was lost carries the same Message-ID", async (t) => {
    const { mailbox, code } = await world(t);
    mailbox.switches.set({ mailLoseAnswer: { times: 1 } });
    await code();
    await mailbox.waitForMail(TO, 2);
    const [first, second] = mailbox.messages(TO);
    assert.equal(first?.messageId, second?.messageId);
  });

  it("that is refused for good is not tried again, and the log names nobody", async (t) => {
    const { mailbox, server, code } = await world(t);
    mailbox.switches.set({ mailReject: { times: 1 } });
    await code();
    await quiet();
    assert.deepEqual(mailbox.messages(), []);
    const line = server.log.find((one) => one.includes("message dropped")) ?? "";
    assert.match(line, /"reason":"refused","detail":"refused with 550","count":1/);
    assert.doesNotMatch(line, /anne|482913/);
  });

  it("whose code has expired is dropped", async (t) => {
    const { mailbox, server, code } = await world(t);
    await code(TO, 1);
    await quiet();
    assert.deepEqual(mailbox.messages(), []);
    assert.match(server.log.join(""), /"reason":"expired"/);
  });

  for (const to of [
    "anne@example.com\r\nBcc: all@evil.example",
    "anne@example.com, all@evil.example",
    "Anne <anne@example.com>",
    "anne",
    "anne@example.com>\r\nRCPT TO:<all@evil.example",
  ])
    it(`to ${JSON.stringify(to)} is sent to nobody`, async (t) => {
      const { mailbox, server, code } = await world(t);
      await code(to);
      await quiet();
      assert.deepEqual(mailbox.messages(), []);
      assert.match(server.log.join(""), /"detail":"not one mail address"/);
    });

  it("goes over STARTTLS when the certificate is trusted, and not before", async (t) => {
    const certificates = await makeCertificates();
    t.after(() => certificates.remove());
    const { readFileSync } = await import("node:fs");
    const tls = {
      key: readFileSync(certificates.keyFile, "utf8"),
      cert: readFileSync(certificates.certFile, "utf8"),
    };
    const { mailbox, server, code } = await world(t, { tls, smtp: { host: "localhost", requireTls: true } });
    await code();
    await quiet();
    assert.deepEqual(mailbox.messages(), []);
    assert.match(server.log.join(""), /"message":"message delayed"/);
    certificates.trust();
    await mailbox.waitForMail(TO);
  });

  it("is not sent in clear where TLS is required", async (t) => {
    const { mailbox, server, code } = await world(t, { smtp: { requireTls: true } });
    await code();
    await quiet();
    assert.deepEqual(mailbox.messages(), []);
    assert.match(server.log.join(""), /"message":"message delayed"/);
  });
});

describe("a text", () => {
  const send = ({ messages, storage }: Awaited<ReturnType<typeof world>>, to = "+15005550009") =>
    messages.text(storage, { to, language: "en", template: "login_code", values: { code: CODE } });

  for (const [name, switches] of Object.entries({
    429: { smsStatus429: { times: 1, retryAfterSeconds: 1 } },
    500: { smsStatus500: { times: 1 } },
  }))
    it(`that is answered with ${name} is tried again`, async (t) => {
      const at = await world(t);
      at.mailbox.switches.set(switches);
      await send(at);
      await at.mailbox.waitForText("+15005550009");
    });

  it("that is answered with 400 is given up", async (t) => {
    const at = await world(t);
    at.mailbox.switches.set({ smsStatus400: { times: 1 } });
    await send(at);
    await quiet();
    assert.deepEqual(at.mailbox.messages(), []);
    assert.match(at.server.log.join(""), /"detail":"refused with 400"/);
  });

  it("to what is no number is sent to nobody", async (t) => {
    const at = await world(t);
    await send(at, "+1500&To=%2B1");
    await quiet();
    assert.deepEqual(at.mailbox.messages(), []);
  });
});
