import { assert } from "../lib/assert.ts";
import type { Language, Texts } from "../pages/languages/index.ts";
import { plainName } from "./untrusted.ts";

/** What each mail is made from. `path` is a path of this server; names may be anything that people chose. */
export interface MailValues {
  /** `path` logs in without the code; leave it out where only the code counts. */
  login_code: { code: string; path?: string };
  /** `code` stands for the link where that cannot be opened. */
  verify_email: { path: string; code?: string; name?: string };
  password_reset: { path: string; name?: string };
  password_changed: { path: string; name?: string };
  /** `label` is what the user calls it: the passkey's name, the provider's. */
  new_login_method: {
    path: string;
    change: "added" | "removed";
    method: keyof Texts["messages"]["newLoginMethod"]["methods"];
    label?: string;
    name?: string;
  };
  organization_invitation: { path: string; organization: string; inviter?: string };
  /** To an address without an account, for somebody who tried to log in with it. */
  no_account: { path: string };
  /** To the address that an account had before. */
  email_changed: { path: string; name?: string };
  email_in_use: { path: string; name?: string };
  account_linked: { path: string; provider: string; name?: string };
  /** What `behalf doctor --send-mail` sends. */
  test: Record<never, never>;
}

/** What each text message is made from. */
export interface TextValues {
  login_code: { code: string };
}

export type MailTemplate = keyof MailValues;
export type TextTemplate = keyof TextValues;

/** What a mail says, before it is written as text and as HTML: so both say the same. */
export interface MailContent {
  /** One line. */
  readonly subject: string;
  readonly title: string;
  readonly blocks: readonly MailBlock[];
}

export type MailBlock =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "code"; readonly code: string }
  | { readonly kind: "link"; readonly label: string; readonly url: string };

/** What every template may say beside its values. */
export interface MailSetting {
  readonly language: Language;
  readonly issuer: string;
  /** How long it stays good, in milliseconds; absent when it does not end. */
  readonly lifeMs: number | undefined;
}

type Compose<V> = (values: V, on: ReturnType<typeof pieces>) => MailContent;

/** Every mail. A new one is a member here and of `MailValues`, and its sentences in each language. */
const mails: { readonly [T in MailTemplate]: Compose<MailValues[T]> } = {
  login_code: ({ code, path }, { texts, host, say, link, life }) => ({
    subject: texts.loginCode.subject(host),
    title: texts.loginCode.title,
    blocks: [
      ...say(texts.loginCode.lead),
      { kind: "code", code: safeCode(code) },
      ...(path === undefined ? [] : [link(texts.loginCode.link, path)]),
      ...life,
      ...say(texts.loginCode.never, texts.ifNotYou),
    ],
  }),
  verify_email: ({ path, code, name }, { texts, host, say, greet, link, life }) => ({
    ...texts.verifyEmail,
    blocks: [
      ...greet(name),
      ...say(texts.verifyEmail.lead(host)),
      link(texts.verifyEmail.link, path),
      ...(code === undefined
        ? []
        : [...say(texts.verifyEmail.orCode), { kind: "code" as const, code: safeCode(code) }]),
      ...life,
      ...say(texts.ifNotYou),
    ],
  }),
  password_reset: ({ path, name }, { texts, host, say, greet, link, life }) => ({
    ...texts.passwordReset,
    blocks: [
      ...greet(name),
      ...say(texts.passwordReset.lead(host)),
      link(texts.passwordReset.link, path),
      ...life,
      ...say(texts.ifNotYou),
    ],
  }),
  password_changed: ({ path, name }, { texts, host, say, greet, link }) => ({
    ...texts.passwordChanged,
    blocks: [
      ...greet(name),
      ...say(texts.passwordChanged.lead(host), texts.ifNotYouSecure),
      link(texts.openAccount, path),
    ],
  }),
  new_login_method: ({ path, change, method, label, name }, { texts, say, greet, link }) => {
    const what = texts.newLoginMethod.methods[method];
    const named = label === undefined ? what : `${what} (${plainName(label)})`;
    return {
      ...texts.newLoginMethod,
      blocks: [
        ...greet(name),
        ...say(texts.newLoginMethod[change](named), texts.ifNotYouSecure),
        link(texts.openAccount, path),
      ],
    };
  },
  organization_invitation: ({ path, organization, inviter }, { texts, say, link, life }) => ({
    ...texts.organizationInvitation,
    blocks: [
      ...say(
        inviter === undefined
          ? texts.organizationInvitation.leadWithoutInviter(plainName(organization))
          : texts.organizationInvitation.lead(plainName(inviter), plainName(organization)),
      ),
      link(texts.organizationInvitation.link, path),
      ...life,
      ...say(texts.organizationInvitation.ignore),
    ],
  }),
  no_account: ({ path }, { texts, host, say, link }) => ({
    ...texts.noAccount,
    blocks: [
      ...say(texts.noAccount.lead(host), texts.noAccount.hint),
      link(texts.noAccount.link, path),
      ...say(texts.noAccount.ignore),
    ],
  }),
  email_changed: ({ path, name }, { texts, host, say, greet, link }) => ({
    ...texts.emailChanged,
    blocks: [
      ...greet(name),
      ...say(texts.emailChanged.lead(host), texts.emailChanged.notYou),
      link(texts.openAccount, path),
    ],
  }),
  email_in_use: ({ path, name }, { texts, host, say, greet, link }) => ({
    ...texts.emailInUse,
    blocks: [
      ...greet(name),
      ...say(texts.emailInUse.lead(host), texts.emailInUse.hint),
      link(texts.emailInUse.link, path),
      ...say(texts.emailInUse.ignore),
    ],
  }),
  account_linked: ({ path, provider, name }, { texts, say, greet, link }) => ({
    ...texts.accountLinked,
    blocks: [
      ...greet(name),
      ...say(texts.accountLinked.lead(plainName(provider)), texts.ifNotYouSecure),
      link(texts.openAccount, path),
    ],
  }),
  test: (_values, { texts, host, say }) => ({
    subject: texts.test.subject(host),
    title: texts.test.title,
    blocks: say(texts.test.lead),
  }),
};

