// A web application as its developer would write it on the published, unmodified `@auth0/auth0-server-js`.
import { CookieTransactionStore, ServerClient, StatefulStateStore } from "@auth0/auth0-server-js";
import { serve } from "../serve.mjs";

const { AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, APP_BASE_URL } = process.env;
const secret = "a secret of the application, at least 32 characters";

/** Cookies of each browser, by its name. */
const jars = new Map();
const jarOf = ({ browser }) => jars.get(browser) ?? jars.set(browser, new Map()).get(browser);
const cookies = {
  setCookie: (name, value, _options, at) => jarOf(at).set(name, value),
  getCookie: (name, at) => jarOf(at).get(name),
  getCookies: (at) => Object.fromEntries(jarOf(at)),
  deleteCookie: (name, at) => jarOf(at).delete(name),
};

const sessions = new Map();
const store = {
  get: async (id) => sessions.get(id),
  set: async (id, state) => void sessions.set(id, state),
  delete: async (id) => void sessions.delete(id),
  async deleteByLogoutToken({ sid, sub }) {
    for (const [id, { internal, user }] of sessions)
      if ((sid && internal.sid === sid) || (!sid && user.sub === sub)) sessions.delete(id);
  },
};

const common = {
  domain: AUTH0_DOMAIN,
  authorizationParams: { redirect_uri: `${APP_BASE_URL}/auth/callback` },
};
const newClient = (options = {}) =>
  new ServerClient({
    ...common,
    clientId: AUTH0_CLIENT_ID,
    clientSecret: AUTH0_CLIENT_SECRET,
    ...options,
    transactionStore: new CookieTransactionStore({ secret }, cookies),
    stateStore: new StatefulStateStore({ secret, store }, cookies),
  });
const auth0 = newClient();

/** By key instead of by secret. */
const byKey = ({ keyClientId, key }) =>
  newClient({ clientId: keyClientId, clientSecret: undefined, clientAssertionSigningKey: key });

serve({
  startLogin: async ({ browser, options }) => (await auth0.startInteractiveLogin(options, { browser })).href,
  completeLogin: async ({ browser, url }) => {
    await auth0.completeInteractiveLogin(new URL(url), { browser });
  },
  startLoginByKey: async ({ browser, ...rest }) =>
    (await byKey(rest).startInteractiveLogin({}, { browser })).href,
  completeLoginByKey: async ({ browser, url, ...rest }) => {
    await byKey(rest).completeInteractiveLogin(new URL(url), { browser });
  },
  user: ({ browser }) => auth0.getUser({ browser }),
  session: ({ browser }) => auth0.getSession({ browser }),
  accessToken: ({ browser, options }) => auth0.getAccessToken(options, { browser }),
  tokenForConnection: ({ browser, connection }) =>
    auth0.getAccessTokenForConnection({ connection }, { browser }),
  logout: async ({ browser }) => (await auth0.logout({ returnTo: APP_BASE_URL }, { browser })).href,
  async askUser({ browser, userId, audience, scope, details }) {
    return auth0.loginBackchannel(
      {
        bindingMessage: "Buy 1 kettle?",
        loginHint: { sub: userId },
        authorizationParams: { audience, scope, authorization_details: JSON.stringify(details) },
      },
      { browser },
    );
  },
  backchannelLogout: async ({ logoutToken }) => {
    // A client of its own: each keeps the server's keys for a while.
    await newClient().handleBackchannelLogout(logoutToken, { browser: "nobody" });
  },
  sendCode: async ({ email }) => {
    await auth0.startPasswordless({ connection: "email", email, send: "code" }, { browser: email });
  },
  loginWithCode: async ({ browser, email, code }) => {
    await auth0.completePasswordless({ connection: "email", email, verificationCode: code }, { browser });
  },
});
