import assert from "node:assert/strict";
import { at, claiming, failing, redirecting, replacing, without } from "../harness/breakages.ts";
import { assertTokenFor, claimsOf } from "../harness/claims.ts";
import { type Cell, type Driver, notOffered, type Subject } from "../harness/subject.ts";
import { NOTES, type User, type World } from "../harness/world.ts";

const token = at("POST /oauth/token");
/** As the package's documentation has it for several APIs and accounts. */
const MANY_APIS = { useRefreshTokens: true, useMrrt: true };

interface Visit {
  readonly user: User;
  readonly browser: string;
}

/** Somebody opens the application, who is logged in at the server. */
async function enter(world: World, driver: Driver): Promise<Visit> {
  const user = await world.newUser();
  const cookies = user.agent
    .cookies(world.issuer)
    .split("; ")
    .map((pair) => {
      const equals = pair.indexOf("=");
      return { name: pair.slice(0, equals), value: pair.slice(equals + 1), url: world.issuer };
    });
  const browser = `browser of ${user.userId}`;
  await driver("enter", { browser, cookies });
  return { user, browser };
}

async function logIn(world: World, driver: Driver, options: object = {}): Promise<Visit> {
  const visit = await enter(world, driver);
  const known = await driver("login", { browser: visit.browser, options });
  assert.equal(known?.sub, visit.user.userId);
  return visit;
}

const login: Cell = {
  requests: ["GET /authorize", "POST /oauth/token"],
  broken: {
    "the token endpoint fails": token(failing()),
    "the ID token is another issuer's": token(claiming("id_token", { iss: "https://other.example/" })),
    "the ID token answers another request": token(claiming("id_token", { nonce: "another" })),
    "there is no ID token": token(without("id_token")),
  },
  async run(world, driver) {
    const { user, browser } = await enter(world, driver);
    const known = await driver("login", { browser, options: {} });
    assert.deepEqual([known.sub, known.email], [user.userId, user.email]);
  },
};

const session: Cell = {
  requests: ["GET /authorize", "POST /oauth/token"],
  broken: {
    "the server knows nobody": at("GET /authorize", ({ status }) => status === 200)(failing()),
    "the token endpoint fails": token(failing()),
  },
  async run(world, driver) {
    // Nothing is kept in the browser, so the package asks the server in a hidden frame.
    const options = { cacheLocation: "memory" };
    const { user, browser } = await logIn(world, driver, options);
    const again = await driver("reopen", { browser, options });
    assert.deepEqual([again.known, again.user?.sub], [true, user.userId]);
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
    "the token endpoint fails at the refresh": notesToken(failing(400, "invalid_request")),
    "the refresh brings another token": notesToken(replacing("access_token", "opaque")),
  },
  async run(world, driver) {
    const { user, browser } = await logIn(world, driver, MANY_APIS);
    const request = { authorizationParams: { audience: NOTES, scope: "notes:read" } };
    const accessToken = await driver("token", { browser, options: MANY_APIS, request });
    assertTokenFor(accessToken, { audience: NOTES, scope: "notes:read", userId: user.userId });
  },
};

const logout: Cell = {
  requests: ["GET /v2/logout"],
  broken: {
    "the log-out fails": at("GET /v2/logout")(failing()),
    "the log-out leads elsewhere": at("POST /oidc/logout/confirm")(
      redirecting((location) => {
        location.hostname = "elsewhere.example";
      }),
    ),
  },
  async run(world, driver) {
    const { browser } = await logIn(world, driver);
    assert.equal(await driver("logout", { browser }), false);
  },
};

const CONNECT = "POST /me/v1/connected-accounts/connect";
const COMPLETE = "POST /me/v1/connected-accounts/complete";

const connect: Cell = {
  requests: [CONNECT, COMPLETE],
  broken: {
    "nothing can be started": at(CONNECT)(failing()),
    "it cannot be completed": at(COMPLETE)(failing(400, "invalid_request")),
  },
  async run(world, driver) {
    const { browser } = await logIn(world, driver, MANY_APIS);
    const request = { browser, options: MANY_APIS, connection: "calendar", scopes: ["calendar.read"] };
    const account = await driver("connect", request);
    assert.equal(account.connection, "calendar");
  },
};

const dpop: Cell = {
  requests: ["POST /oauth/token", "GET /userinfo"],
  broken: {
    "the token is not bound": token(replacing("token_type", "Bearer")),
    "userinfo refuses": at("GET /userinfo")(failing(401, "invalid_token")),
  },
  async run(world, driver) {
    const options = { useDpop: true };
    const { user, browser } = await logIn(world, driver, options);
    const { status, body } = await driver("fetchBound", { browser, options, path: "/userinfo" });
    assert.deepEqual([status, body.sub], [200, user.userId]);
  },
};

const organizations: Cell = {
  requests: ["GET /authorize", "POST /oauth/token"],
  broken: {
    "the ID token is for another organization": token(claiming("id_token", { org_id: "org_other" })),
    "the token endpoint fails": token(failing()),
  },
  async run(world, driver) {
    const { user, browser } = await enter(world, driver);
    const organization = await world.newOrganization(user);
    const options = { authorizationParams: { organization } };
    const known = await driver("login", { browser, options });
    assert.equal(known?.org_id, organization);
  },
};

export const subject: Subject = {
  package: "@auth0/auth0-spa-js",
  version: "2.28.3",
  folder: "spa-js",
  driver: "driver.mjs",
  quick: true,
  note: `\`@auth0/auth0-spa-js\` 2.28.3 asks for an \`@auth0/auth0-auth-js\` that the registry did not have; 1.16.0 stands in for it in the folder. The file that the browser loads has that part built in.`,
  features: {
    login,
    session,
    par: notOffered,
    refresh,
    logout_v2: logout,
    logout_oidc: notOffered,
    backchannel_logout: notOffered,
    connect,
    vault: notOffered,
    ciba: notOffered,
    device: notOffered,
    client_credentials: notOffered,
    fga: notOffered,
    userinfo: notOffered,
    verify: notOffered,
    dpop,
    private_key_jwt: notOffered,
    organizations,
    passwordless: notOffered,
    mfa: { notRun: "not driven yet" },
    passkey: { notRun: "not driven yet" },
  },
};
