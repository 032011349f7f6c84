import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { type RunningShop, startShop } from "@behalf/sandbox";
import { logIn, type Person, relyingParty, signUp } from "../../../support/person.ts";
import { APP_URL, freePort, TEST_SECRET, type TestServer } from "../../../support/server.ts";
import { makeCertificates, type TestCertificates } from "../../../support/tls.ts";
import {
  allowCalendar,
  type CalendarProvider,
  connectAccount,
  startCalendar,
  startVaultServer,
} from "../../../support/vault.ts";
import { claimsOf } from "./claims.ts";
import { resolveHere } from "./names.mjs";
import { type BreakingProxy, startProxy } from "./proxy.ts";

/** An API whose tokens are signed with RS256, as published verifiers want them. */
export const NOTES = "https://notes.sandbox.example/";

/** A client that authenticates with its key. */
export const KEY_CLIENT = "key-holder";

/** A public client on a device without a browser. */
export const DEVICE_CLIENT = "television";

/** Somebody with an account at the server, and a refresh token of the agent's host. */
export interface User extends Person {
  readonly refreshToken: string;
}

/** A whole Behalf server behind a proxy that can break its answers, with third parties and people. */
export interface World {
  readonly issuer: string;
  /** Host and port: what the packages call the domain. */
  readonly domain: string;
  readonly certificates: TestCertificates;
  readonly proxy: BreakingProxy;
  readonly shop: RunningShop;
  readonly calendar: CalendarProvider;
  /** Private key of {@link KEY_CLIENT}, PKCS #8 in PEM. */
  readonly clientKey: string;
  /** What a driver needs of its environment, under the names that the packages read. */
  readonly env: Readonly<Record<string, string>>;
  /** A new person who is logged in. */
  newUser(): Promise<User>;
  /** Connects a calendar for somebody, as another application would. */
  connectCalendar(user: User, scopes?: readonly string[]): Promise<void>;
  /** An organization with one member; its id. */
  newOrganization(member: User): Promise<string>;
  /** The logout token that the application was sent about somebody; waits for it ten seconds at most. */
  logoutTokenOf(user: User): Promise<string>;
  close(): Promise<void>;
}

const NAMES = new URL("names.mjs", import.meta.url).href;

/** A host name without a port, for packages that take no other domain. */
const BARE_HOST = "auth.example.test";

/**
 * Starts everything.
 * @param options.bareHost let the issuer be a host name on port 443, which needs the right to listen there
 */
