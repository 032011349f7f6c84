import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import { StartError } from "../support/start-error.ts";
import type { MailboxStore } from "./store.ts";
import type { MailboxSwitchboard } from "./switches.ts";

/** The sandbox serves this machine alone. */
const HOST = "127.0.0.1";
const MAX_MAIL_BYTES = 256 * 1024;
const CLOSE_TIMEOUT_MS = 200;

/** TLS and a log-in that mail must use; without it the server takes mail in clear from anybody. */
export type SmtpProtection = {
  /** PEM; STARTTLS is offered with it. */
  tls?: { key: string; cert: string };
  /** TLS from the first byte, with the same certificate. Default: STARTTLS. */
  implicitTls?: boolean;
  /** Who may send. */
  login?: { user: string; password: string };
};

/** An SMTP server that delivers nothing and keeps everything. Port 0 takes a free one. */
export async function startSmtp(
  deps: { store: MailboxStore; switchboard: MailboxSwitchboard; stopping: AbortSignal },
  options: SmtpProtection & { port: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const { store, switchboard, stopping } = deps;
  const { login, tls } = options;
  const server = new SMTPServer({
    size: MAX_MAIL_BYTES,
    banner: "Sandbox mailbox",
    authOptional: login === undefined,
    disabledCommands: [...(tls ? [] : ["STARTTLS"]), ...(login ? [] : ["AUTH"])],
    ...(tls ?? {}),
    secure: options.implicitTls ?? false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    disableReverseLookup: true,
    onAuth(auth, _session, answer) {
      const isRight = auth.username === login?.user && auth.password === login?.password;
      answer(
        isRight ? null : refusal(535, "Authentication failed"),
        isRight ? { user: "sender" } : undefined,
      );
    },
    onRcptTo(_address, _session, answer) {
      if (switchboard.take("mailTempfail")) return answer(refusal(451, "Come again later"));
      if (switchboard.take("mailReject")) return answer(refusal(550, "No such mailbox"));
      answer();
    },
    onData(stream, session, answer) {
      const receive = async () => {
        const mail = await simpleParser(stream);
        const slow = switchboard.take("mailSlow");
        // Ends early when the sandbox stops; the connection is cut then anyway.
        if (slow) await sleep(slow.ms, undefined, { signal: stopping }).catch(() => undefined);
        for (const { address } of session.envelope.rcptTo)
          store.add({
            kind: "mail",
            to: address,
            from: mail.from?.text ?? "",
            subject: mail.subject ?? "",
            text: mail.text ?? "",
            html: mail.html || "",
            messageId: mail.messageId ?? "",
          });
        if (!switchboard.take("mailLoseAnswer")) return answer();
        for (const connection of server.connections)
          if ((connection as { id?: string }).id === session.id)
            (connection as unknown as { _socket: { destroy(): void } })._socket.destroy();
      };
      receive().catch((error) => answer(error instanceof Error ? error : refusal(451, "Cannot be read")));
    },
  });
  // A sender that hangs up is no fault of this program.
  server.on("error", () => undefined);
  const listening = server.listen(options.port, HOST);
  try {
    await once(listening, "listening");
  } catch (cause) {
    throw new StartError(
      `Port ${options.port} cannot be used for SMTP. Choose another one with --smtp-port.`,
      {
        cause,
      },
    );
  }
  const address = listening.address();
  if (address === null || typeof address === "string") throw new StartError("The server has no TCP address.");
  return {
    port: address.port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function refusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
