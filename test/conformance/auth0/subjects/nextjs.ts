import assert from "node:assert/strict";
import { answerWhenAsked } from "../../../support/approvals.ts";
import { APP_URL, SHOP } from "../../../support/server.ts";
import { allowCalendar, connectInBrowser } from "../../../support/vault.ts";
import {
  at,
  claiming,
  failing,
  forge,
  otherKeys,
  redirecting,
  replacing,
  without,
} from "../harness/breakages.ts";
import { assertTokenFor, claimsOf } from "../harness/claims.ts";
import { KETTLE } from "../harness/purchase.ts";
import { type Cell, type Driver, notOffered, type Subject } from "../harness/subject.ts";
import { KEY_CLIENT, NOTES, type User, type World } from "../harness/world.ts";

const token = at("POST /oauth/token");
const stopAt = (address: string) => address.startsWith(APP_URL);
const pathOf = (address: string) => address.slice(APP_URL.length);

/** A browser of the application's: whose it is, and under which configuration of the package. */
interface Visit {
  readonly user: User;
  readonly browser: string;
  readonly client: string;
}

async function logIn(
  world: World,
  driver: Driver,
  client = "usual",
  as: { user?: User; query?: string } = {},
): Promise<Visit> {
  const user = as.user ?? (await world.newUser());
  const visit = { user, browser: `${client} browser of ${user.userId}`, client };
  const { browser } = visit;
  const start = await driver("open", { browser, client, path: `/auth/login${as.query ?? ""}` });
  assert.match(String(start.location), /^https:/, `/auth/login answered ${start.status}: ${start.text}`);
  const page = await user.agent.open(start.location, { stopAt });
  assert.ok(page.address.startsWith(APP_URL), page.text.slice(0, 200));
  const done = await driver("open", { browser, client, path: pathOf(page.address) });
  assert.ok(done.location?.startsWith(APP_URL), `the callback answered ${done.status}: ${done.text}`);
  return visit;
}

const of = ({ browser, client }: Visit) => ({ browser, client });

const login: Cell = {
  requests: ["POST /oauth/token", "GET /.well-known/openid-configuration"],
  broken: {
    "the token endpoint fails": token(failing()),
    "the ID token is another issuer's": token(claiming("id_token", { iss: "https://other.example/" })),
    "the ID token answers another request": token(claiming("id_token", { nonce: "another" })),
    "there is no ID token": token(without("id_token")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver);
    const session = await driver("session", of(visit));
    assert.equal(session.user.sub, visit.user.userId);
    const path = "/auth/callback?code=guessed&state=guessed";
    const guessed = await driver("open", { browser: "another", client: "usual", path });
    assert.ok(guessed.status >= 400, "a callback that nobody started");
  },
};

const session: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the ID token is of nobody": token(without("id_token")),
    "there is no refresh token": token(without("refresh_token")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver);
    const { user, tokenSet, internal } = await driver("session", of(visit));
    assert.deepEqual([user.sub, user.email], [visit.user.userId, visit.user.email]);
    assert.ok(tokenSet.refreshToken && internal.createdAt);
    const profile = await driver("open", { ...of(visit), path: "/auth/profile" });
    assert.equal(JSON.parse(profile.text).sub, visit.user.userId);
    assert.equal(await driver("session", { browser: "somebody else's" }), null);
  },
};

const par: Cell = {
  requests: ["POST /oauth/par", "POST /oauth/token"],
  broken: {
    "the endpoint fails": at("POST /oauth/par")(failing()),
    "the request URI is another": at("POST /oauth/par")(
      replacing("request_uri", "urn:ietf:params:oauth:request_uri:unknown"),
    ),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver, "par");
    assert.equal((await driver("session", of(visit))).user.sub, visit.user.userId);
  },
};

/** Answers with a token for the notes; that of the log-in stays whole. */
const notesToken = at("POST /oauth/token", ({ body }) => {
  const { access_token: accessToken = "" } = JSON.parse(body);
  return accessToken.split(".").length === 3 && [claimsOf(accessToken)["aud"]].flat().includes(NOTES);
});

