import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import type { MailboxOptions } from "@behalf/sandbox";
import { dumpDatabase } from "../support/dump.ts";
import { engines } from "../support/engines.ts";
import { openMailbox, type TestMailbox } from "../support/mailbox.ts";
import { startTestServer } from "../support/server.ts";
import { makeCertificates, type TestCertificates } from "../support/tls.ts";

const TO = "anne@example.com";
const CODE = "482913";
const SETTLE_MS = 20_000;
const POLL_MS = 10;
/** Servers of their own, that mostly wait for the background to look: they can wait at the same time. */
const TOGETHER = { concurrency: 6 };

/** Waits until `look` is content. */
async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  while (!(await look())) {
    if (Date.now() > deadline) assert.fail(`${what} did not come within ${SETTLE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const readPair = ({ keyFile, certFile }: TestCertificates) => ({
  key: readFileSync(keyFile, "utf8"),
  cert: readFileSync(certFile, "utf8"),
});

type WorldOptions = MailboxOptions & {
  storage?: string;
  /** Added to `mail.smtp`, and to `sms`. */
  smtp?: object;
  smsConfig?: (mailbox: TestMailbox) => object;
  env?: Record<string, string>;
};

async function world(t: TestContext, options: WorldOptions = {}) {
  const mailbox = await openMailbox(options);
  t.after(() => mailbox.close());
  const server = await startTestServer(
    (config) => {
      Object.assign(config, mailbox.configPart);
      const mail = mailbox.configPart.mail as { smtp: object };
      config["mail"] = { ...mail, smtp: { ...mail.smtp, ...options.smtp } };
      config["sms"] = { ...mailbox.configPart.sms, ...options.smsConfig?.(mailbox) };
      if (options.storage) config["storage"] = options.storage;
    },
    options.env ? { env: options.env } : {},
  );
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
  const outbox = () =>
    storage
      .db<{ outbox: { payload: string; done_at: number | null } }>()
      .selectFrom("outbox")
      .select(["payload", "done_at"])
      .execute();
  /** Every message was delivered or given up: nobody will try it again. */
  const settled = () =>
    until("the end of the outbox", async () => {
      const rows = await outbox();
      return rows.length > 0 && rows.every((row) => row.done_at !== null);
    });
  const delayed = () => until("a delay", () => server.log.join("").includes('"message":"message delayed"'));
  return { mailbox, server, messages, storage, outbox, settled, delayed, code };
}

for (const engine of engines)
  describe(`messages on ${engine.name}`, () => {
    it("arrive by SMTP and SMS, and the database holds the code neither before nor after", async (t) => {
      const { mailbox, server, messages, storage, outbox, settled, code } = await world(t, {
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
      await settled();
      for (const canary of [CODE, TO, "+15005550009"])
        assert.ok(!(await dumpDatabase(server)).includes(canary), canary);
      assert.ok(!server.log.join("").includes(TO) && !server.log.join("").includes(CODE));
      const rows = await outbox();
      assert.deepEqual(
        rows.map((row) => [row.payload, row.done_at !== null]),
        [
          ["null", true],
          ["null", true],
        ],
      );
    });

    it("are not sent when their transaction was rolled back", async (t) => {
      const { mailbox, messages, storage, outbox } = await world(t, { storage: await engine.storage() });
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
      assert.deepEqual(await outbox(), []);
      assert.deepEqual(mailbox.messages(), []);
    });
  });

describe("a mail", TOGETHER, () => {
  it("that comes again after its answer was lost carries the same Message-ID", async (t) => {
    const { mailbox, code } = await world(t);
    mailbox.switches.set({ mailLoseAnswer: { times: 1 } });
    await code();
    await mailbox.waitForMail(TO, 2);
    const [first, second] = mailbox.messages(TO);
    assert.equal(first?.messageId, second?.messageId);
  });

  it("that is refused for good is not tried again, and the log names nobody", async (t) => {
    const { mailbox, server, settled, code } = await world(t);
    mailbox.switches.set({ mailReject: { times: 1 } });
    await code();
    await settled();
    assert.deepEqual(mailbox.messages(), []);
    const line = server.log.find((one) => one.includes("message dropped")) ?? "";
    assert.match(line, /"reason":"refused","detail":"refused with 550","count":1/);
    assert.doesNotMatch(line, /anne|482913/);
  });

  it("whose code has expired is dropped", async (t) => {
    const { mailbox, server, settled, code } = await world(t);
    await code(TO, 1);
    await settled();
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
      const { mailbox, server, settled, code } = await world(t);
      await code(to);
      await settled();
      assert.deepEqual(mailbox.messages(), []);
      assert.match(server.log.join(""), /"detail":"not one mail address"/);
    });

  it("goes over STARTTLS when the certificate is trusted, and not before", async (t) => {
    const certificates = await makeCertificates();
    t.after(() => certificates.remove());
    const tls = readPair(certificates);
    const { mailbox, delayed, code } = await world(t, { tls, smtp: { host: "localhost", requireTls: true } });
    await code();
    await delayed();
    assert.deepEqual(mailbox.messages(), []);
    certificates.trust();
    await mailbox.waitForMail(TO);
  });

  it("goes over TLS from the first byte where that is configured, to a trusted certificate alone", async (t) => {
    const certificates = await makeCertificates();
    t.after(() => certificates.remove());
    const { mailbox, delayed, code } = await world(t, {
      tls: readPair(certificates),
      implicitTls: true,
      smtp: { host: "localhost", secure: true },
    });
    await code();
    await delayed();
    assert.deepEqual(mailbox.messages(), []);
    certificates.trust();
    await mailbox.waitForMail(TO);
  });

  it("is sent with the user and password that are configured", async (t) => {
    const login = { user: "sender", password: "a-long-password" };
    const { mailbox, code } = await world(t, {
      login,
      smtp: { user: login.user, password: { env: "MAIL_PASSWORD" } },
      env: { MAIL_PASSWORD: login.password },
    });
    await code();
    await mailbox.waitForMail(TO);
  });

  for (const [name, smtp] of Object.entries({
    "a wrong password": { user: "sender", password: { env: "MAIL_PASSWORD" } },
    "no log-in where one is asked for": {},
  }))
    it(`waits with ${name}, which is nobody's fault but the operator's`, async (t) => {
      const { mailbox, server, delayed, outbox, code } = await world(t, {
        login: { user: "sender", password: "a-long-password" },
        smtp,
        env: { MAIL_PASSWORD: "another-password" },
      });
      await code();
      await delayed();
      assert.deepEqual(mailbox.messages(), []);
      assert.deepEqual(
        (await outbox()).map((row) => row.done_at),
        [null],
      );
      assert.doesNotMatch(server.log.join(""), /another-password/);
    });

  it("is not sent in clear where TLS is required", async (t) => {
    const { mailbox, delayed, code } = await world(t, { smtp: { requireTls: true } });
    await code();
    await delayed();
    assert.deepEqual(mailbox.messages(), []);
  });
});

describe("a text", TOGETHER, () => {
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
    await at.settled();
    assert.deepEqual(at.mailbox.messages(), []);
    assert.match(at.server.log.join(""), /"detail":"refused with 400"/);
  });

  const gatewayLogin = { user: "account", password: "a-long-password" };

  it("goes as JSON where the gateway wants that, with its log-in and the id of the message", async (t) => {
    const at = await world(t, {
      sms: gatewayLogin,
      smsConfig: ({ smsJsonUrl }) => ({
        url: smsJsonUrl,
        format: "json",
        user: gatewayLogin.user,
        password: { env: "SMS_PASSWORD" },
      }),
      env: { SMS_PASSWORD: gatewayLogin.password },
    });
    await send(at);
    const text = await at.mailbox.waitForText("+15005550009");
    assert.equal(text.from, "+15005550006");
    assert.match(text.text, /482913/);
    assert.match(text.messageId, /^out_/);
  });

  it("waits while the gateway refuses our log-in", async (t) => {
    const at = await world(t, { sms: gatewayLogin });
    await send(at);
    await at.delayed();
    assert.deepEqual(at.mailbox.messages(), []);
    assert.match(at.server.log.join(""), /"detail":"401"/);
  });

  it("in a form that the gateway does not speak is given up", async (t) => {
    const at = await world(t, { smsConfig: ({ smsUrl }) => ({ url: smsUrl, format: "json" }) });
    await send(at);
    await at.settled();
    assert.deepEqual(at.mailbox.messages(), []);
  });

  it("to what is no number is sent to nobody", async (t) => {
    const at = await world(t);
    await send(at, "+1500&To=%2B1");
    await at.settled();
    assert.deepEqual(at.mailbox.messages(), []);
  });
});
