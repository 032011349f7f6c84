import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { answerNewest } from "../support/approvals.ts";
import { authorize, logIn, type Person, relyingParty, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeCertificates, type TestCertificates } from "../support/tls.ts";
import { createUserAgent } from "../support/user-agent.ts";
import {
  askApproval,
  CREDENTIALS,
  honest,
  isApp,
  openAuthorize,
  poll,
  post,
  rawRequest,
  refresh,
} from "./attack.ts";

/** T21, T28; KC CVE-2024-4540, nextjs-auth0 CVE-2025-48947, authkit CVE-2025-64762, ZITADEL CVE-2025-64101, oauth2-proxy CVE-2026-40575. */
let certificates: TestCertificates;
before(async () => {
  certificates = await makeCertificates();
  certificates.trust();
});
after(() => certificates.remove());

for (const scheme of ["http", "https"])
  describe(`answers over ${scheme}`, () => {
    let server: TestServer;
    let person: Person;
    /** Every answer of the server, as this process saw it. */
    const seen: { address: string; response: Response; text: string }[] = [];
    const realFetch = globalThis.fetch;

    before(async () => {
      server = await startTestServer((config) => {
        if (scheme === "http") return;
        const listen = config["listen"] as { host: string; port: number };
        const { certFile, keyFile } = certificates;
        config["issuer"] = `https://localhost:${listen.port}/`;
        config["listen"] = { ...listen, tls: { certFile, keyFile } };
      });
      globalThis.fetch = async (input, init) => {
        const response = await realFetch(input, init);
        const text = await response.clone().text();
        seen.push({ address: String(input instanceof Request ? input.url : input), response, text });
        return response;
      };
      await story();
    });
    after(async () => {
      globalThis.fetch = realFetch;
      await server?.close();
    });

    /** All that a person and an app do, so that every kind of answer is seen. */
    async function story(): Promise<void> {
      person = await signUp(server.url);
      const tokens = await logIn(server.url, person.agent);
      await refresh(server.url, tokens.refresh_token ?? "");
      const other = await relyingParty(server.url, "other");
      const asks = await authorize(other, person.agent);
      await person.agent.submit(asks.page, { decision: "allow" }, { stopAt: isApp });
      await person.agent.open(`${server.url}accounts`);
      const asked = await askApproval(server.url, person.userId);
      await answerNewest(server.url, person, "approve");
      await poll(server.url, asked.body["auth_req_id"] ?? "");
      const pushed = await post(`${server.url}oauth/par`, { ...honest(), ...CREDENTIALS });
      const request = {
        client_id: "assistant",
        request_uri: pushed.body["request_uri"] ?? "",
        prompt: "login",
      };
      await openAuthorize(server.url, createUserAgent(), request);
      await openAuthorize(server.url, person.agent, { ...honest(), response_mode: "form_post" });
      await openAuthorize(server.url, person.agent, { ...honest(), redirect_uri: "https://evil.example/" });
      await person.agent.fetch(`${server.url}userinfo`, {
        headers: { authorization: `Bearer ${tokens.access_token}` },
      });
      await post(`${server.url}oauth/token`, { ...CREDENTIALS, grant_type: "client_credentials" });
      await createUserAgent().open(`${server.url}oidc/logout`);
      await person.agent.submit(await person.agent.open(`${server.url}oidc/logout`), { logout: "yes" });
      const again = await person.agent.open(`${server.url}login`);
      await person.agent.submit(again, { email: person.email, password: "wrong" });
      const back = await person.agent.submit(again, {
        email: person.email,
        password: "correct horse battery staple",
      });
      assert.equal(back.status, 200);
      await person.agent.submit(await person.agent.open(`${server.url}logout`), {});
      for (const path of [
        "connect?ticket=x",
        "interaction/x",
        "nothing",
        "login/callback?state=x&code=y",
        "approvals/apr_x",
      ])
        await createUserAgent().open(`${server.url}${path}`);
    }

    it("nextjs-auth0 CVE-2025-48947, authkit CVE-2025-64762: that carry a cookie, a token or a code are kept by nobody on the way", () => {
      const secret = /access_token|refresh_token|id_token"|auth_req_id|request_uri"|connect_code/;
      const sensitive = seen.filter(
        ({ address, response, text }) =>
          !address.includes(".well-known") &&
          (response.headers.getSetCookie().length > 0 ||
            secret.test(text) ||
            /[?&]code=/.test(response.headers.get("location") ?? "")),
      );
      assert.ok(sensitive.length > 20, String(sensitive.length));
      for (const { address, response } of sensitive)
        assert.match(response.headers.get("cache-control") ?? "", /no-store/, address);
    });

    it("KC CVE-2024-4540: set cookies that scripts and other sites do not see, and that say nothing", () => {
      const cookies = seen.flatMap(({ response }) => response.headers.getSetCookie());
      assert.ok(cookies.length > 20);
      for (const cookie of cookies) {
        assert.match(cookie, /; ?httponly/i, cookie);
        assert.match(cookie, /; ?samesite=lax/i, cookie);
        assert.doesNotMatch(cookie, /domain=/i);
        assert.equal(/; ?secure/i.test(cookie), scheme === "https", cookie);
        assert.match(cookie.split(";")[0] ?? "", /^[\w.-]+=[A-Za-z0-9_-]*$/);
      }
      const names = new Set(cookies.map((cookie) => cookie.split("=")[0]));
      const prefix = scheme === "https" ? "__Host-" : "";
      assert.ok(
        names.has(`${prefix}behalf_session`) && names.has(`${prefix}behalf_form`),
        [...names].join(" "),
      );
    });

    it("that are pages cannot be framed, sniffed or made to run what is not theirs", () => {
      const pages = seen.filter(({ response }) =>
        response.headers.get("content-type")?.startsWith("text/html"),
      );
      assert.ok(pages.length > 15, String(pages.length));
      for (const { address, response } of pages) {
        const csp = response.headers.get("content-security-policy") ?? "";
        assert.match(csp, /default-src 'none'/, address);
        assert.match(csp, /frame-ancestors 'none'/, address);
        assert.match(csp, /base-uri 'none'/, address);
        assert.doesNotMatch(csp, /unsafe|\*/, address);
        assert.equal(response.headers.get("x-frame-options"), "DENY", address);
        assert.ok(response.headers.get("referrer-policy"), address);
      }
      for (const { address, response } of seen.filter(({ address }) => address.startsWith(server.url)))
        assert.equal(response.headers.get("x-content-type-options"), "nosniff", address);
    });

    it("say nothing about what serves them, and invite no other origin to read them", () => {
      for (const { response } of seen) {
        assert.equal(response.headers.get("server"), null);
        assert.equal(response.headers.get("x-powered-by"), null);
        assert.equal(response.headers.get("access-control-allow-credentials"), null);
      }
    });

    it("that are errors repeat nothing of what was sent", async () => {
      const canary = `canary"><img src=x onerror=alert(1)>`;
      const params = Object.fromEntries(
        [
          "state",
          "client_id",
          "redirect_uri",
          "scope",
          "response_type",
          "prompt",
          "nonce",
          "error",
          "code",
          "ticket",
          "uid",
          "post_logout_redirect_uri",
          "id_token_hint",
        ].map((name) => [name, canary]),
      );
      const query = new URLSearchParams(params);
      const paths = [
        "authorize",
        "oidc/logout",
        "oidc/logout/confirm",
        "oidc/logout/success",
        "interaction/x",
        "login/callback",
        "connect",
        "connect/confirm",
        "approvals/apr_x",
        "userinfo",
        "authorize/x",
        canary,
        `approvals/${canary}`,
      ];
      for (const path of paths)
        for (const accept of ["text/html", "application/json"]) {
          const page = await realFetch(`${server.url}${encodeURI(path)}?${query}`, {
            headers: { accept },
            redirect: "manual",
          });
          assert.ok(!(await page.text()).includes("canary"), `${path} ${accept}`);
        }
      for (const path of [
        "oauth/token",
        "oauth/par",
        "oauth/revoke",
        "bc-authorize",
        "login",
        "signup",
        "logout",
        "oidc/register",
      ]) {
        const { text } = await realFetch(`${server.url}${path}`, { method: "POST", body: query }).then(
          async (it) => ({ text: await it.text() }),
        );
        assert.ok(!text.includes("canary"), path);
      }
    });

    it("ZITADEL CVE-2025-64101, GHSA-93m4-mfpg-c3xf, oauth2-proxy CVE-2026-40575: lead to the issuer, whatever host the request names", async () => {
      const hostile = [
        "evil.example",
        "evil.example:80",
        `${new URL(server.url).host}.evil.example`,
        "localhost@evil.example",
      ];
      const headers = (host: string) => [
        `Host: ${host}`,
        `X-Forwarded-Host: ${host}`,
        `X-Forwarded-Proto: gopher`,
        `X-Forwarded-Port: 666`,
        `X-Forwarded-For: 6.6.6.6`,
        `X-Forwarded-Prefix: /evil`,
        `X-Original-URL: /evil.example`,
        `X-Rewrite-URL: /evil.example`,
        `Forwarded: host=${host};proto=gopher`,
        `Referer: https://${host}/`,
      ];
      const query = new URLSearchParams(honest());
      const paths = [
        ".well-known/openid-configuration",
        ".well-known/oauth-authorization-server",
        `authorize?${query}`,
        "login",
        "signup",
        "oidc/logout",
        "approvals",
        "accounts",
        "connect?ticket=x",
        "interaction/x",
        "",
      ];
      for (const host of hostile)
        for (const path of paths)
          for (const target of [`/${path}`, `http://evil.example/${path}`]) {
            const { text } = await rawRequest(
              server.url,
              `GET ${target} HTTP/1.1\r\n${headers(host).join("\r\n")}\r\nConnection: close\r\n\r\n`,
            );
            assert.doesNotMatch(text, /evil|gopher|:666\b|6\.6\.6\.6/, `${target} with ${host}`);
          }
    });

    it("keep what is asked for out of the log", () => {
      const log = server.log.join("");
      const secrets = seen.flatMap(({ text }) =>
        [...text.matchAll(/"(?:access|refresh|id)_token":"([^"]+)"/g)].map(([, token]) => token ?? ""),
      );
      assert.ok(secrets.length > 3);
      for (const secret of [...secrets, CREDENTIALS.client_secret, "the-state", person.email])
        assert.ok(!log.includes(secret));
    });
  });
