import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { engines } from "../support/engines.ts";
import { logIn, type Person, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, type TestServer } from "../support/server.ts";
import { CREDENTIALS, honest, openAuthorize, post, VERIFIER } from "./attack.ts";

const HTTPS = "https://app.example/callback";
const LOOPBACK = "http://127.0.0.1:3999/callback";

/** Every way we know to write something that a careless reader takes for `uri`; none is `uri`. */
function corpus(uri: string): string[] {
  const { protocol, host, hostname, port, pathname } = new URL(uri);
  const base = `${protocol}//${host}`;
  const other = protocol === "https:" ? "http:" : "https:";
  const hosts = [
    `${host}.evil.example`,
    `evil.example/${host}`,
    `evil.example#@${host}`,
    `evil.example?@${host}`,
    `evil.example\\@${host}`,
    `${host}@evil.example`,
    `${host}:80@evil.example`,
    `${host}%40evil.example`,
    `user@${host}`,
    `user:pass@${host}`,
    `@${host}`,
    `${host}.`,
    `x.${host}`,
    `${host}%00.evil.example`,
    `${host}%2eevil.example`,
    `${host};evil.example`,
    `${host},evil.example`,
    `${hostname}`,
    `${hostname}:`,
    `${hostname}:${port || "443"}0`,
    `${hostname}:0`,
    `${hostname}:80`,
    `${hostname}:99999`,
    `${hostname.toUpperCase()}X:${port}`,
    "localhost:3999",
    "[::1]:3999",
    "[::ffff:127.0.0.1]:3999",
    "127.1:3999",
    "2130706433:3999",
    "0x7f.0.0.1:3999",
    "0177.0.0.1:3999",
    "127.0.0.1.nip.io:3999",
    "evil.example",
    "аpp.example",
    "app。example",
    "ａpp.example",
  ];
  const paths = [
    "",
    "/",
    `${pathname}/`,
    `${pathname}//`,
    `/${pathname}`,
    `${pathname}/x`,
    `${pathname}x`,
    `${pathname}?`,
    `${pathname}?x=1`,
    `${pathname}?redirect_uri=https://evil.example`,
    `${pathname}#`,
    `${pathname}#x`,
    `${pathname}%23`,
    `${pathname}%3f`,
    `${pathname}%00`,
    `${pathname}%20`,
    `${pathname} `,
    ` ${pathname}`,
    `${pathname}\t`,
    `${pathname}\n`,
    `${pathname}\r\nlocation: https://evil.example`,
    `${pathname};x`,
    `${pathname}..;/`,
    `${pathname}/..`,
    `${pathname}/../callback`,
    `${pathname}/./`,
    `/.${pathname}`,
    `/x/..${pathname}`,
    `/%2e%2e${pathname}`,
    `/..;${pathname}`,
    `/..%2f${pathname}`,
    `%2f${pathname.slice(1)}`,
    `\\${pathname.slice(1)}`,
    pathname.toUpperCase(),
    pathname.replace("c", "%63"),
    pathname.replace("a", "а"),
    `${pathname}\u200b`,
    `${pathname}\ufeff`,
    `/*`,
    `${pathname}*`,
    `*`,
  ];
  const schemes = [
    other,
    protocol.toUpperCase(),
    ` ${protocol}`,
    `\t${protocol}`,
    `java\nscript:${protocol}`,
    "javascript:",
    "data:",
    "ftp:",
    "custom:",
    "",
    "//",
  ];
  const lists = [`${uri},${uri}`, `${uri} ${uri}`, `${uri}%20${uri}`, `[${uri}]`, `"${uri}"`, `${uri}|x`];
  return [
    ...hosts.map((item) => `${protocol}//${item}${pathname}`),
    ...paths.map((item) => `${base}${item}`),
    ...schemes.map((item) => `${item}//${host}${pathname}`),
    ...hosts.slice(0, 30).map((item) => `${protocol}//${item}`),
    ...hosts.slice(0, 20).map((item) => `${protocol}/${item}${pathname}`),
    ...hosts.slice(0, 10).map((item) => `${protocol}\\\\${item}${pathname}`),
    ...lists,
    `${uri}\0`,
    encodeURIComponent(uri),
    encodeURI(`${uri}%`),
    uri.repeat(100),
  ];
}