export async function startWorld(options: { bareHost?: boolean } = {}): Promise<World> {
  if (options.bareHost) resolveHere(BARE_HOST);
  const certificates = await makeCertificates(options.bareHost ? [BARE_HOST] : []);
  certificates.trust();
  const { clientKey, jwk } = makeClientKey();
  const env: Record<string, string> = {};
  const port = await freePort();
  let calendar: CalendarProvider | undefined;
  const mailbox = await startLogoutReceiver();
  const spaUrl = `https://localhost:${await freePort()}`;
  let issuer = "";
  const server: TestServer = await startVaultServer({
    env,
    ...(options.bareHost ? { issuer: `https://${BARE_HOST}/` } : {}),
    tls: { certFile: certificates.certFile, keyFile: certificates.keyFile },
    async connect(callback) {
      calendar = await startCalendar(callback);
      Object.assign(env, calendar.env);
      return [calendar.connection];
    },
    policies: { assistant: { calendar: ["calendar.read", "calendar.write", "email"] } },
    change(config) {
      issuer = String(config["issuer"]);
      // The proxy is where the issuer says; the server is behind it.
      config["listen"] = { host: "127.0.0.1", port };
      describeApp(config, { jwk, spaUrl, logoutUri: mailbox.address });
    },
  });
  const domain = new URL(issuer).host;
  const proxy = await startProxy({ port: Number(new URL(issuer).port || 443), to: port, tls: certificates });
  const shop = await startShop({ issuer });
  if (!calendar) throw new Error("the calendar did not start");
  const running = calendar;
  return {
    issuer,
    domain,
    certificates,
    proxy,
    shop,
    calendar: running,
    clientKey,
    env: {
      AUTH0_DOMAIN: domain,
      AUTH0_CLIENT_ID: "assistant",
      AUTH0_CLIENT_SECRET: TEST_SECRET,
      NODE_EXTRA_CA_CERTS: certificates.caFile,
      ...(options.bareHost ? { HOST_ON_THIS_MACHINE: BARE_HOST, NODE_OPTIONS: `--import ${NAMES}` } : {}),
      APP_BASE_URL: APP_URL,
      SPA_URL: spaUrl,
      SPA_CERTIFICATE: certificates.certFile,
      SPA_KEY: certificates.keyFile,
      DEVICE_CLIENT_ID: DEVICE_CLIENT,
      CALENDAR_URL: running.provider.url,
      SHOP_URL: shop.url,
    },
    newUser: () =>
      proxy.aside(async () => {
        const person = await signUp(issuer);
        const tokens = await logIn(issuer, person.agent);
        return { ...person, refreshToken: tokens.refresh_token ?? "" };
      }),
    connectCalendar: (user, scopes = ["calendar.read"]) =>
      proxy.aside(async () => {
        const request = { connection: "calendar", scopes, atProvider: allowCalendar() };
        await connectAccount(issuer, user, user.refreshToken, request);
      }),
    async newOrganization(member) {
      const { manage, members } = server.services.organizations;
      const name = `org-${member.userId.replace("_", "-")}`.toLowerCase();
      const body = { name, display_name: "Example organization", branding: {}, metadata: {} };
      const { id } = await manage.create(body);
      await members.add(id, [member.userId], []);
      return id;
    },
    async logoutTokenOf(user) {
      for (let tries = 0; tries < 200; tries++) {
        const token = mailbox.tokens.find((candidate) => claimsOf(candidate)["sub"] === user.userId);
        if (token) return token;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error("no logout token came within ten seconds");
    },
    async close() {
      mailbox.close();
      await shop.close();
      await proxy.close();
      await server.close();
      await running.provider.close();
      certificates.remove();
    },
  };
}

/** The application's address for logout tokens; what is done with them is for each test. */
async function startLogoutReceiver() {
  const tokens: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    tokens.push(new URLSearchParams(body).get("logout_token") ?? "");
    response.writeHead(200).end();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { tokens, address: `http://127.0.0.1:${port}/logout`, close: () => void server.close() };
}

interface ClientEntry {
  readonly id: string;
  readonly agent: unknown;
  readonly apis: Record<string, { scopes: string[] }>;
  readonly redirectUris: string[];
}

/** What the configuration of the other tests does not have: an API that takes RS256, and more clients. */
function describeApp(
  config: Record<string, unknown>,
  { jwk, spaUrl, logoutUri }: { jwk: object; spaUrl: string; logoutUri: string },
): void {
  const apis = config["apis"] as object[];
  apis.push({
    audience: NOTES,
    name: "Notes",
    scopes: { "notes:read": "Read notes" },
    signingAlgorithm: "RS256",
  });
  const clients = config["clients"] as ClientEntry[];
  const assistant = clients.find(({ id }) => id === "assistant");
  if (!assistant) throw new Error("the test configuration has no assistant");
  assistant.apis[NOTES] = { scopes: ["notes:read"] };
  assistant.apis[`${config["issuer"]}fga/`] = { scopes: [] };
  Object.assign(assistant, { backchannelLogoutUri: logoutUri, organizations: "optional" });
  (config["egress"] as { allow: string[] }).allow.push(new URL(logoutUri).host);
  Object.assign(clients.find(({ id }) => id === "spa") ?? {}, {
    redirectUris: [`${spaUrl}/spa`],
    postLogoutRedirectUris: [`${spaUrl}/spa`],
    webOrigins: [spaUrl],
    firstParty: true,
    organizations: "optional",
    agent: assistant.agent,
    apis: { [NOTES]: { scopes: ["notes:read"] } },
  });
  clients.push(
    // Confidential by its key; published SDKs send an assertion where others send the secret.
    { ...assistant, id: KEY_CLIENT, name: "Key holder", secret: undefined, jwks: { keys: [jwk] } } as never,
    {
      id: DEVICE_CLIENT,
      name: "Television",
      redirectUris: [],
      grantTypes: ["device_code", "refresh_token"],
      apis: { [NOTES]: { scopes: ["notes:read"] } },
    } as never,
  );
}

/** A public RSA key as the server's configuration takes it, and its private half for the package. */
function makeClientKey() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), alg: "RS256", use: "sig", kid: "key-1" };
  return { clientKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), jwk };
}

/** A party of the tests' own for tokens that a package does not ask for itself. */
export const ownParty = (world: World) => relyingParty(world.issuer);
