import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { s256 } from "../security/attack.ts";
import { launchChromium, newWindow } from "../support/chromium.ts";
import { signUp } from "../support/person.ts";
import { freePort, startTestServer, type TestServer } from "../support/server.ts";

const VERIFIER = "verifier-of-forty-three-characters-or-more-0123";

/** An app without a server of its own, as a browser runs it. */
describe("an app in the browser", () => {
  let server: TestServer;
  let app: string;
  let stranger: string;
  const pages: Server[] = [];
  let browser: Browser;

  before(async () => {
    app = await servePage();
    stranger = await servePage();
    server = await startTestServer((config) => {
      const clients = config["clients"] as Record<string, unknown>[];
      const known = { firstParty: true, redirectUris: [`${app}/callback`, `${stranger}/callback`] };
      clients.push({ id: "page", name: "Page", webOrigins: [app], ...known });
    });
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    for (const page of pages) page.close();
  });

  async function servePage(): Promise<string> {
    const port = await freePort();
    const page = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>App</title>");
    });
    pages.push(page);
    await new Promise<void>((resolve) => page.listen(port, "127.0.0.1", resolve));
    return `http://localhost:${port}`;
  }

  async function openAt(origin: string, loggedIn: boolean): Promise<Page> {
    const page = await (await newWindow(browser)).newPage();
    if (loggedIn) {
      const { agent } = await signUp(server.url);
      const cookies = agent
        .cookies(server.url)
        .split("; ")
        .map((pair) => {
          const at = pair.indexOf("=");
          return { name: pair.slice(0, at), value: pair.slice(at + 1), url: server.url };
        });
      await page.context().addCookies(cookies);
    }
    await page.goto(origin);
    return page;
  }

  /** What arrives from a hidden frame, or "nothing" within two seconds. */
  const silently = (page: Page, origin: string) =>
    page.evaluate(
      ({ address, issuer }) =>
        new Promise<Record<string, string> | string>((resolve) => {
          addEventListener("message", (event) => {
            if (event.origin === issuer) resolve(event.data.response);
          });
          const frame = document.createElement("iframe");
          frame.hidden = true;
          frame.src = address;
          document.body.append(frame);
          setTimeout(() => resolve("nothing"), 2_000);
        }),
      {
        issuer: new URL(server.url).origin,
        address: `${server.url}authorize?${new URLSearchParams({
          client_id: "page",
          response_type: "code",
          response_mode: "web_message",
          prompt: "none",
          redirect_uri: `${origin}/callback`,
          scope: "openid email",
          state: "s",
          code_challenge: s256(VERIFIER),
          code_challenge_method: "S256",
        })}`,
      },
    );

  const redeemIn = (page: Page, code: string) =>
    page.evaluate(
      async ({ address, body }) => {
        const headers = { "auth0-client": "e30=" };
        const answer = await fetch(address, {
          method: "POST",
          headers,
          body: new URLSearchParams(body),
        }).catch(() => undefined);
        return answer ? Object.keys(await answer.json()) : "kept from the page";
      },
      {
        address: `${server.url}oauth/token`,
        body: {
          grant_type: "authorization_code",
          client_id: "page",
          code,
          redirect_uri: `${app}/callback`,
          code_verifier: VERIFIER,
        },
      },
    );

  it("gets a code in a hidden frame, and its tokens from the token endpoint", async () => {
    const page = await openAt(app, true);
    const answer = await silently(page, app);
    assert.ok(typeof answer === "object" && answer["code"], JSON.stringify(answer));
    assert.equal(answer["state"], "s");
    assert.ok((await redeemIn(page, answer["code"])).includes("id_token"));
  });

  it("hears in the frame that its user must log in", async () => {
    const answer = await silently(await openAt(app, false), app);
    assert.ok(typeof answer === "object");
    assert.equal(answer["error"], "login_required");
  });

  it("gets nothing on an origin that is not registered, even for its own redirect address", async () => {
    const page = await openAt(stranger, true);
    assert.equal(await silently(page, stranger), "nothing");
    assert.equal(await silently(page, app), "nothing", "another origin's frame");
    assert.equal(await redeemIn(page, "x"), "kept from the page");
  });

  const preflight = (path: string, origin: string) =>
    fetch(`${server.url}${path}`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "dpop" },
    });

  for (const path of ["oauth/token", "oauth/revoke", "oauth/par", "userinfo"])
    it(`is named in the answer of /${path}, and no other origin is`, async () => {
      const allowed = await preflight(path, app);
      assert.equal(allowed.status, 204);
      assert.equal(allowed.headers.get("access-control-allow-origin"), app);
      assert.match(allowed.headers.get("access-control-allow-headers") ?? "", /Auth0-Client.*DPoP/);
      assert.equal(allowed.headers.get("access-control-allow-credentials"), null);
      for (const origin of [stranger, "null", `${app}.evil.example`]) {
        const refused = await preflight(path, origin);
        assert.equal(refused.headers.get("access-control-allow-origin"), null, origin);
      }
    });

  it("is named for its own client alone", async () => {
    const ask = (clientId: string, origin: string) =>
      fetch(`${server.url}oauth/token`, {
        method: "POST",
        headers: { origin },
        body: new URLSearchParams({ grant_type: "authorization_code", client_id: clientId, code: "x" }),
      });
    const own = await ask("page", app);
    assert.equal(own.headers.get("access-control-allow-origin"), app);
    assert.match(
      own.headers.get("access-control-expose-headers") ?? "",
      /DPoP-Nonce.*Retry-After.*WWW-Authenticate/,
    );
    for (const [client, origin] of [
      ["spa", app],
      ["page", stranger],
      ["nobody", app],
    ] as const)
      assert.equal((await ask(client, origin)).headers.get("access-control-allow-origin"), null, client);
  });

  it("reads keys and metadata from anywhere", async () => {
    for (const path of [".well-known/jwks.json", ".well-known/openid-configuration"]) {
      const answer = await fetch(`${server.url}${path}`, { headers: { origin: stranger } });
      assert.ok(["*", stranger].includes(answer.headers.get("access-control-allow-origin") ?? ""), path);
    }
  });
});
