import assert from "node:assert/strict";
import { createAuthenticator } from "./authenticator.ts";
import { openMailbox, type TestMailbox } from "./mailbox.ts";
import { authorize, logIn, PASSWORD, relyingParty, signUp } from "./person.ts";
import { APP_URL, SHOP, TEST_SECRET, type TestServer } from "./server.ts";
import { totpCode } from "./totp.ts";
import { createUserAgent, type Page, type UserAgent } from "./user-agent.ts";
import {
  allowCalendar,
  type CalendarProvider,
  connectAccount,
  startCalendar,
  startConnect,
  startVaultServer,
} from "./vault.ts";

/** A page as a person meets it. */
export interface PageState {
  /** What the person is doing there; names the picture. */
  readonly name: string;
  readonly page: Page;
}

/** One yellow pixel. */
const LOGO =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
const MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
const toApp = { stopAt: (address: string) => address.startsWith(APP_URL) };

/** A server on which every page can be reached, and the provider behind its connection. */
export interface EveryPageServer {
  readonly server: TestServer;
  readonly mailbox: TestMailbox;
  /** Time moves on by so many milliseconds. */
  wait(ms: number): void;
  close(): Promise<void>;
}

export async function startEveryPageServer(): Promise<EveryPageServer> {
  let calendar: CalendarProvider | undefined;
  let ahead = 0;
  const mailbox = await openMailbox();
  const server = await startVaultServer({
    clock: { now: () => Date.now() + ahead },
    connect: async (callback) => {
      calendar = await startCalendar(callback, { secret: TEST_SECRET });
      // The same provider logs people in.
      return [{ ...calendar.connection, login: { trustEmail: true } }];
    },
    policies: { assistant: { calendar: ["calendar.read"] } },
    env: { CALENDAR_SECRET: TEST_SECRET },
    change(config) {
      const { egress, ...more } = mailbox.configPart;
      const { allow } = config["egress"] as { allow: string[] };
      Object.assign(config, more, { egress: { allow: [...allow, ...egress.allow] } });
      const clients = config["clients"] as Record<string, unknown>[];
      clients.push({ id: "television", name: "Television", grantTypes: ["device_code", "refresh_token"] });
      const redirectUris = [`${APP_URL}/auth/callback`];
      const business = { id: "business", name: "Business", secret: { env: "SECRET" }, redirectUris };
      clients.push({ ...business, organizations: "required", firstParty: true });
    },
  });
  return {
    server,
    mailbox,
    wait(ms) {
      ahead += ms;
    },
    async close() {
      await server.close();
      await calendar?.provider.close();
      await mailbox.close();
    },
  };
}

/**
 * Every page that a person sees, in one language. A new page is an entry here, and is then audited, pictured and
 * looked through for words of another language.
 */
export async function everyPage(
  { server, mailbox, wait }: EveryPageServer,
  language: string,
): Promise<PageState[]> {
  const states: PageState[] = [];
  const { url } = server;
  const browser = () => createUserAgent({ language });
  const keep = (name: string, page: Page, status = 200): Page => {
    assert.equal(page.status, status, `${name}: ${page.address} ${page.text.slice(0, 600)}`);
    states.push({ name, page });
    return page;
  };
  const tools: Tools = { server, mailbox, wait, browser, keep, language };
  for (const part of [
    logInPages,
    codePages,
    signUpPages,
    profilePages,
    requestPages,
    organizationPages,
    devicePages,
    accountPages,
  ])
    await part(tools);
  keep("not-found", await browser().open(`${url}nothing/here`), 404);
  keep("error", await browser().open(`${url}authorize?client_id=unknown&response_type=code`), 400);
  return states;
}

interface Tools {
  readonly server: TestServer;
  readonly mailbox: TestMailbox;
  readonly language: string;
  readonly wait: (ms: number) => void;
  readonly browser: () => UserAgent;
  readonly keep: (name: string, page: Page, status?: number) => Page;
}

const formTo = (page: Page, action: string) => page.forms.findIndex((form) => form.action === action);
const secretOf = (page: Page) => /<code>([A-Z2-7 ]+)<\/code>/.exec(page.text)?.[1] ?? "";

