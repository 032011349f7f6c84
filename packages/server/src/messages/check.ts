import type { MailConfig } from "../config.ts";
import { languageOf } from "../pages/languages/index.ts";
import { type MailBrand, renderMail } from "./render.ts";
import { createSmtpSender } from "./smtp.ts";
import { composeMail } from "./templates.ts";

/**
 * Connects to the mail server as messages do: TLS and authentication included. With `to` it also hands over one
 * mail that says it is a test. Past the outbox, so that the answer is the server's own.
 * @throws MailError, Undeliverable: `message` says what went wrong by a code, without the server's words
 */
export async function checkMail(
  config: { readonly mail: MailConfig; readonly issuer: string; readonly branding: MailBrand },
  options: { readonly to: string | undefined; readonly id: string },
): Promise<void> {
  const { mail, issuer } = config;
  const language = languageOf(undefined);
  const smtp = createSmtpSender(mail);
  try {
    await smtp.verify();
    if (options.to === undefined) return;
    const content = composeMail("test", {}, { language, issuer, lifeMs: undefined });
    const rendered = await renderMail(content, {
      language,
      host: new URL(issuer).hostname,
      brand: config.branding,
    });
    await smtp.send({ ...rendered, to: options.to, id: options.id });
  } finally {
    smtp.close();
  }
}
