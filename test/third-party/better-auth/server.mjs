// A third party that nobody here wrote: better-auth with its OAuth provider plugin, in front of a small API
// of notes. Usage: node server.mjs <redirect-uri>…. Prints one line of JSON when it is ready, and ends when
// its standard input does.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { jwt } from "better-auth/plugins";
import { consentPage, loginPage } from "./pages.mjs";

const SCOPES = ["openid", "profile", "email", "offline_access", "notes.read", "notes.write"];
const OPERATOR = { email: "operator@notes.example", password: crypto.randomUUID(), name: "Operator" };
/** Short, so that a test need not wait long for a token to expire. */
const ACCESS_TOKEN_SECONDS = 60;
const MAX_BODY_BYTES = 64 * 1024;
const AUTH = "/api/auth";

const redirectUris = process.argv.slice(2);
const server = createServer((request, response) => {
  answer(request)
    .catch((error) => {
      process.stderr.write(`${error.stack}\n`);
      return new Response("it broke", { status: 500 });
    })
    .then((result) => send(result, response));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}`;

const database = new DatabaseSync(":memory:");
const auth = betterAuth({
  baseURL: url,
  basePath: AUTH,
  secret: crypto.randomUUID() + crypto.randomUUID(),
  database,
  emailAndPassword: { enabled: true },
  // Many people sit behind the one address of a test.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  disabledPaths: ["/token"],
  plugins: [
    jwt(),
    oauthProvider({
      loginPage: "/login",
      consentPage: "/consent",
      scopes: SCOPES,
      accessTokenExpiresIn: ACCESS_TOKEN_SECONDS,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
});
await (await getMigrations(auth.options)).runMigrations();

const { headers } = await auth.api.signUpEmail({ body: OPERATOR, returnHeaders: true });
const session = new Headers({ cookie: cookiesOf(headers) });
const register = (body) => auth.api.adminCreateOAuthClient({ headers: session, body });
const client = await register({
  client_name: "Behalf",
  redirect_uris: redirectUris,
  // Redirects to loopback are for native applications (OpenID Connect Registration section 2).
  application_type: "native",
  scope: SCOPES.join(" "),
  token_endpoint_auth_method: "client_secret_basic",
  grant_types: ["authorization_code", "refresh_token"],
});

process.stdout.write(
  `${JSON.stringify({
    url,
    issuer: `${url}${AUTH}`,
    clientId: client.client_id,
    clientSecret: client.client_secret,
  })}\n`,
);
process.stdin.on("end", () => process.exit(0)).resume();

/** Requests to the token endpoint, for the test to count. */
const tokenRequests = [];

async function answer(incoming) {
  const request = await toRequest(incoming);
  const { pathname, search } = new URL(request.url);
  const route = `${request.method} ${pathname}`;
  if (route === "GET /login") return loginPage(search.slice(1));
  if (route === "POST /login") return signIn(request);
  if (route === "GET /consent") return consentPage(search.slice(1));
  if (route === "POST /consent") return consent(request);
  if (route === "GET /notes") return notes(request);
  if (route === "GET /_test/token-requests") return Response.json(tokenRequests);
  if (route === "POST /_test/forget-refresh-tokens") return forgetRefreshTokens();
  if (!pathname.startsWith(`${AUTH}/`)) return new Response("not found", { status: 404 });
  if (route !== `POST ${AUTH}/oauth2/token`) return auth.handler(request);
  const grant = new URLSearchParams(await request.clone().text()).get("grant_type");
  const result = await auth.handler(request);
  tokenRequests.push({ grant, status: result.status });
  return result;
}

async function signIn(request) {
  const form = new URLSearchParams(await request.text());
  const body = { email: form.get("email"), password: form.get("password"), oauth_query: form.get("query") };
  return goOn(await post(request, "/sign-in/email", body));
}

async function consent(request) {
  const form = new URLSearchParams(await request.text());
  const body = { accept: form.get("decision") === "allow", oauth_query: form.get("query") };
  return goOn(await post(request, "/oauth2/consent", body));
}

/** What a provider does that loses its database, or that a person asks to forget an application. */
function forgetRefreshTokens() {
  const { changes } = database.prepare('delete from "oauthRefreshToken"').run();
  return Response.json({ forgotten: Number(changes) });
}

/** A call of better-auth's own API, as its browser client makes it from these pages. */
function post(request, path, body) {
  const passed = new Headers({ "content-type": "application/json", origin: url });
  const cookie = request.headers.get("cookie");
  if (cookie) passed.set("cookie", cookie);
  const address = `${url}${AUTH}${path}`;
  return auth.handler(new Request(address, { method: "POST", headers: passed, body: JSON.stringify(body) }));
}

/** The API says where to go in JSON; a page without JavaScript says it with a redirect. */
async function goOn(result) {
  const text = await result.text();
  const to = result.status === 200 ? JSON.parse(text).url : undefined;
  if (!to) return new Response(text, { status: result.status === 200 ? 500 : result.status });
  const headers = new Headers({ location: to });
  for (const cookie of result.headers.getSetCookie()) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

/** The protected API: introspects the token as its own client and looks for the scope (RFC 7662, RFC 6750). */
async function notes(request) {
  const token = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const refuse = (status, error) =>
    Response.json({ error }, { status, headers: { "www-authenticate": `Bearer error="${error}"` } });
  if (!token) return refuse(401, "invalid_token");
  const form = new URLSearchParams({ token, token_type_hint: "access_token" });
  const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString("base64");
  const result = await auth.handler(
    new Request(`${url}${AUTH}/oauth2/introspect`, {
      method: "POST",
      headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
      body: form,
    }),
  );
  const facts = await result.json();
  if (result.status !== 200 || facts.active !== true) return refuse(401, "invalid_token");
  if (!facts.scope.split(" ").includes("notes.read")) return refuse(403, "insufficient_scope");
  return Response.json({ owner: facts.sub, notes: ["Buy a kettle", "Call the dentist"] });
}

function cookiesOf(headers) {
  return headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
}

async function toRequest(incoming) {
  const chunks = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
  // better-auth answers a script with JSON and a browser with a redirect, and knows them by this header. The
  // tests' browser cannot send it: Node's fetch calls every request a script's.
  if (headers.get("accept")?.startsWith("text/html")) headers.set("sec-fetch-mode", "navigate");
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  return new Request(new URL(incoming.url, url), { method: incoming.method, headers, body });
}

async function send(result, outgoing) {
  const headers = Object.fromEntries([...result.headers].filter(([name]) => name !== "set-cookie"));
  outgoing.writeHead(result.status, { ...headers, "set-cookie": result.headers.getSetCookie() });
  outgoing.end(Buffer.from(await result.arrayBuffer()));
}
