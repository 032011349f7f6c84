import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { engines } from "../support/engines.ts";
import { openMailbox } from "../support/mailbox.ts";
import { answers, startProcess } from "../support/processes.ts";
import { freePort } from "../support/server.ts";

const TO = "anne@example.com";
const CODE = "482913";

for (const engine of engines)
  describe(`a process that is killed between commit and delivery, on ${engine.name}`, () => {
    it("leaves a mail that the next start sends, once", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "behalf-killed-"));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const mailbox = await openMailbox();
      t.after(() => mailbox.close());
      const port = await freePort();
      const issuer = `http://localhost:${port}/`;
      const file = join(folder, "behalf.yaml");
      writeFileSync(join(folder, "root.key"), randomBytes(32).toString("base64"), { mode: 0o600 });
      const database = await engine.storage();
      const storage = database === "sqlite::memory:" ? "sqlite:behalf.sqlite" : database;
      writeFileSync(
        file,
        stringify({
          issuer,
          listen: { port },
          storage,
          rootKey: { file: "root.key" },
          ...mailbox.configPart,
        }),
        { mode: 0o600 },
      );

      const asking = await startProcess("test/support/message-process.ts", [file, TO, CODE], {
        ready: (output) => output.includes("committed\n"),
      });
      await asking.stop("SIGKILL");
      assert.deepEqual(mailbox.messages(), []);
      if (storage !== database)
        assert.ok(!readFileSync(join(folder, "behalf.sqlite"), "latin1").includes(CODE));

      const serve = () =>
        startProcess("packages/server/src/bin.ts", ["serve", "--config", file], {
          ready: () => answers(`${issuer}healthz`),
        });
      const server = await serve();
      t.after(() => server.stop("SIGKILL"));
      const mail = await mailbox.waitForMail(TO);
      assert.ok(mail.text.includes(CODE));
      await server.stop();
      const again = await serve();
      t.after(() => again.stop("SIGKILL"));
      // Two looks of the outbox at what is due.
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      assert.equal(mailbox.messages(TO).length, 1);
    });
  });