/** T09; Keycloak CVE-2023-6291, -6927, CVE-2024-1132, -8883, CVE-2026-3872, -7504; workers-oauth-provider CVE-2025-4143. */
for (const engine of engines) {
  describe(`redirect addresses on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const [assistant] = config["clients"] as Record<string, unknown>[];
        Object.assign(assistant ?? {}, {
          redirectUris: [HTTPS, LOOPBACK, "http://localhost:3999/auth/callback"],
        });
      });
      person = await signUp(server.url);
    });
    after(() => server?.close());

    for (const registered of [HTTPS, LOOPBACK])
      it(`takes ${registered} and none of the addresses that look like it`, async () => {
        const strings = [...new Set(corpus(registered))].filter((uri) => uri !== registered);
        assert.ok(strings.length >= 150, String(strings.length));
        const accepted = await openAuthorize(server.url, person.agent, {
          ...honest(),
          redirect_uri: registered,
        });
        assert.ok(accepted.address.startsWith(`${registered}?code=`), accepted.address);
        const cookie = person.agent.cookies(`${server.url}authorize`);
        const answers = strings.map(async (uri) => {
          const query = new URLSearchParams({ ...honest(), redirect_uri: uri });
          const response = await fetch(`${server.url}authorize?${query}`, {
            headers: { cookie },
            redirect: "manual",
          });
          const { status, headers } = response;
          assert.deepEqual([status, headers.get("location")], [400, null], JSON.stringify(uri));
        });
        await Promise.all(answers);
      });

    it("answers a wrong address alike in every response mode, with an error of its own page", async () => {
      for (const mode of [
        "query",
        "fragment",
        "form_post",
        "jwt",
        "query.jwt",
        "form_post.jwt",
        "web_message",
        "x",
      ])
        for (const broken of [{}, { response_type: "token" }, { scope: "" }, { code_challenge: "" }]) {
          const page = await openAuthorize(server.url, person.agent, {
            ...honest(),
            ...broken,
            redirect_uri: "https://evil.example/",
            response_mode: mode,
          });
          assert.equal(page.status, 400, mode);
          assert.ok(!page.text.includes("evil.example"), mode);
        }
    });

    it("refuses a wrong address at the pushed endpoint too", async () => {
      for (const uri of corpus(HTTPS)
        .filter((uri) => uri !== HTTPS)
        .slice(0, 60)) {
        const { status } = await post(`${server.url}oauth/par`, {
          ...honest(),
          ...CREDENTIALS,
          redirect_uri: uri,
        });
        assert.equal(status, 400, uri);
      }
    });

    it("refuses a code at the token endpoint for any address but the one it was asked for", async () => {
      for (const uri of [LOOPBACK, `${HTTPS}/`, `${HTTPS}?`, "", "https://evil.example/"]) {
        const page = await openAuthorize(server.url, person.agent, { ...honest(), redirect_uri: HTTPS });
        const { status, body } = await post(`${server.url}oauth/token`, {
          grant_type: "authorization_code",
          code: new URL(page.address).searchParams.get("code") ?? "",
          code_verifier: VERIFIER,
          ...CREDENTIALS,
          redirect_uri: uri,
        });
        assert.equal(status, 400, uri);
        assert.ok(["invalid_grant", "invalid_request"].includes(body["error"] ?? ""), uri);
      }
    });

    it("goes nowhere after a logout but to an address that was registered for it", async () => {
      for (const uri of [
        HTTPS,
        "https://evil.example/",
        "http://localhost:3999.evil.example",
        "javascript:alert(1)",
      ]) {
        const id_token_hint = (await logIn(server.url, person.agent)).id_token ?? "";
        const client = { client_id: "assistant" };
        const registered: [string, string] = ["returnTo", APP_URL];
        for (const address of [
          `oidc/logout?${new URLSearchParams({ ...client, post_logout_redirect_uri: uri })}`,
          `oidc/logout?${new URLSearchParams({ id_token_hint, post_logout_redirect_uri: uri })}`,
          `v2/logout?${new URLSearchParams({ ...client, returnTo: uri })}`,
          `v2/logout?${new URLSearchParams([...Object.entries(client), registered, ["returnTo", uri]])}`,
        ]) {
          const page = await person.agent.open(`${server.url}${address}`, {
            stopAt: (it) => !it.startsWith(server.url),
          });
          assert.equal(page.status, 400, address);
        }
      }
    });
  });
}