async function logInPages({ server, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const agent = browser();
  const start = keep("log-in", await agent.open(`${url}login?client_id=assistant`));
  const email = `nobody-${language}@example.com`;
  const password = keep("log-in-password", await agent.submit(start, { email }));
  const wrong = keep("log-in-wrong", await agent.submit(password, { password: "not the password" }), 401);
  for (let i = 0; i < 4; i++) await agent.submit(wrong, { password: "not the password" });
  keep("log-in-locked", await agent.submit(wrong, { password: "not the password" }), 429);
  const flow = new URL(password.address).search;
  keep("log-in-passkey", await agent.open(`${url}login/passkey${flow}`));
  const passkey = await agent.open(`${url}login/passkey${flow}`);
  keep("log-in-passkey-refused", await agent.submit(passkey, { answer: "{}" }), 401);
  keep("expired", await browser().open(`${url}login/password${flow}`), 400);
}

/** Codes and links by mail and text, and what they are for. */
async function codePages({ server, mailbox, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const email = `codes-${language}@example.com`;
  const { agent } = await signUp(url, email, browser());
  const linkIn = async (count: number) =>
    /https?:\S+/.exec((await mailbox.waitForMail(email, count)).text)?.[0] ?? "";
  await mailbox.waitForMail(email, 1);
  const other = browser();
  const password = await other.submit(await other.open(`${url}login?return_to=/profile`), { email });
  const { search } = new URL(password.address);
  const send = keep("code-send", await other.open(`${url}login/email-code${search}`));
  const typed = keep("code", await other.submit(send, {}));
  keep("code-wrong", await other.submit(typed, { code: "000000" }), 401);
  const link = await linkIn(2);
  keep("code-link", await other.open(link));
  keep("code-link-elsewhere", await browser().open(link));

  const ask = keep("reset", await other.open(`${url}login/reset${search}`));
  keep("reset-sent", await other.submit(ask, {}));
  const fresh = keep("reset-password", await other.open(await linkIn(3)));
  keep("reset-password-wrong", await other.submit(fresh, { password: "short" }), 400);
  keep("reset-done", await other.submit(fresh, { password: "kettle-orbit-plaid-seven" }));

  const again = await agent.open(`${url}login?return_to=/profile`);
  await agent.submit(again, { email, password: "kettle-orbit-plaid-seven" });
  const change = keep("profile-email", await agent.open(`${url}profile/email`));
  const form = change.forms.length - 1;
  keep("profile-email-wrong", await agent.submit(change, { email: "nobody" }, { form }), 400);
  keep("profile-email-waiting", await agent.submit(change, { email: `new-${email}` }, { form }));
  const phone = keep("profile-phone", await agent.open(`${url}profile/phone`));
  keep("profile-phone-wrong", await agent.submit(phone, { phone: "12" }), 400);
  const number = language === "en" ? "+15005550100" : "+15005550101";
  keep("profile-phone-waiting", await agent.submit(phone, { phone: number }));
}

async function signUpPages({ server, browser, keep }: Tools): Promise<void> {
  const agent = browser();
  const form = keep("sign-up", await agent.open(`${server.url}signup?client_id=assistant`));
  const fields = { name: "Anne Example", email: "anne@example.com", password: "short" };
  keep("sign-up-wrong-password", await agent.submit(form, fields), 400);
  keep(
    "sign-up-wrong-address",
    await agent.submit(form, { ...fields, email: "anne", password: PASSWORD }),
    400,
  );
}

/** Somebody who looks after their account, and who then logs in with what they set up. */
async function profilePages({ server, browser, keep, wait, language }: Tools): Promise<void> {
  const { url } = server;
  const { email, agent } = await signUp(url, `profile-${language}@example.com`, browser());
  const nextCode = (secret: string) => {
    wait(30_000);
    return totpCode(secret, server.services.clock.now());
  };
  const profile = await agent.open(`${url}profile`);
  keep("profile-password", await agent.open(`${url}profile/password`));
  const short = await agent.open(`${url}profile/password`);
  keep("profile-password-wrong", await agent.submit(short, { password: "short" }), 400);
  const add = keep("profile-passkey-add", await agent.open(`${url}profile/passkeys/add`));
  const body = new URLSearchParams(add.forms[0]?.fields);
  const asked = await agent.fetch(`${url}profile/passkeys/options`, { method: "POST", body });
  const authenticator = createAuthenticator(new URL(url).origin);
  await agent.submit(add, { answer: authenticator.create(await asked.json()) });
  const setUp = keep(
    "profile-app",
    await agent.submit(profile, {}, { form: formTo(profile, "/profile/totp/start") }),
  );
  const secret = secretOf(setUp);
  keep("profile-app-wrong", await agent.submit(setUp, { code: "000000" }), 401);
  keep("profile-recovery-codes", await agent.submit(setUp, { code: nextCode(secret) }));
  const other = browser();
  const start = await other.open(`${url}login?return_to=/profile`);
  await other.submit(await other.submit(start, { email }), { password: PASSWORD });
  const full = keep("profile", await agent.open(`${url}profile`));
  const passkey = /href="(\/profile\/passkeys\/pk[^"]*|\/profile\/passkeys\/(?!add)[^"]+)"/.exec(
    full.text,
  )?.[1];
  keep("profile-passkey", await agent.open(new URL(passkey ?? "", url).href));
  keep("log-out", await agent.open(`${url}logout`));

  const later = browser();
  const password = await later.submit(await later.open(`${url}login?return_to=/profile`), { email });
  const second = await later.submit(password, { password: PASSWORD });
  const flow = new URL(second.address).search;
  const app = keep("second-factor-app", await later.open(`${url}login/totp${flow}`));
  keep("second-factor-app-wrong", await later.submit(app, { code: "000000" }), 401);
  keep("second-factor-passkey", await later.open(`${url}login/passkey${flow}`));
  const recovery = keep("second-factor-recovery", await later.open(`${url}login/recovery-code${flow}`));
  keep("second-factor-recovery-wrong", await later.submit(recovery, { code: "0000" }), 401);
}

/** What an app, or an agent, asks of somebody. */
async function requestPages({ server, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const person = await signUp(url, `requests-${language}@example.com`, browser());
  const { agent } = person;
  const other = await relyingParty(url, "other");
  const scope = "openid profile email offline_access orders:create";
  const { page: consent } = await authorize(other, agent, { scope, audience: SHOP });
  keep("consent", consent);
  const { page: again } = await authorize(await relyingParty(url), agent, { acr_values: MFA });
  const enroll = keep("enroll", await agent.submit(again, { password: PASSWORD }));
  const begin = keep(
    "enroll-app",
    await agent.open(`${url}login/enroll/totp${new URL(enroll.address).search}`),
  );
  const qr = keep("enroll-app-secret", await agent.submit(begin, {}));
  keep("enroll-app-wrong", await agent.submit(qr, { code: "000000" }), 401);
  const done = await agent.submit(qr, { code: totpCode(secretOf(qr), server.services.clock.now()) });
  keep("enroll-recovery-codes", done);

  keep("approvals-empty", await agent.open(`${url}approvals`));
  await askApproval(url, person.userId);
  await askApproval(url, person.userId);
  const list = keep("approvals", await agent.open(`${url}approvals`));
  const links = [...list.text.matchAll(/href="(\/approvals\/apr_[^"]+)"/g)].map((link) => link[1] ?? "");
  const [first, second] = await Promise.all(
    links.slice(0, 2).map((link) => agent.open(new URL(link, url).href)),
  );
  assert.ok(first && second);
  keep("approval", first);
  keep("approval-approved", await agent.submit(first, { decision: "approve" }));
  keep("approval-denied", await agent.submit(second, { decision: "deny" }));
  keep("approval-answered-before", await agent.submit(first, { decision: "deny" }), 409);
  keep("approvals-answered", await agent.open(`${url}approvals`));

  keep("app-log-out", await agent.open(`${url}oidc/logout`));
  keep("app-logged-out", await agent.submit(await agent.open(`${url}oidc/logout`), {}));
}

async function askApproval(url: string, userId: string): Promise<void> {
  const details = [
    { type: "purchase", item: "Espresso machine", quantity: 1, amount: "249.00", currency: "EUR" },
  ];
  const response = await fetch(`${url}bc-authorize`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: "assistant",
      client_secret: TEST_SECRET,
      scope: "openid orders:create",
      audience: SHOP,
      login_hint: JSON.stringify({ format: "iss_sub", iss: url, sub: userId }),
      binding_message: "Espresso machine for the office",
      authorization_details: JSON.stringify(details),
    }),
  });
  assert.equal(response.status, 200, await response.text());
}