/** Names of all mails. */
export const mailTemplates = Object.keys(mails) as readonly MailTemplate[];

/** What the mail says. */
export function composeMail<T extends MailTemplate>(
  template: T,
  values: MailValues[T],
  setting: MailSetting,
): MailContent {
  const { subject, title, blocks } = mails[template](values, pieces(setting));
  return { subject, title, blocks };
}

/**
 * The text message. Its last line binds the code to this site: a browser that reads it offers the code there
 * and nowhere else.
 * @see https://wicg.github.io/sms-one-time-codes/ (origin-bound one-time codes)
 */
export function composeText<T extends TextTemplate>(
  _template: T,
  { code }: TextValues[T],
  { language, issuer, lifeMs }: MailSetting,
): string {
  const { hostname } = new URL(issuer);
  const said = language.texts.messages.loginCode.text(
    hostname,
    safeCode(code),
    lifeText(lifeMs ?? 0, language.tag),
  );
  return `${said}\n\n@${hostname} #${code}`;
}

function pieces({ language, issuer, lifeMs }: MailSetting) {
  const texts = language.texts.messages;
  const paragraph = (text: string): MailBlock => ({ kind: "paragraph", text });
  return {
    texts,
    host: new URL(issuer).hostname,
    say: (...sentences: readonly string[]) => sentences.map(paragraph),
    greet: (name: string | undefined) => {
      const shown = name === undefined ? "" : plainName(name);
      return shown === "" ? [] : [paragraph(texts.greeting(shown))];
    },
    link: (label: string, path: string): MailBlock => ({ kind: "link", label, url: linkTo(issuer, path) }),
    life: lifeMs === undefined ? [] : [paragraph(texts.validFor(lifeText(lifeMs, language.tag)))],
  };
}

/** A link into this server: whatever `path` holds, it leads below the issuer. */
export function linkTo(issuer: string, path: string): string {
  const url = new URL(`${issuer}${path.replace(/^\//, "")}`);
  assert(
    url.href.startsWith(issuer) && !/^[/\\]/.test(path.slice(1)),
    "a link in a message leads to the issuer",
  );
  return url.href;
}

function safeCode(code: string): string {
  assert(/^[A-Za-z0-9-]{4,64}$/.test(code), "a code is letters, digits and hyphens");
  return code;
}

const UNITS = [
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
] as const;

/** "10 minutes", "3 days": the nearest whole number of the largest unit that fits twice. */
function lifeText(ms: number, tag: string): string {
  const { unit, ms: size } = UNITS.find((candidate) => ms >= 1.5 * candidate.ms) ?? UNITS[2];
  const count = Math.max(1, Math.round(ms / size));
  return new Intl.NumberFormat(tag, { style: "unit", unit, unitDisplay: "long" }).format(count);
}
