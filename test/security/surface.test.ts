import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { answerNewest } from "../support/approvals.ts";
import { engines } from "../support/engines.ts";
import { authorize, type Person, relyingParty, signUp } from "../support/person.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page } from "../support/user-agent.ts";
import {
  askApproval,
  CREDENTIALS,
  codeFor,
  honest,
  isApp,
  openAuthorize,
  poll,
  post,
  rawRequest,
  redeemCode,
} from "./attack.ts";

const RACERS = 64;
const FORM = "application/x-www-form-urlencoded";

/** What is reachable, found by following the metadata and the links of the pages; then everything found is attacked. */
for (const engine of engines) {
  describe(`everything reachable on ${engine.name}`, () => {
    let server: TestServer;
    let person: Person;
    let endpoints: string[];

    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        config["login"] = { limits: { failures: 100_000, signUps: 100_000 } };
      });
      person = await signUp(server.url);
      const metadata = await (await fetch(`${server.url}.well-known/openid-configuration`)).json();
      endpoints = Object.entries(metadata)
        .filter(([name, value]) => name.endsWith("_endpoint") && String(value).startsWith(server.url))
        .map(([, value]) => String(value));
    });
    after(() => server?.close());

    /** Pages that a browser gets to by links from `start`, without leaving the server or logging out. */
    async function crawl(agent: Person["agent"], start: readonly string[]): Promise<Page[]> {
      const pages = new Map<string, Page>();
      const todo = start.map((path) => new URL(path, server.url).href);
      for (let address = todo.shift(); address && pages.size < 60; address = todo.shift()) {
        const key = new URL(address).pathname;
        if (pages.has(key)) continue;
        const page = await agent.open(address, { stopAt: (it) => !it.startsWith(server.url) });
        pages.set(key, page);
        for (const [, link = ""] of page.text.matchAll(/href="([^"]+)"/g))
          if (link.startsWith("/")) todo.push(new URL(link.replaceAll("&amp;", "&"), server.url).href);
      }
      return [...pages.values()].filter(({ status }) => status !== 0);
    }

    async function pagesOfPerson(): Promise<Page[]> {
      await askApproval(server.url, person.userId);
      const consent = (await authorize(await relyingParty(server.url, "other"), person.agent)).page;
      return [
        consent,
        ...(await crawl(person.agent, ["approvals", "accounts", "profile", "logout", "oidc/logout"])),
      ];
    }

    it("that has a form takes it from its own page in this browser alone", async (t) => {
      const own = await pagesOfPerson();
      const stranger = createUserAgent();
      const open = await crawl(stranger, ["login", "signup"]);
      const mallory = await signUp(server.url);
      const foreign = (await mallory.agent.open(`${server.url}logout`)).forms[0]?.fields["csrf"] ?? "";
      const origin = server.url.slice(0, -1);
      let forms = 0;
      for (const [agent, pages] of [
        [person.agent, own],
        [stranger, open],
      ] as const)
        for (const page of pages)
          for (const form of page.forms.filter(({ method }) => method === "post")) {
            forms += 1;
            const address = new URL(form.action || page.address, page.address).href;
            const token = ["csrf", "form_token", "xsrf"].find((name) => name in form.fields);
            assert.ok(token, `${address} has no token`);
            const send = (fields: Record<string, string>, headers: Record<string, string>) =>
              agent.fetch(address, {
                method: "POST",
                body: new URLSearchParams(fields).toString(),
                headers: { "content-type": FORM, ...headers },
              });
            const { [token]: _left, ...without } = form.fields;
            const forged: [string, Response][] = [
              ["no token", await send(without, { origin })],
              ["a token of another browser", await send({ ...form.fields, [token]: foreign }, { origin })],
            ];
            // The core's own log-out form stands on its token alone.
            if (token !== "xsrf")
              forged.push(
                ["another origin", await send(form.fields, { origin: "https://evil.example" })],
                ["another site", await send(form.fields, { "sec-fetch-site": "cross-site" })],
              );
            for (const [how, answer] of forged)
              assert.ok(
                answer.status >= 400 && answer.status < 500,
                `${address} with ${how}: ${answer.status}`,
              );
          }
      assert.ok(forms >= 6, String(forms));
      t.diagnostic(`${forms} forms`);
      assert.equal((await person.agent.fetch(`${server.url}approvals`)).status, 200, "still logged in");
    });

    it("that is a page can be framed by nobody, and loads nothing from elsewhere", async (t) => {
      const pages = [
        ...(await pagesOfPerson()),
        ...(await crawl(createUserAgent(), [
          "login",
          "signup",
          "nothing",
          "connect",
          "interaction/x",
          "login/callback",
        ])),
      ];
      for (const { address, headers, text } of pages.filter(({ headers }) =>
        headers.get("content-type")?.startsWith("text/html"),
      )) {
        const policy = headers.get("content-security-policy") ?? "";
        assert.match(policy, /frame-ancestors 'none'/, address);
        assert.match(policy, /default-src 'none'/, address);
        assert.doesNotMatch(policy, /unsafe-|https?:\/\/(?!localhost)/, address);
        assert.equal(headers.get("x-frame-options"), "DENY", address);
        assert.doesNotMatch(text, /(?:src|href|action)="(?:https?:)?\/\/(?!localhost)/, address);
      }
      t.diagnostic(`${pages.length} pages`);
    });

    it("KC CVE-2026-9689: that takes parameters takes each of them once", async (t) => {
      const known = [
        ...[
          "client_id",
          "client_secret",
          "redirect_uri",
          "response_type",
          "response_mode",
          "scope",
          "state",
          "nonce",
        ],
        ...[
          "code_challenge",
          "code_challenge_method",
          "code",
          "code_verifier",
          "grant_type",
          "refresh_token",
          "token",
        ],
        ...[
          "token_type_hint",
          "auth_req_id",
          "login_hint",
          "binding_message",
          "request",
          "request_uri",
          "prompt",
        ],
        ...[
          "max_age",
          "id_token_hint",
          "post_logout_redirect_uri",
          "acr_values",
          "audience",
          "claims",
          "ui_locales",
        ],
        ...["authorization_details", "requested_expiry", "subject_token", "connection", "logout_hint"],
      ];
      let tried = 0;
      const posts = endpoints.filter((it) => !/authorize|userinfo|logout/.test(it));
      assert.ok(posts.length >= 4, endpoints.join());
      for (const address of posts)
        for (const name of known) {
          const { status, body } = await post(address, [
            ...Object.entries(CREDENTIALS).filter(([it]) => it !== name),
            [name, "a"],
            [name, "a"],
          ]);
          assert.deepEqual([status, body["error"]], [400, "invalid_request"], `${address} ${name}`);
          tried += 1;
        }
      for (const path of ["authorize", "oidc/logout"])
        for (const name of [
          "client_id",
          "redirect_uri",
          "state",
          "nonce",
          "prompt",
          "id_token_hint",
          "post_logout_redirect_uri",
          "ui_locales",
        ]) {
          const params: [string, string][] = [
            ...Object.entries(path === "authorize" ? honest() : {}).filter(([it]) => it !== name),
            [name, "a"],
            [name, "a"],
          ];
          const response = await person.agent.fetch(`${server.url}${path}?${new URLSearchParams(params)}`);
          // RFC 6749 section 3.1: what an endpoint does not know, it ignores.
          const others =
            path === "oidc/logout" ? ["redirect_uri", "nonce", "prompt"] : ["post_logout_redirect_uri"];
          const isUnknown = others.includes(name);
          const location = response.headers.get("location") ?? "";
          assert.ok(
            isUnknown || response.status === 400 || location.includes("error=invalid_request"),
            `${path} ${name}: ${response.status}`,
          );
          tried += 1;
        }
      t.diagnostic(`${tried} cells`);
    });

    it("does nothing for a method that it has no use for", async () => {
      const paths = [
        ...endpoints.map((it) => new URL(it).pathname.slice(1)),
        "login",
        "signup",
        "logout",
        "profile",
        "approvals",
        "accounts",
        "connect",
        "interaction/x",
        "healthz",
        "oidc/logout/confirm",
      ];
      const cookie = person.agent.cookies(server.url);
      for (const path of paths)
        for (const method of ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "PROPFIND", "GETX"]) {
          const { text } = await rawRequest(
            server.url,
            `${method} /${path} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nX-Canary: canary-header\r\nConnection: close\r\n\r\n`,
          );
          const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
          assert.ok(
            status === 0 || status >= 400 || (method === "OPTIONS" && status < 300),
            `${method} ${path}: ${status}`,
          );
          assert.ok(!text.includes("canary-header"), `${method} ${path}`);
        }
      for (const path of paths) {
        const head = await person.agent.fetch(`${server.url}${path}`, { method: "HEAD" });
        assert.ok(head.status < 500, `HEAD ${path}: ${head.status}`);
      }
      assert.equal((await person.agent.fetch(`${server.url}approvals`)).status, 200, "still logged in");
    });

    it("that goes back somewhere stays here, and no line break gets into a header", async () => {
      const hostile = [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\/evil.example",
        "/..//evil.example",
        "/%5cevil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "/x\r\nx-injected: 1",
        "/x%0d%0ax-injected: 1",
        "http:evil.example",
        "///evil.example",
        "/.//evil.example",
        " //evil.example",
      ];
      for (const value of hostile)
        for (const path of ["login", "signup"]) {
          const fresh = await signUp(server.url);
          const agent = createUserAgent();
          const form = await agent.open(
            `${server.url}${path}?${new URLSearchParams({ return_to: value, returnTo: value, lang: value, ui_locales: value, client_id: value })}`,
          );
          const fields =
            path === "login"
              ? { email: fresh.email, password: "correct horse battery staple" }
              : {
                  email: `x${Math.random()}@example.com`,
                  password: "correct horse battery staple",
                  name: value,
                };
          for (const change of [{}, { return_to: value }]) {
            const page = await agent.submit(form, { ...fields, ...change } as Record<string, string>, {
              stopAt: (it) => !it.startsWith(server.url),
            });
            assert.ok(
              page.address.startsWith(server.url),
              `${path} ${JSON.stringify(value)}: ${page.address}`,
            );
            assert.equal(page.headers.get("x-injected"), null);
          }
        }
      for (const name of [
        "state",
        "scope",
        "nonce",
        "login_hint",
        "ui_locales",
        "response_mode",
        "prompt",
        "client_id",
        "post_logout_redirect_uri",
        "returnTo",
        "ticket",
        "error",
      ])
        for (const path of ["authorize", "oidc/logout", "v2/logout", "connect", "login", "login/callback"]) {
          const params = {
            ...(path === "authorize" ? honest() : {}),
            [name]: "x\r\nx-injected: 1\r\n\r\n<p>",
          };
          const response = await person.agent.fetch(`${server.url}${path}?${new URLSearchParams(params)}`);
          assert.ok(response.status < 500, `${path} ${name}: ${response.status}`);
          assert.equal(response.headers.get("x-injected"), null, `${path} ${name}`);
        }
    });

    describe("and is for one use", () => {
      const race = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: RACERS }, work));

      it("better-auth CVE-2026-53517, FastMCP GHSA-78c8-3jhx-5mg7, Apache CXF CVE-2026-50631: a code has one winner of 64", async () => {
        const code = await codeFor(server.url, person.agent);
        const answers = await race(() => redeemCode(server.url, code));
        assert.ok(
          answers.filter(({ status }) => status === 200).length === 1,
          answers.map(({ status }) => status).join(),
        );
      });

      it("a pushed request has at most one winner of 64", async () => {
        const { body } = await post(`${server.url}oauth/par`, { ...honest(), ...CREDENTIALS });
        const request_uri = body["request_uri"] ?? "";
        const answers = await race(() =>
          openAuthorize(server.url, person.agent, { client_id: "assistant", request_uri }),
        );
        assert.equal(answers.filter(({ address }) => address.includes("code=")).length, 1);
      });

      it("an approved request has one winner of 64", async () => {
        const one = await signUp(server.url);
        const id = (await askApproval(server.url, one.userId)).body["auth_req_id"] ?? "";
        await answerNewest(server.url, one, "approve");
        const answers = await race(() => poll(server.url, id));
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      });

      it("an answer to an approval counts once of 64, and stays what it was", async () => {
        const one = await signUp(server.url);
        const id = (await askApproval(server.url, one.userId)).body["auth_req_id"] ?? "";
        const inbox = await one.agent.open(`${server.url}approvals`);
        const page = await one.agent.open(
          new URL(/href="(\/approvals\/apr_[^"]+)"/.exec(inbox.text)?.[1] ?? "", server.url).href,
        );
        await race(async () => one.agent.submit(page, { decision: "deny" }));
        await one.agent.submit(page, { decision: "approve" });
        assert.equal((await poll(server.url, id)).body["error"], "access_denied");
      });

      it("a consent brings one code of 64", async () => {
        const one = await signUp(server.url);
        const consent = (await authorize(await relyingParty(server.url, "other"), one.agent)).page;
        const answers = await race(() => one.agent.submit(consent, { decision: "allow" }, { stopAt: isApp }));
        const codes = new Set(
          answers.map(({ address }) => new URL(address).searchParams.get("code")).filter(Boolean),
        );
        assert.ok(codes.size >= 1, "somebody wins");
        assert.ok(codes.size <= 1, `${codes.size} codes`);
      });
    });
  });
}