const refresh: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the token endpoint fails at the refresh": notesToken(failing()),
    "the refresh brings another token": notesToken(replacing("access_token", "opaque")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver);
    const options = { audience: NOTES, scope: "notes:read" };
    const { token: accessToken } = await driver("accessToken", { ...of(visit), options });
    assertTokenFor(accessToken, { audience: NOTES, scope: "notes:read", userId: visit.user.userId });
    const unknown = { audience: "https://unknown.sandbox.example/" };
    await assert.rejects(driver("accessToken", { ...of(visit), options: unknown }), /AccessTokenError/);
  },
};

const logout = (client: string, path: string, asksFirst: boolean): Cell => ({
  watchBrowser: true,
  requests: [`GET ${path}`],
  broken: {
    "the log-out fails": at(`GET ${path}`)(failing()),
    "the log-out leads elsewhere": at(asksFirst ? "POST /oidc/logout/confirm" : `GET ${path}`)(
      redirecting((location) => {
        location.port = "1";
      }),
    ),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver, client);
    const { location } = await driver("open", { ...of(visit), path: "/auth/logout" });
    assert.equal(new URL(location).pathname, path);
    const page = await visit.user.agent.open(location, { stopAt });
    const end = asksFirst ? await visit.user.agent.submit(page, { logout: "yes" }, { stopAt }) : page;
    assert.ok(end.address.startsWith(APP_URL), `${end.address}: ${end.text.slice(0, 200)}`);
    assert.equal(await driver("session", of(visit)), null);
    const again = await driver("open", { ...of(visit), path: "/auth/login" });
    assert.equal((await visit.user.agent.open(again.location, { stopAt })).status, 200, "asked who it is");
  },
});

const CONNECT = "POST /me/v1/connected-accounts/connect";
const COMPLETE = "POST /me/v1/connected-accounts/complete";
const ACCOUNTS = "GET /me/v1/connected-accounts/accounts";

const connect: Cell = {
  requests: ["POST /oauth/token", CONNECT, COMPLETE, ACCOUNTS],
  broken: {
    "nothing can be started": at(CONNECT)(failing()),
    "the ticket is another": at(CONNECT)(replacing("connect_params", { ticket: "unknown" })),
    "it cannot be completed": at(COMPLETE)(failing(400, "invalid_request")),
    "the list is empty": at(ACCOUNTS)(replacing("accounts", [])),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver);
    const query = new URLSearchParams({ connection: "calendar", scopes: "calendar.read", returnTo: "/done" });
    const start = await driver("open", { ...of(visit), path: `/auth/connect?${query}` });
    assert.ok(start.location, `/auth/connect answered ${start.status}: ${start.text}`);
    const callback = await connectInBrowser(visit.user.agent, start.location, allowCalendar());
    const done = await driver("open", { ...of(visit), path: pathOf(callback.href) });
    assert.equal(done.location, `${APP_URL}/done`, done.text);
    const [account] = await driver("accounts", of(visit));
    assert.deepEqual(
      [account?.connection, account?.accessType ?? account?.access_type],
      ["calendar", "offline"],
    );
    await driver("disconnect", { ...of(visit), connection: "calendar" });
    assert.deepEqual(await driver("accounts", of(visit)), []);
  },
};

const exchanged = at("POST /oauth/token", ({ body }) => body.includes("federated-connection"));

const vault: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the exchange fails": exchanged(failing()),
    "there is no provider's token": exchanged(without("access_token")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver);
    const exchange = () => driver("tokenForConnection", { ...of(visit), connection: "calendar" });
    await assert.rejects(exchange(), /failed_to_exchange_refresh_token/);
    await world.connectCalendar(visit.user);
    const { token: accessToken } = await exchange();
    const headers = { authorization: `Bearer ${accessToken}` };
    const events = await fetch(`${world.calendar.provider.url}/calendar/v1/events`, { headers });
    assert.equal(events.status, 200);
  },
};

