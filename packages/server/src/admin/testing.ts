import { Hono } from "hono";
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from "jose";
import { createAudit } from "../audit/index.ts";
import { type Config, parseConfig } from "../config.ts";
import { createKeyring } from "../crypto/keyring.ts";
import { randomBytes } from "../crypto/random.ts";
import { createSealer } from "../crypto/seal.ts";
import { ApiError, httpError, problemResponse } from "../http/errors.ts";
import { createIds } from "../lib/ids.ts";
import { secret } from "../lib/secret.ts";
import { createLogin } from "../login/index.ts";
import { createClients } from "../oauth/clients.ts";
import { createDpopProofs } from "../oauth/dpop-proofs.ts";
import { createLiveness } from "../oauth/liveness.ts";
import { createRevocations } from "../oauth/revocations.ts";
import { createSignedTokens } from "../oauth/signed-tokens.ts";
import { endTokensOf } from "../oauth/store.ts";
import { createRequireToken } from "../oauth/tokens.ts";
import { createOrganizations } from "../organizations/index.ts";
import { createRoles } from "../roles/index.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage } from "../storage/testing.ts";
import { createAdmin } from "./index.ts";

export const ISSUER = "http://localhost:4000/";
export const PASSWORD = "correct horse battery staple";
const SECRET = "s".repeat(43);

/** Two configured clients (one an agent), one API, one connection. */
export function adminTestConfig(): Config {
  const config = parsedConfig();
  // Nothing listens here: what a client may be needs no files.
  return { ...config, listen: { ...config.listen, mtls: { port: 4_001, caFile: "clients-ca.pem" } } };
}

const parsedConfig = (): Config =>
  parseConfig(
    {
      issuer: ISSUER,
      storage: "sqlite::memory:",
      rootKey: { env: "ROOT_KEY" },
      apis: [{ audience: "https://shop.example/", name: "Shop", scopes: { buy: "Buy things" } }],
      connections: [
        {
          name: "calendar",
          displayName: "Calendar",
          authorizationEndpoint: "https://provider.example/authorize",
          tokenEndpoint: "https://provider.example/token",
          userinfoEndpoint: "https://provider.example/me",
          clientId: "abc",
          clientSecret: { env: "PROVIDER" },
          scopes: { read: "See your calendar" },
        },
      ],
      clients: [
        {
          id: "assistant",
          name: "Assistant",
          secret: { env: "SECRET" },
          agent: { owner: "Support", purpose: "Answers", connections: { calendar: { scopes: ["read"] } } },
        },
        {
          id: "console",
          name: "Console",
          secret: { env: "SECRET" },
          grantTypes: ["authorization_code", "client_credentials"],
          apis: { [`${ISSUER}admin/`]: { scopes: ["admin"] } },
        },
      ],
    },
    { env: { ROOT_KEY: "r", SECRET, PROVIDER: "provider-canary" }, baseDir: "/" },
  );

/** The administrator's API over a real database, with tokens signed by a key of its own. */
export async function openAdmin(open?: () => Promise<Storage>, config = adminTestConfig()) {
  const storage = await openTestStorage(open);
  const time = { now: Date.UTC(2026, 0, 1) };
  const clock = { now: () => time.now };
  const ids = createIds({ clock, random: randomBytes });
  const keyring = createKeyring([Buffer.alloc(32, 1)]);
  const audit = createAudit({ storage, clock });
  const login = await createLogin({
    endTokens: endTokensOf,
    storage,
    audit,
    clock,
    ids,
    keyring,
    sealer: createSealer({ keyring }),
    issuer: ISSUER,
    signUp: true,
  });
  const clients = createClients({ storage, config, secretKeys: keyring.deriveAll("client-secret"), clock });
  const { accounts } = login;
  const admin = createAdmin({
    endTokens: endTokensOf,
    ...{ storage, audit, clock, ids, keyring, config, users: accounts, createUser: accounts.create },
    random: randomBytes,
    clientChanged: clients.changed,
  });
  const pair = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: "k", alg: "ES256" };
  const verifyKey = createLocalJWKSet({ keys: [jwk] });
  const signedTokens = createSignedTokens({ issuer: ISSUER, verifyKey, clock });
  const revocations = createRevocations({ storage, clock, signedTokens });
  const requireToken = createRequireToken({
    issuer: ISSUER,
    signedTokens,
    proofs: createDpopProofs({ issuer: ISSUER, storage, clock, nonces: undefined }),
    liveness: createLiveness({ storage, clock, clients, users: accounts, revocations }),
  });
  const roles = createRoles({ storage, audit, clock, config });
  const organizations = createOrganizations({
    ...{ storage, audit, clock, ids, issuer: ISSUER },
    unknownRoles: roles.unknown,
    loginConnections: new Set(["password", "passkey", "calendar"]),
    clientExists: async (id) => (await clients.find(id)) !== undefined,
    mail: undefined,
  });
  const extensions = [organizations.adminRoutes, roles.adminRoutes];
  const app = new Hono().route("/", admin.routes({ requireToken, extensions }));
  app.onError((error, c) =>
    problemResponse(c, ApiError.is(error) ? error : httpError("server.error", { cause: error })),
  );

  const token = (subject: string, more: { scope?: string; audience?: string; clientId?: string } = {}) =>
    new SignJWT({ client_id: more.clientId ?? "console", scope: more.scope ?? "admin", jti: ids.ulid() })
      .setProtectedHeader({ alg: "ES256", kid: "k", typ: "at+jwt" })
      .setIssuer(ISSUER)
      .setSubject(subject)
      .setAudience(more.audience ?? `${ISSUER}admin/`)
      .setIssuedAt(Math.floor(time.now / 1000))
      .setExpirationTime(Math.floor(time.now / 1000) + 60)
      .sign(pair.privateKey);

  const root = await accounts.create({
    email: "root@example.com",
    password: secret(PASSWORD),
    role: "admin",
  });
  const rootToken = await token(root.id);

  /** Calls the API; as the first administrator unless another token (or none) is given. */
  async function call(method: string, path: string, options: { body?: unknown; token?: string | null } = {}) {
    const bearer = options.token === undefined ? rootToken : options.token;
    const response = await app.request(`/admin/v1${path}`, {
      method,
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
  }

  return {
    organizations,
    roles,
    storage,
    time,
    audit,
    login,
    clients,
    admin,
    app,
    token,
    root,
    call,
    keyring,
    config,
  };
}

export type AdminSetup = Awaited<ReturnType<typeof openAdmin>>;