async function organizationPages({ server, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const { manage, members, invitations, settings } = server.services.organizations;
  const make = (name: string, displayName: string) =>
    manage.create({ name: `${name}-${language}`, display_name: displayName, branding: {}, metadata: {} });
  const { agent, email, userId } = await signUp(url, `member-${language}@example.com`, browser());
  const party = await relyingParty(url, "business");
  keep("no-access", (await authorize(party, agent)).page);
  for (const organization of [await make("north", "North Bakery"), await make("south", "South Bakery")])
    await members.add(organization.id, [userId], []);
  keep("organizations", (await authorize(party, agent)).page);
  const west = await make("west", "West Bakery");
  const branding = { logo: LOGO, colour: "#ffd400" };
  const east = await make("east", "East Bakery");
  await manage.change(east.id, { branding });
  const first = keep("organization-log-in", await browser().open(`${url}login?organization=${east.id}`));
  assert.match(first.text, /ffd400/);
  await settings.setConnections(west.id, [{ connection: "passkey", auto_membership: false }]);
  const visitor = browser();
  const begun = await visitor.open(`${url}login?organization=${west.id}`);
  const asked = keep("organization-passkey", await visitor.submit(begun, { email }));
  const forged = { ...asked, forms: [{ ...asked.forms[0], action: "/login/password" }] } as Page;
  keep("organization-not-taken", await visitor.submit(forged, { password: PASSWORD }), 403);
  await settings.setConnections(west.id, []);
  const { address } = await invitations.create(
    west.id,
    { email, roles: [], ttl_seconds: 3_600, language },
    undefined,
  );
  const invitation = keep("invitation", await agent.open(address));
  keep("invitation-unproven", await agent.submit(invitation, {}), 403);
  keep("invitation-invalid", await agent.open(`${url}invitations?invitation=none`), 400);
}

async function devicePages({ server, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const { agent } = await signUp(url, `device-${language}@example.com`, browser());
  const start = async () => {
    const body = new URLSearchParams({ client_id: "television", scope: "openid email offline_access" });
    return (await (await fetch(`${url}oauth/device/code`, { method: "POST", body })).json()).user_code;
  };
  const enter = keep("device", await agent.open(`${url}device`));
  keep("device-wrong", await agent.submit(enter, { user_code: "BCDF-GHJK" }), 400);
  const [one, two] = [
    await agent.submit(enter, { user_code: await start() }),
    await agent.submit(enter, { user_code: await start() }),
  ];
  keep("device-confirm", one);
  keep("device-allowed", await agent.submit(one, { decision: "allow" }));
  keep("device-denied", await agent.submit(two, { decision: "deny" }));
  keep("device-gone", await agent.submit(one, { decision: "allow" }), 400);
}

async function accountPages({ server, browser, keep, language }: Tools): Promise<void> {
  const { url } = server;
  const person = await signUp(url, `accounts-${language}@example.com`, browser());
  const { agent } = person;
  keep("accounts-empty", await agent.open(`${url}accounts`));
  const token = (await logIn(url, agent)).refresh_token ?? "";
  const request = { connection: "calendar", scopes: ["calendar.read"] };
  const { link } = await startConnect(url, token, request);
  const confirm = await allowCalendar()(agent, await agent.open(link, toApp));
  keep("connect", confirm);
  await connectAccount(url, person, (await logIn(url, agent)).refresh_token ?? "", {
    ...request,
    atProvider: allowCalendar(),
  });
  const list = keep("accounts", await agent.open(`${url}accounts`));
  keep("accounts-disconnected", await agent.submit(list, {}, { form: formTo(list, "/accounts/disconnect") }));
  keep("connect-expired", await agent.open(`${url}connect?ticket=none`), 400);
}
