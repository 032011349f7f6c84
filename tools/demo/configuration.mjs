// The demo's configuration: written anew at each start, with secrets that are made once and kept.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const SHOP_AUDIENCE = "https://shop.sandbox.example/";
const SECRETS = ["assistant", "calendar", "fga", "session"];

export async function writeConfiguration({ ports, dataDir }) {
  for (const folder of ["logs", "secrets"])
    mkdirSync(join(dataDir, folder), { recursive: true, mode: 0o700 });
  const secrets = Object.fromEntries(SECRETS.map((name) => [name, keptSecret(dataDir, name, "base64url")]));
  keptSecret(dataDir, "root", "base64");
  const url = (name) => `http://localhost:${ports[name]}`;
  const configuration = {
    file: join(dataDir, "behalf.yaml"),
    ports,
    secrets,
    issuer: `${url("server")}/`,
    assistantUrl: url("assistant"),
    calendarUrl: url("calendar"),
    shopUrl: url("shop"),
    mailboxUrl: url("mailbox"),
    shopAudience: SHOP_AUDIENCE,
  };
  // Loaded here and not above: the packages may just have been installed.
  const { stringify } = await import("yaml");
  const text = stringify(serverConfiguration(configuration));
  writeFileSync(configuration.file, `# Written by "npm run demo"; changes are lost.\n${text}`, {
    mode: 0o600,
  });
  return configuration;
}

/** 256 random bits in a file that only its owner reads. */
function keptSecret(dataDir, name, encoding) {
  const file = join(dataDir, "secrets", name);
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString(encoding)}\n`, { mode: 0o600 });
  return readFileSync(file, "utf8").trim();
}

function serverConfiguration({ ports, issuer, assistantUrl, calendarUrl, mailboxUrl }) {
  return {
    issuer,
    listen: { host: "127.0.0.1", port: ports.server },
    storage: "sqlite:behalf.sqlite",
    dataDir: "spool",
    rootKey: { file: "secrets/root" },
    apis: [
      {
        audience: SHOP_AUDIENCE,
        name: "Sandbox shop",
        scopes: { "orders:read": "See your orders", "orders:create": "Place an order" },
        detailTypes: { purchase: { title: "Purchase" } },
        requireDetails: true,
      },
    ],
    clients: [
      {
        id: "assistant",
        name: "Assistant",
        secret: { file: "secrets/assistant" },
        redirectUris: [`${assistantUrl}/auth/callback`],
        postLogoutRedirectUris: [assistantUrl],
        grantTypes: ["authorization_code", "refresh_token", "client_credentials", "ciba", "token_vault"],
        apis: {
          [SHOP_AUDIENCE]: { scopes: ["orders:read", "orders:create"] },
          [`${issuer}me/`]: {
            scopes: [
              "create:me:connected_accounts",
              "read:me:connected_accounts",
              "delete:me:connected_accounts",
            ],
          },
        },
        firstParty: true,
        agent: {
          owner: "you, on this machine",
          purpose: "Helps with orders, the calendar and company documents.",
          connections: { calendar: { scopes: ["calendar.read"] } },
        },
      },
    ],
    connections: [calendarConnection(calendarUrl)],
    mail: { from: "Behalf demo <no-reply@demo.example>", smtp: { host: "127.0.0.1", port: ports.smtp } },
    sms: {
      url: `${mailboxUrl}/2010-04-01/Accounts/sandbox/Messages.json`,
      from: "+15005550006",
      format: "twilio",
    },
    fga: { presharedKeys: [{ file: "secrets/fga" }] },
    // Provider and mailbox run on this machine; without this the server talks to no private address.
    egress: { allow: [`localhost:${ports.calendar}`, `localhost:${ports.mailbox}`] },
    log: { level: "info" },
  };
}

function calendarConnection(calendarUrl) {
  return {
    name: "calendar",
    displayName: "Sandbox calendar",
    authorizationEndpoint: `${calendarUrl}/authorize`,
    tokenEndpoint: `${calendarUrl}/token`,
    revocationEndpoint: `${calendarUrl}/revoke`,
    userinfoEndpoint: `${calendarUrl}/userinfo`,
    issuer: calendarUrl,
    clientId: "behalf",
    clientSecret: { file: "secrets/calendar" },
    scopes: {
      "calendar.read": "See the events in your calendar",
      email: "See your email address there",
      profile: "See your name there",
      offline_access: "Keep this access while you are away, until you remove it",
    },
    authorizationParams: { access_type: "offline" },
    rotation: "strict",
  };
}
