import assert from "node:assert/strict";
import { answerWhenAsked } from "../../../support/approvals.ts";
import { APP_URL, SHOP } from "../../../support/server.ts";
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

/** A browser of the application's, and whose it is. */
interface Visit {
  readonly user: User;
  readonly browser: string;
}

/** The package sends somebody to log in, and takes them back. */
async function logIn(world: World, driver: Driver, options: object = {}): Promise<Visit> {
  const user = await world.newUser();
  const browser = `browser of ${user.userId}`;
  const page = await user.agent.open(await driver("startLogin", { browser, options }), { stopAt });
  assert.ok(page.address.startsWith(APP_URL), page.text.slice(0, 200));
  await driver("completeLogin", { browser, url: page.address });
  return { user, browser };
}

const login: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the token endpoint fails": token(failing()),
    "the ID token is another issuer's": token(claiming("id_token", { iss: "https://other.example/" })),
    "the ID token answers another request": token(claiming("id_token", { nonce: "another" })),
    "there is no access token": token(without("access_token")),
  },
  async run(world, driver) {
    const { user, browser } = await logIn(world, driver);
    assert.equal((await driver("user", { browser })).sub, user.userId);
    const url = `${APP_URL}/auth/callback?code=guessed&state=guessed`;
    await assert.rejects(driver("completeLogin", { browser: "another", url }), /transaction/i);
  },
};

const session: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the ID token is of somebody else": token(claiming("id_token", { sub: "usr_somebody_else" })),
    "the token endpoint fails": token(failing()),
  },
  async run(world, driver) {
    const { user, browser } = await logIn(world, driver);
    const state = await driver("session", { browser });
    assert.deepEqual([state.user.sub, state.user.email], [user.userId, user.email]);
    assert.ok(state.refreshToken && state.idToken);
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
    const { user, browser } = await logIn(world, driver, { pushedAuthorizationRequests: true });
    assert.equal((await driver("user", { browser })).sub, user.userId);
  },
};

/** Answers with a token for the notes; that of the log-in stays whole. */
const notesToken = at("POST /oauth/token", ({ body }) => isFor(body, NOTES));

const refresh: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the token endpoint fails at the refresh": notesToken(failing()),
    "the refresh brings another API's token": notesToken(replacing("access_token", "opaque")),
  },
  async run(world, driver) {
    const { user, browser } = await logIn(world, driver);
    const options = { audience: NOTES, scope: "notes:read" };
    const { accessToken } = await driver("accessToken", { browser, options });
    assertTokenFor(accessToken, { audience: NOTES, scope: "notes:read", userId: user.userId });
    const unknown = { audience: "https://unknown.sandbox.example/" };
    await assert.rejects(
      driver("accessToken", { browser, options: unknown }),
      /token_by_refresh_token_error|invalid_target/,
    );
  },
};

function isFor(body: string, audience: string): boolean {
  const { access_token: accessToken = "" } = JSON.parse(body);
  if (accessToken.split(".").length !== 3) return false;
  return [claimsOf(accessToken)["aud"]].flat().includes(audience);
}

const logout: Cell = {
  watchBrowser: true,
  requests: ["GET /oidc/logout"],
  broken: {
    "the log-out fails": at("GET /oidc/logout")(failing()),
    "the log-out leads elsewhere": at("POST /oidc/logout/confirm")(
      redirecting((location) => {
        location.port = "1";
      }),
    ),
  },
  async run(world, driver) {
    const { user, browser } = await logIn(world, driver);
    const address = await driver("logout", { browser });
    assert.equal(new URL(address).pathname, "/oidc/logout");
    // The package sends no ID token along, so the server asks the person.
    const question = await user.agent.open(address, { stopAt });
    const page = await user.agent.submit(question, { logout: "yes" }, { stopAt });
    assert.ok(page.address.startsWith(APP_URL), `${page.address}: ${page.text.slice(0, 200)}`);
    assert.equal(await driver("session", { browser }), null);
    const again = await driver("startLogin", { browser, options: {} });
    assert.equal((await user.agent.open(again, { stopAt })).status, 200, "the server asks who it is");
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
    const { user, browser } = await logIn(world, driver);
    const exchange = () => driver("tokenForConnection", { browser, connection: "calendar" });
    await assert.rejects(exchange(), /token_for_connection_error/);
    await world.connectCalendar(user);
    const { accessToken, scope } = await exchange();
    assert.match(scope, /^calendar\.read\b/);
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
    const browser = `browser of ${user.userId}`;
    const details = [{ type: "purchase", ...KETTLE }];
    const request = { userId: user.userId, audience: SHOP, scope: "openid orders:create", details };
    const asking = driver("askUser", { browser, ...request });
    // A refusal ends the wait for the person too.
    await Promise.race([asking.then(() => undefined), answerWhenAsked(world.issuer, user, "approve")]);
    assert.deepEqual((await asking).authorizationDetails, details);
    const { accessToken } = await driver("accessToken", { browser, options: {} });
    assert.deepEqual(claimsOf(accessToken)["authorization_details"], details);
  },
};

const privateKeyJwt: Cell = {
  requests: ["POST /oauth/token"],
  broken: {
    "the token endpoint fails": token(failing()),
    "the client is not believed": token(failing(401, "invalid_client")),
  },
  async run(world, driver) {
    const user = await world.newUser();
    const visit = { browser: `key browser of ${user.userId}`, keyClientId: KEY_CLIENT };
    const page = await user.agent.open(await driver("startLoginByKey", { ...visit, key: world.clientKey }), {
      stopAt,
    });
    await driver("completeLoginByKey", { ...visit, url: page.address, key: world.clientKey });
    assert.equal((await driver("user", visit)).sub, user.userId);
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
    const { user, browser } = await logIn(world, driver);
    await user.agent.submit(await user.agent.open(`${world.issuer}logout`), {});
    const logoutToken = await world.logoutTokenOf(user);
    await assert.rejects(driver("backchannelLogout", { logoutToken: forge(logoutToken) }));
    assert.ok(await driver("session", { browser }), "a forged token ends nothing");
    await driver("backchannelLogout", { logoutToken });
    assert.equal(await driver("session", { browser }), null);
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
    const browser = `browser of ${user.userId}`;
    const start = await driver("startLogin", { browser, options: { organization } });
    const page = await user.agent.open(start, { stopAt });
    assert.ok(page.address.startsWith(APP_URL), page.text.slice(0, 200));
    await driver("completeLogin", { browser, url: page.address });
    assert.equal((await driver("user", { browser })).org_id, organization);
  },
};

export const subject: Subject = {
  package: "@auth0/auth0-server-js",
  version: "1.12.1",
  folder: "server-js",
  driver: "driver.mjs",
  quick: true,
  features: {
    login,
    session,
    par,
    refresh,
    logout_v2: notOffered,
    logout_oidc: logout,
    backchannel_logout: backchannelLogout,
    connect: notOffered,
    vault,
    ciba,
    device: notOffered,
    client_credentials: notOffered,
    fga: notOffered,
    userinfo: notOffered,
    verify: notOffered,
    dpop: notOffered,
    private_key_jwt: privateKeyJwt,
    organizations,
    passwordless: { notRun: "the server has no /passwordless/start" },
    mfa: { notRun: "not driven yet" },
    passkey: { notRun: "not driven yet" },
  },
};