const ciba: Cell = {
  requests: ["POST /bc-authorize", "POST /oauth/token"],
  broken: {
    "no request can be made": at("POST /bc-authorize")(failing()),
    "the request has no id": at("POST /bc-authorize")(without("auth_req_id")),
    "the ID token is another issuer's": token(claiming("id_token", { iss: "https://other.example/" })),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const details = [{ type: "purchase", ...KETTLE }];
    const request = { userId: user.userId, audience: SHOP, scope: "openid orders:create", details };
    const asking = driver("askUser", request);
    await Promise.race([asking.then(() => undefined), answerWhenAsked(world.issuer, user, "approve")]);
    const { tokenSet } = await asking;
    assert.deepEqual(claimsOf(tokenSet.accessToken)["authorization_details"], details);
  },
};

const dpop: Cell = {
  requests: ["POST /oauth/token", "GET /userinfo"],
  broken: {
    "the token is not bound": token(replacing("token_type", "Bearer")),
    "userinfo refuses": at("GET /userinfo")(failing(401, "invalid_token")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver, "dpop");
    const { token: accessToken, token_type: type } = await driver("accessToken", of(visit));
    assert.equal(String(type ?? "DPoP").toLowerCase(), "dpop");
    const { status, body } = await driver("fetchBound", { ...of(visit), path: "/userinfo" });
    assert.deepEqual([status, body.sub], [200, visit.user.userId], JSON.stringify(body));
    const headers = { authorization: `Bearer ${accessToken}` };
    const bare = await world.proxy.aside(() => fetch(`${world.issuer}userinfo`, { headers }));
    assert.equal(bare.status, 401, "a bound token without a proof");
  },
};

const privateKeyJwt: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the token endpoint fails": token(failing()),
    "the client is not believed": token(failing(401, "invalid_client")),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver, "key");
    assert.equal((await driver("session", of(visit))).user.sub, visit.user.userId);
  },
};

const JWKS = "GET /.well-known/jwks.json";

const backchannelLogout: Cell = {
  requests: [JWKS],
  broken: {
    "the keys are others": at(JWKS)(otherKeys),
    "there are no keys": at(JWKS)(failing()),
  },
  async run(world, driver) {
    const visit = await logIn(world, driver, "stored");
    const { agent } = visit.user;
    await agent.submit(await agent.open(`${world.issuer}logout`), {});
    const logoutToken = await world.logoutTokenOf(visit.user);
    const tell = (token: string) =>
      driver("open", {
        browser: "nobody",
        client: "stored",
        fresh: true,
        path: "/auth/backchannel-logout",
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ logout_token: token }).toString(),
      });
    // The package throws, and Next answers with 500.
    await assert.rejects(tell(forge(logoutToken)), /signature verification failed/);
    assert.ok(await driver("session", of(visit)), "a forged token ends nothing");
    const told = await tell(logoutToken);
    assert.equal(told.status, 204, told.text);
    assert.equal(await driver("session", of(visit)), null);
  },
};

const organizations: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the ID token is for another organization": token(claiming("id_token", { org_id: "org_other" })),
    "the token endpoint fails": token(failing()),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const organization = await world.newOrganization(user);
    const visit = await logIn(world, driver, "usual", { user, query: `?organization=${organization}` });
    assert.equal((await driver("session", of(visit))).user.org_id, organization);
  },
};

const features: Subject["features"] = {
  login,
  session,
  par,
  refresh,
  logout_v2: logout("v2", "/v2/logout", true),
  logout_oidc: logout("usual", "/oidc/logout", false),
  backchannel_logout: backchannelLogout,
  connect,
  vault,
  ciba,
  device: notOffered,
  client_credentials: notOffered,
  fga: notOffered,
  userinfo: notOffered,
  verify: notOffered,
  dpop,
  private_key_jwt: privateKeyJwt,
  organizations,
  passwordless: { notRun: "the server has no /passwordless/start" },
  mfa: { notRun: "not driven yet" },
  passkey: { notRun: "not driven yet" },
};

export const subject: Subject = {
  package: "@auth0/nextjs-auth0",
  version: "4.30.0",
  folder: "nextjs",
  driver: "driver.mjs",
  quick: false,
  env: (world) => ({
    AUTH0_ORIGIN: world.issuer.replace(/\/$/, ""),
    KEY_CLIENT_ID: KEY_CLIENT,
    CLIENT_KEY: world.clientKey,
  }),
  features,
};
