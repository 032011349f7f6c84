// A Next.js application's use of the published, unmodified `@auth0/nextjs-auth0`: its middleware and its
// methods, given Next's own requests and answers. Each browser has a jar of cookies here.
import "next/dist/server/node-environment-baseline.js";
import { Auth0Client } from "@auth0/nextjs-auth0/server";
import { workAsyncStorage } from "next/dist/server/app-render/work-async-storage.external.js";
import { NextRequest, NextResponse } from "next/server.js";
import { serve } from "../serve.mjs";

const { APP_BASE_URL, AUTH0_ORIGIN, KEY_CLIENT_ID, CLIENT_KEY } = process.env;

const sessions = new Map();
const common = {
  domain: AUTH0_ORIGIN,
  appBaseUrl: APP_BASE_URL,
  secret: "5b8c1c0f3a7d4e6f9a2b5c8d1e4f7a0b3c6d9e2f5a8b1c4d7e0f3a6b9c2d5e8f",
  // The package takes a host with a port only so.
  allowInsecureRequests: AUTH0_ORIGIN.includes(":", 6),
};
const clients = {
  usual: () => new Auth0Client({ ...common, logoutStrategy: "oidc", enableConnectAccountEndpoint: true }),
  v2: () => new Auth0Client({ ...common, logoutStrategy: "v2" }),
  par: () => new Auth0Client({ ...common, pushedAuthorizationRequests: true }),
  key: () =>
    new Auth0Client({
      ...common,
      clientId: KEY_CLIENT_ID,
      clientSecret: undefined,
      clientAssertionSigningKey: CLIENT_KEY,
      clientAssertionSigningAlg: "RS256",
    }),
  dpop: () => new Auth0Client({ ...common, useDPoP: true, dpopKeyPair: keyPair }),
  stored: () =>
    new Auth0Client({
      ...common,
      sessionStore: {
        get: async (id) => sessions.get(id) ?? null,
        set: async (id, session) => void sessions.set(id, session),
        delete: async (id) => void sessions.delete(id),
        async deleteByLogoutToken({ sid, sub }) {
          for (const [id, session] of sessions)
            if (session.internal.sid === sid || (!sid && session.user.sub === sub)) sessions.delete(id);
        },
      },
    }),
};
const keyPair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
  "sign",
  "verify",
]);
const made = new Map();
const clientOf = (name = "usual") => made.get(name) ?? made.set(name, clients[name]()).get(name);

const jars = new Map();
const jarOf = (browser) => jars.get(browser) ?? jars.set(browser, new Map()).get(browser);

function requestOf(browser, path = "/", init = {}) {
  const cookie = [...jarOf(browser)].map(([name, value]) => `${name}=${value}`).join("; ");
  const headers = { ...init.headers, ...(cookie ? { cookie } : {}) };
  return new NextRequest(new URL(path, APP_BASE_URL), { ...init, headers });
}

function remember(browser, response) {
  const jar = jarOf(browser);
  for (const { name, value, maxAge } of response.cookies.getAll())
    if (value === "" || maxAge === 0) jar.delete(name);
    else jar.set(name, value);
}

/** Runs one of the package's methods in a request of that browser's, and keeps the cookies it sets. */
async function within({ browser, client }, method) {
  const response = new NextResponse();
  const answer = await method(clientOf(client), requestOf(browser), response);
  remember(browser, response);
  return answer;
}

serve({
  /** A page of the application is asked for; what its middleware answers. */
  async open({ browser, client, path, method = "GET", body, headers, fresh = false }) {
    // A fresh one has nothing of the server's kept.
    const used = fresh ? clients[client]() : clientOf(client);
    const response = await used.middleware(requestOf(browser, path, { method, body, headers }));
    remember(browser, response);
    const location = response.headers.get("location");
    return { status: response.status, location, text: await response.text() };
  },
  session: (at) => within(at, (client, request) => client.getSession(request)),
  accessToken: ({ options, ...at }) =>
    within(at, (client, request, response) => client.getAccessToken(request, response, options)),
  tokenForConnection: ({ connection, ...at }) =>
    within(at, (client, request, response) =>
      client.getAccessTokenForConnection({ connection }, request, response),
    ),
  accounts: (at) => within(at, (client, request, response) => client.getConnectedAccounts(request, response)),
  disconnect: ({ connection, ...at }) =>
    within(at, async (client, request, response) => {
      await client.disconnectAccount({ connection }, request, response);
    }),
  askUser: ({ userId, audience, scope, details }) =>
    // The method takes no request: it asks Next for the one that is being served.
    workAsyncStorage.run({ route: "/ask", forceStatic: true }, () =>
      clientOf().getTokenByBackchannelAuth({
        bindingMessage: "Buy 1 kettle?",
        loginHint: { sub: userId },
        authorizationDetails: details,
        authorizationParams: { audience, scope },
      }),
    ),
  /** With the session's bound token and a proof, as the package's fetcher makes it. */
  fetchBound: ({ path, ...at }) =>
    within(at, async (client, request) => {
      const fetcher = await client.createFetcher(request, { baseUrl: AUTH0_ORIGIN, useDPoP: true });
      // Of a token that a log-in brought the package does not keep what type it is; of a refreshed one it does.
      const response = await fetcher.fetchWithAuth(path, {}, { refresh: true });
      return { status: response.status, body: await response.json() };
    }),
});
