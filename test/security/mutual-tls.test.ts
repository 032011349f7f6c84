import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { decodeJwt } from "jose";
import {
  type Authority,
  type Identity,
  makeAuthority,
  requestWith,
  selfSigned,
} from "../../packages/server/src/http/testing.ts";
import { engines } from "../support/engines.ts";
import { CALLBACK, type Person, signUp } from "../support/person.ts";
import { freePort, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { makeCertificates, type TestCertificates } from "../support/tls.ts";
import { codeFor, VERIFIER } from "./attack.ts";

const SUBJECT = "C=DE, O=Example, CN=machine";
/** RFC 4514 begins with what stands last in the certificate. */
const SUBJECT_DN = "CN=machine,O=Example,C=DE";
const ACCOUNTS = "me/v1/connected-accounts/accounts";
const thumbprint = ({ der }: Identity) =>
  createHash("sha256").update(Buffer.from(der, "base64")).digest("base64url");

/** T08, T25; RFC 8705: a client proves itself by its connection, and its tokens are good over such ones alone. */
for (const engine of engines) {
  describe(`mutual TLS on ${engine.name}`, () => {
    let tls: TestCertificates;
    let server: TestServer;
    let mtls: string;
    let authority: Authority;
    let impostor: Authority;
    let own: Identity;
    let second: Identity;
    let person: Person;
    let ahead = 0;

    before(async () => {
      tls = await makeCertificates();
      tls.trust();
      authority = await makeAuthority("CN=Authority of clients");
      // The same name, another key.
      impostor = await makeAuthority("CN=Authority of clients");
      own = await selfSigned({ subject: "CN=own" });
      second = await selfSigned({ subject: "CN=second" });
      const caFile = join(tls.caFile, "..", "clients-ca.pem");
      writeFileSync(caFile, authority.cert);
      const storage = await engine.storage();
      const port = await freePort();
      server = await startTestServer(
        (config) => {
          const { port: ordinary } = config["listen"] as { port: number };
          config["storage"] = storage;
          config["issuer"] = `https://localhost:${ordinary}/`;
          config["listen"] = {
            host: "127.0.0.1",
            port: ordinary,
            tls: { certFile: tls.certFile, keyFile: tls.keyFile },
            mtls: { port, caFile },
          };
          const clients = config["clients"] as Record<string, unknown>[];
          const { secret: _secret, ...base } = clients[0] ?? {};
          const apis = {
            [SHOP]: { scopes: ["orders:read"] },
            [`${config["issuer"]}me/`]: { scopes: ["read:me:connected_accounts"] },
          };
          const add = (id: string, more: object) => clients.push({ ...base, apis, id, ...more });
          const bound = { tlsClientCertificateBoundAccessTokens: true };
          add("by-subject", { tlsClientAuth: { by: "subject_dn", value: SUBJECT_DN }, ...bound });
          for (const [by, value] of [
            ["san_dns", "machine.example"],
            ["san_uri", "spiffe://example/machine"],
            ["san_ip", "2001:db8:0::1"],
            ["san_email", "machine@example.com"],
          ] as const)
            add(`by-${by}`, { tlsClientAuth: { by, value } });
          add("by-certificate", { selfSignedTlsClientAuth: { certificates: [own.cert] }, ...bound });
          add("by-x5c", {
            selfSignedTlsClientAuth: {},
            jwks: { keys: [{ ...second.jwk, x5c: [second.der] }] },
          });
          add("bound-secret", { secret: { env: "SECRET" }, ...bound });
          clients.push({
            id: "bound-public",
            name: "Public",
            redirectUris: [CALLBACK],
            apis,
            firstParty: true,
            ...bound,
          });
        },
        { clock: { now: () => Date.now() + ahead } },
      );
      mtls = `https://localhost:${port}/`;
      person = await signUp(server.url);
    });
    after(async () => {
      await server?.close();
      tls?.remove();
    });

    const machine = (
      id: string,
      identity: Identity | undefined,
      more: { at?: string; params?: Record<string, string>; headers?: Record<string, string> } = {},
    ) =>
      requestWith(identity, `${more.at ?? mtls}oauth/token`, {
        params: { grant_type: "client_credentials", client_id: id, audience: SHOP, ...more.params },
        ...(more.headers ? { headers: more.headers } : {}),
      });
    const assertRefused = async (answer: ReturnType<typeof machine>, what: string) => {
      const { status, body } = await answer;
      assert.deepEqual(
        [status, body],
        [401, { error: "invalid_client", error_description: "client authentication failed" }],
        what,
      );
    };
    const named = (type: "dns" | "url" | "ip" | "email", value: string) =>
      authority.issue({ subject: "CN=x", names: [{ type, value }] });

    it("takes a certificate of the authority with the name that the client has", async () => {
      const accepted: [string, Identity][] = [
        ["by-subject", await authority.issue({ subject: SUBJECT })],
        ["by-san_dns", await named("dns", "Machine.example")],
        ["by-san_uri", await named("url", "spiffe://example/machine")],
        ["by-san_ip", await named("ip", "2001:db8::1")],
        ["by-san_email", await named("email", "machine@example.com")],
      ];
      for (const [id, identity] of accepted) {
        const { status, body } = await machine(id, identity);
        assert.equal(status, 200, `${id} ${JSON.stringify(body)}`);
      }
    });

    it("refuses every other certificate with one answer", async () => {
      const day = 86_400_000;
      const subject = SUBJECT;
      const refused: Record<string, [string, Identity | undefined]> = {
        "no certificate": ["by-subject", undefined],
        "same subject, other issuer": ["by-subject", await impostor.issue({ subject })],
        "same subject, signed by itself": ["by-subject", await selfSigned({ subject })],
        expired: [
          "by-subject",
          await authority.issue({
            subject,
            notBefore: new Date(Date.now() - 2 * day),
            notAfter: new Date(Date.now() - day),
          }),
        ],
        "not valid yet": [
          "by-subject",
          await authority.issue({ subject, notBefore: new Date(Date.now() + day / 2) }),
        ],
        // Extended key usage serverAuth: a certificate for servers.
        "for servers": [
          "by-subject",
          await authority.issue({ subject, usage: "1.3.6.1.5.5.7.3.1" as never }),
        ],
        "parts in another order": [
          "by-subject",
          await authority.issue({ subject: "CN=machine, O=Example, C=DE" }),
        ],
        "a part more": ["by-subject", await authority.issue({ subject: `${SUBJECT}, OU=x` })],
        "a part less": ["by-subject", await authority.issue({ subject: "C=DE, CN=machine" })],
        "another case": ["by-subject", await authority.issue({ subject: "C=DE, O=Example, CN=Machine" })],
        "the name as one text": [
          "by-subject",
          await authority.issue({ subject: "CN=machine\\,O=Example\\,C=DE" }),
        ],
        "another client's": ["by-subject", await named("dns", "machine.example")],
        "the name as subject": ["by-san_dns", await authority.issue({ subject: "CN=machine.example" })],
        "a wildcard": ["by-san_dns", await named("dns", "*.example")],
        "a host below": ["by-san_dns", await named("dns", "x.machine.example")],
        "a name as another kind": ["by-san_dns", await named("url", "https://machine.example")],
        "another address": ["by-san_ip", await named("ip", "2001:db8::2")],
        "another URI": ["by-san_uri", await named("url", "spiffe://example/machine2")],
        "another mailbox": ["by-san_email", await named("email", "other@example.com")],
        "a certificate that is not the client's": ["by-certificate", second],
        "one of the authority for a client with its own": [
          "by-certificate",
          await authority.issue({ subject: "CN=own" }),
        ],
        "the same subject again": ["by-certificate", await selfSigned({ subject: "CN=own" })],
        "another than in x5c": ["by-x5c", own],
        "for a client with a secret": ["assistant", await authority.issue({ subject })],
        "for nobody": ["nobody", await authority.issue({ subject })],
      };
      for (const [what, [id, identity]] of Object.entries(refused))
        await assertRefused(machine(id, identity), what);
    });

    it("takes a certificate that is known by itself, from a list or from x5c", async () => {
      assert.equal((await machine("by-certificate", own)).status, 200);
      assert.equal((await machine("by-x5c", second)).status, 200);
    });

    it("refuses a known certificate once it has expired", async () => {
      ahead = 48 * 3_600_000;
      try {
        await assertRefused(machine("by-certificate", own), "expired");
      } finally {
        ahead = 0;
      }
    });

    it("asks for no certificate on the ordinary port, takes none there, and believes no header", async () => {
      await assertRefused(machine("by-certificate", own, { at: server.url }), "ordinary port");
      const encoded = encodeURIComponent(own.cert);
      for (const at of [server.url, mtls])
        for (const [name, value] of [
          ["x-forwarded-client-cert", `Cert="${encoded}"`],
          ["x-ssl-client-cert", encoded],
          ["ssl-client-cert", encoded],
          ["x-client-cert", own.der],
          ["client-cert", `:${own.der}:`],
          ["client-certificate", own.der],
          ["x-forwarded-tls-client-cert", own.der],
        ] as const)
          await assertRefused(
            machine("by-certificate", undefined, { at, headers: { [name]: value } }),
            `${name} at ${at}`,
          );
    });

    it("is the only way of its client, beside no other proof", async () => {
      for (const params of [
        { client_secret: TEST_SECRET },
        { client_secret: "proven" },
        {
          client_assertion: "x",
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        },
      ])
        await assertRefused(machine("by-certificate", own, { params }), JSON.stringify(params));
      const basic = `Basic ${Buffer.from(`by-certificate:${TEST_SECRET}`).toString("base64")}`;
      const { status, body } = await machine("by-certificate", own, { headers: { authorization: basic } });
      assert.ok(status === 401 && body["access_token"] === undefined, JSON.stringify(body));
    });

    it("proves a client at every endpoint, own grants too", async () => {
      const VAULT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
      for (const [path, params, good] of [
        ["oauth/revoke", { token: "x" }, /^$/],
        ["oauth/introspect", { token: "x" }, /"active":false/],
        ["oauth/token", { grant_type: VAULT }, /requested_token_type/],
        ["bc-authorize", { scope: "openid", login_hint: "x", binding_message: "x" }, /unknown_user_id/],
      ] as const)
        for (const identity of [own, undefined]) {
          const all = { client_id: "by-certificate", ...params };
          const { text, status } = await requestWith(identity, `${mtls}${path}`, { params: all });
          assert.equal(
            good.test(text) && status !== 401,
            identity !== undefined,
            `${path} ${status} ${text}`,
          );
        }
    });

    it("ends with the client", async () => {
      await server.services.admin.clients.setDisabled("by-x5c", true);
      await assertRefused(machine("by-x5c", second), "disabled");
      await server.services.admin.clients.setDisabled("by-x5c", false);
      assert.equal((await machine("by-x5c", second)).status, 200);
    });

    it("binds a client's own tokens, and introspection says to what", async () => {
      const { body } = await machine("by-certificate", own);
      const token = String(body["access_token"]);
      const cnf = { "x5t#S256": thumbprint(own) };
      assert.deepEqual(decodeJwt(token)["cnf"], cnf);
      assert.equal(body["token_type"], "Bearer");
      const told = await requestWith(own, `${mtls}oauth/introspect`, {
        params: { client_id: "by-certificate", token },
      });
      assert.deepEqual(
        [told.body["active"], told.body["cnf"], told.body["token_type"]],
        [true, cnf, "Bearer"],
      );
      // A client that does not ask for it gets tokens that are good for whoever holds them.
      const unbound = await machine("by-x5c", second);
      assert.equal(decodeJwt(String(unbound.body["access_token"]))["cnf"], undefined);
    });

    it("gives a client with a secret no token without a certificate, when its tokens must be bound", async () => {
      const params = { client_secret: TEST_SECRET };
      for (const at of [server.url, mtls]) {
        const { status, body } = await machine("bound-secret", undefined, { at, params });
        assert.deepEqual([status, body["error"]], [400, "invalid_grant"]);
      }
      const { body } = await machine("bound-secret", second, { params });
      assert.deepEqual(decodeJwt(String(body["access_token"]))["cnf"], { "x5t#S256": thumbprint(second) });
    });

    const redeem = async (id: string, identity: Identity | undefined, audience: string) => {
      const code = await codeFor(server.url, person.agent, {
        client_id: id,
        redirect_uri: CALLBACK,
        scope: "openid offline_access read:me:connected_accounts",
        audience,
      });
      return requestWith(identity, `${mtls}oauth/token`, {
        params: {
          grant_type: "authorization_code",
          client_id: id,
          code,
          redirect_uri: CALLBACK,
          code_verifier: VERIFIER,
        },
      });
    };
    const open = (path: string, token: string, identity: Identity | undefined, at = mtls) =>
      requestWith(identity, `${at}${path}`, { headers: { authorization: `Bearer ${token}` } });

    it("opens /userinfo and our own APIs with the certificate alone that the token is bound to", async () => {
      const { body } = await redeem("by-certificate", own, `${server.url}me/`);
      const token = String(body["access_token"]);
      for (const path of ["userinfo", ACCOUNTS]) {
        assert.equal((await open(path, token, own)).status, 200, path);
        assert.equal((await open(path, token, undefined)).status, 401, `${path} without`);
        assert.equal((await open(path, token, second)).status, 401, `${path} with another`);
        assert.equal((await open(path, token, own, server.url)).status, 401, `${path} on the ordinary port`);
        const dpop = await requestWith(own, `${mtls}${path}`, {
          headers: { authorization: `DPoP ${token}` },
        });
        assert.ok([400, 401].includes(dpop.status), `${path} as DPoP ${dpop.status}`);
      }
    });

    it("binds opaque tokens too", async () => {
      const code = await codeFor(server.url, person.agent, { client_id: "by-certificate" });
      const { body } = await requestWith(own, `${mtls}oauth/token`, {
        params: {
          grant_type: "authorization_code",
          client_id: "by-certificate",
          code,
          redirect_uri: CALLBACK,
          code_verifier: VERIFIER,
        },
      });
      const token = String(body["access_token"]);
      assert.equal((await open("userinfo", token, own)).status, 200);
      assert.equal((await open("userinfo", token, second)).status, 401);
      const told = await requestWith(own, `${mtls}oauth/introspect`, {
        params: { client_id: "by-certificate", token },
      });
      assert.deepEqual(told.body["cnf"], { "x5t#S256": thumbprint(own) });
    });

    it("binds what a refresh gives; a public client's refresh token is good with its certificate alone", async () => {
      const first = await redeem("bound-public", own, `${server.url}me/`);
      assert.equal(first.status, 200, first.text);
      const refresh = (id: string, token: unknown, identity: Identity | undefined, at = mtls) =>
        requestWith(identity, `${at}oauth/token`, {
          params: { grant_type: "refresh_token", client_id: id, refresh_token: String(token) },
        });
      const token = first.body["refresh_token"];
      for (const [identity, at] of [
        [undefined, mtls],
        [second, mtls],
        [own, server.url],
      ] as const) {
        const { status, body } = await refresh("bound-public", token, identity, at);
        assert.deepEqual([status, body["error"]], [400, "invalid_grant"]);
      }
      const next = await refresh("bound-public", token, own);
      assert.equal(next.status, 200, next.text);
      const cnf = { "x5t#S256": thumbprint(own) };
      assert.deepEqual(decodeJwt(String(next.body["access_token"]))["cnf"], cnf);
      // Its successor is bound too.
      assert.equal((await refresh("bound-public", next.body["refresh_token"], second)).status, 400);
      assert.equal((await refresh("bound-public", next.body["refresh_token"], own)).status, 200);
    });

    it("is told in the metadata, with its own addresses", async () => {
      const { body } = await requestWith(undefined, `${server.url}.well-known/oauth-authorization-server`);
      const aliases = body["mtls_endpoint_aliases"] as Record<string, string>;
      assert.equal(aliases["token_endpoint"], `${mtls}oauth/token`);
      assert.equal(aliases["userinfo_endpoint"], `${mtls}userinfo`);
      assert.equal(aliases["authorization_endpoint"], undefined);
      assert.equal(body["tls_client_certificate_bound_access_tokens"], true);
      for (const method of ["tls_client_auth", "self_signed_tls_client_auth"])
        assert.ok((body["token_endpoint_auth_methods_supported"] as string[]).includes(method), method);
    });
  });
}

describe("mutual TLS that is not configured", () => {
  it("is not announced, and a client that was made for it gets nothing", async () => {
    const own = await selfSigned({ subject: "CN=own" });
    const server = await startTestServer();
    try {
      const metadata = (await (
        await fetch(`${server.url}.well-known/openid-configuration`)
      ).json()) as object;
      for (const name of ["mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens"])
        assert.ok(!(name in metadata), name);
      assert.doesNotMatch(JSON.stringify(metadata), /tls_client_auth/);
      await assert.rejects(
        startTestServer((config) => {
          const clients = config["clients"] as Record<string, unknown>[];
          clients.push({ id: "x", name: "X", selfSignedTlsClientAuth: { certificates: [own.cert] } });
        }),
        /a client that uses certificates needs listen\.mtls/,
      );
    } finally {
      await server.close();
    }
  });
});
