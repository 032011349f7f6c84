import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { logIn, type Person, signUp } from "../support/person.ts";
import { APP_URL, type TestServer } from "../support/server.ts";
import { accountToken, callAccounts, startVaultServer } from "../support/vault.ts";
import { CREDENTIALS, honest, openAuthorize, post, s256, VERIFIER } from "./attack.ts";
import { type Hostile, hostileTo, kinds } from "./redirect-corpus.ts";

const HTTPS = "https://app.example/callback";
const LOOPBACK = "http://127.0.0.1:3999/callback";
const LOGGED_OUT = "https://app.example/goodbye/all";
/** What a program on the person's machine registers: no port (RFC 8252 section 7.3). */
const NATIVE = ["http://127.0.0.1/callback", "http://localhost/callback", "http://[::1]/callback"];
const UNKNOWN_MODES = ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "web_message", "x", ""];
const AT_ONCE = 16;

const opaque = { name: "calendar", displayName: "Calendar", clientId: "behalf", clientAuthMethod: "none" };
const CONNECTION = {
  ...opaque,
  authorizationEndpoint: "https://provider.example/authorize",
  tokenEndpoint: "https://provider.example:8443/token",
  userinfoEndpoint: "https://provider.example:8443/userinfo",
  scopes: { read: "See your events" },
};

/**
 * T09. Addresses are compared in memory, before anything is stored, so one engine stands for all.
 * "To the app" means a redirect, or the form that a browser posts by itself.
 */
describe("redirect addresses", () => {
  let server: TestServer;
  let person: Person;
  let cookie: string;

  before(async () => {
    server = await startVaultServer({
      connect: () => [CONNECTION],
      policies: { assistant: { calendar: ["read"] } },
      change: (config) => {
        const [assistant, , spa] = config["clients"] as Record<string, unknown>[];
        const redirectUris = [HTTPS, LOOPBACK, `${APP_URL}/auth/callback`];
        const webOrigins = redirectUris.map((uri) => new URL(uri).origin);
        Object.assign(assistant ?? {}, { redirectUris, webOrigins, postLogoutRedirectUris: [LOGGED_OUT] });
        Object.assign(spa ?? {}, { redirectUris: NATIVE, firstParty: true });
      },
    });
    person = await signUp(server.url);
    cookie = person.agent.cookies(`${server.url}authorize`);
  });
  after(() => server?.close());

  /** All of `items`, a few at a time: connections are used again. */
  async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const left = items.values();
    const lane = async () => {
      for (const item of left) await work(item);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }

  const ask = (params: Record<string, string> | [string, string][]) =>
    fetch(`${server.url}authorize?${new URLSearchParams(params)}`, {
      headers: { cookie },
      redirect: "manual",
    });

  /** The request is refused here, by a page of ours that leads nowhere. */
  async function assertRefused(response: Response, what: string): Promise<void> {
    assert.deepEqual([response.status, response.headers.get("location")], [400, null], what);
    const page = await response.text();
    assert.ok(!/<form|<script|http-equiv|evil\.example/i.test(page), what);
  }

  const label = (mode: string, { kind, uri }: Hostile) => `${mode}, ${kind}: ${JSON.stringify(uri)}`;

  async function announcedModes(): Promise<string[]> {
    const metadata = await fetch(`${server.url}.well-known/openid-configuration`);
    return (await metadata.json()).response_modes_supported;
  }

  it("KC CVE-2023-6291, KC CVE-2023-6927, KC CVE-2024-1132, KC CVE-2026-3872, KC CVE-2026-7504: none that looks like a registered one is taken, in no response mode", async (t) => {
    const corpus = hostileTo(HTTPS);
    assert.ok(corpus.length >= 300, String(corpus.length));
    for (const kind of kinds) assert.ok(corpus.filter((it) => it.kind === kind).length >= 4, kind);
    const modes = [...new Set([...(await announcedModes()), ...UNKNOWN_MODES])];
    assert.ok(
      ["query", "fragment", "form_post"].every((mode) => modes.includes(mode)),
      modes.join(),
    );
    const all = process.env["BEHALF_DEEP"] === "1";
    for (const [i, mode] of modes.entries()) {
      // The modes that do not exist are tried on every fourth address, each on other ones; in a deep run on all.
      const chosen = all || !UNKNOWN_MODES.includes(mode) ? corpus : corpus.filter((_, n) => n % 4 === i % 4);
      await each(chosen, async (hostile) => {
        const response = await ask({ ...honest(), redirect_uri: hostile.uri, response_mode: mode });
        await assertRefused(response, label(mode, hostile));
      });
    }
    t.diagnostic(`${corpus.length} addresses, ${modes.length} response modes: 0 accepted`);
  });

  it("are taken exactly as they are registered, in every response mode there is", async () => {
    for (const uri of [HTTPS, LOOPBACK])
      for (const mode of await announcedModes()) {
        const response = await ask({ ...honest(), redirect_uri: uri, response_mode: mode });
        const page = await response.text();
        // The answer is a page that tells the origin of the address alone.
        if (mode === "web_message") assert.ok(page.includes(new URL(uri).origin), page);
        else if (mode === "form_post") assert.ok(page.includes(`action="${uri}"`), page);
        else assert.ok(response.headers.get("location")?.startsWith(uri), `${mode} ${response.status}`);
      }
  });

  it("KC CVE-2024-8883: a loopback one is no way out either", async () => {
    for (const mode of ["query", "form_post"])
      await each(hostileTo(LOOPBACK), async (hostile) =>
        assertRefused(
          await ask({ ...honest(), redirect_uri: hostile.uri, response_mode: mode }),
          label(mode, hostile),
        ),
      );
  });

  it("are refused whatever else is wrong with the request, with a page that does not repeat them", async () => {
    for (const mode of [...(await announcedModes()), ...UNKNOWN_MODES])
      for (const broken of [
        { response_type: "token" },
        { scope: "" },
        { code_challenge: "" },
        { prompt: "x" },
      ]) {
        const params = { ...honest(), ...broken, redirect_uri: "https://evil.example/", response_mode: mode };
        await assertRefused(await ask(params as Record<string, string>), mode);
      }
  });

  it("come once: with a second one beside it, or under another name, nothing leaves", async () => {
    const evil = "https://evil.example/";
    for (const pair of [
      [HTTPS, evil],
      [evil, HTTPS],
      [HTTPS, HTTPS],
      [HTTPS, ""],
    ]) {
      const rest = Object.entries({ ...honest(), redirect_uri: "" }).filter(
        ([name]) => name !== "redirect_uri",
      );
      const twice = pair.map((uri): [string, string] => ["redirect_uri", uri]);
      await assertRefused(await ask([...rest, ...twice]), pair.join());
    }
    for (const name of [
      "redirect_uri[]",
      "redirect_uri[0]",
      "REDIRECT_URI",
      "redirectUri",
      "redirect_uri ",
      "amp;redirect_uri",
    ]) {
      const response = await ask({ ...honest(), redirect_uri: HTTPS, [name]: evil });
      assert.ok(response.headers.get("location")?.startsWith(`${HTTPS}?code=`), name);
    }
    for (const glue of [";", "%26", "\n", "%00&x=", "|"]) {
      const query = `${new URLSearchParams({ ...honest(), redirect_uri: HTTPS })}${glue}redirect_uri=${evil}`;
      const target = (
        await fetch(`${server.url}authorize?${query}`, { headers: { cookie }, redirect: "manual" })
      ).headers.get("location");
      assert.ok(!target?.includes("evil.example/"), `${glue}: ${target}`);
    }
  });

  it("are checked at the pushed endpoint too", async () => {
    await each(hostileTo(HTTPS), async (hostile) => {
      const { status, body } = await post(`${server.url}oauth/par`, {
        ...honest(),
        ...CREDENTIALS,
        redirect_uri: hostile.uri,
      });
      assert.deepEqual([status, body["request_uri"]], [400, undefined], label("par", hostile));
    });
    const pushed = await post(`${server.url}oauth/par`, { ...honest(), ...CREDENTIALS, redirect_uri: HTTPS });
    assert.equal(pushed.status, 201);
    // What was pushed counts, not what stands beside it.
    const request_uri = pushed.body["request_uri"] ?? "";
    const response = await ask({
      client_id: "assistant",
      request_uri,
      redirect_uri: "https://evil.example/",
    });
    assert.doesNotMatch(response.headers.get("location") ?? "", /evil/);
  });

  it("workers-oauth-provider CVE-2025-4143: are checked at the token endpoint again, against the one of the request", async () => {
    const page = await openAuthorize(server.url, person.agent, { ...honest(), redirect_uri: HTTPS });
    const code = new URL(page.address).searchParams.get("code") ?? "";
    const redeem = (redirect_uri: string) =>
      post(`${server.url}oauth/token`, {
        grant_type: "authorization_code",
        code,
        code_verifier: VERIFIER,
        ...CREDENTIALS,
        redirect_uri,
      });
    const others = [LOOPBACK, "", `${APP_URL}/auth/callback`].map((uri) => ({ kind: "registered", uri }));
    await each([...hostileTo(HTTPS), ...others], async (hostile) => {
      const { status, body } = await redeem(hostile.uri);
      assert.equal(status, 400, label("token", hostile));
      assert.match(body["error"] ?? "", /^invalid_(grant|request)$/, label("token", hostile));
    });
    assert.equal((await redeem(HTTPS)).status, 200);
  });

  it("after a logout are registered for it, at both addresses, with a hint and without", async () => {
    const { agent } = await signUp(server.url);
    const id_token_hint = (await logIn(server.url, agent)).id_token ?? "";
    const hostile = [...hostileTo(LOGGED_OUT), { kind: "registered for log-in", uri: HTTPS }];
    const ways = (uri: string) => [
      `oidc/logout?${new URLSearchParams({ client_id: "assistant", post_logout_redirect_uri: uri })}`,
      `oidc/logout?${new URLSearchParams({ id_token_hint, post_logout_redirect_uri: uri })}`,
      `v2/logout?${new URLSearchParams({ client_id: "assistant", returnTo: uri })}`,
      `v2/logout?${new URLSearchParams([
        ["client_id", "assistant"],
        ["returnTo", LOGGED_OUT],
        ["returnTo", uri],
      ])}`,
    ];
    await each(hostile, async ({ kind, uri }) => {
      for (const [i, path] of ways(uri).entries()) {
        const response = await agent.fetch(`${server.url}${path}`);
        await assertRefused(response, `logout ${i}, ${kind}: ${JSON.stringify(uri)}`);
      }
    });
    const accepted = await agent.fetch(`${server.url}${ways(LOGGED_OUT)[1]}`);
    assert.deepEqual([accepted.status, accepted.headers.get("location")], [303, LOGGED_OUT]);
  });

  it("that nobody stands for are forgotten when a log-out asks first", async () => {
    const { agent } = await signUp(server.url);
    await each(hostileTo(LOGGED_OUT), async (hostile) => {
      for (const path of ["oidc/logout?post_logout_redirect_uri=", "v2/logout?returnTo="]) {
        const response = await agent.fetch(`${server.url}${path}${encodeURIComponent(hostile.uri)}`);
        assert.equal(response.status, 200, label(path, hostile));
        assert.equal(
          /form-action ([^;]*)/.exec(response.headers.get("content-security-policy") ?? "")?.[1],
          "'self'",
        );
        assert.ok(!(await response.text()).includes("evil.example"), label(path, hostile));
      }
    });
  });

  it("better-auth GHSA-86j7-9j95-vpqj: are checked before an account is connected", async () => {
    const owner = await signUp(server.url);
    const token = await accountToken(server.url, (await logIn(server.url, owner.agent)).refresh_token ?? "");
    const start = (redirect_uri: string) =>
      callAccounts(server.url, token, {
        path: "/connect",
        body: {
          connection: "calendar",
          redirect_uri,
          code_challenge: s256(VERIFIER),
          code_challenge_method: "S256",
        },
      });
    await each([...hostileTo(HTTPS), { kind: "empty", uri: "" }], async (hostile) => {
      const response = await start(hostile.uri);
      const body = await response.json();
      assert.ok([400, 403].includes(response.status), `${response.status} ${label("connect", hostile)}`);
      assert.equal(body.connect_uri, undefined);
    });
    assert.equal((await start(HTTPS)).status, 201);
  });

  describe("of a program on the person's machine", () => {
    const open = (redirect_uri: string) => ask({ ...honest(), client_id: "spa", redirect_uri });

    it("are taken with any port, and the code is for that very address", async () => {
      for (const registered of NATIVE)
        for (const port of ["", ":1", ":4711", ":65535"]) {
          const uri = registered.replace("/callback", `${port}/callback`);
          const target = (await open(uri)).headers.get("location") ?? "";
          assert.ok(target.startsWith(`${uri}?code=`), `${uri}: ${target}`);
          const code = new URL(target).searchParams.get("code") ?? "";
          const redeem = (redirect_uri: string) =>
            post(`${server.url}oauth/token`, {
              grant_type: "authorization_code",
              code,
              code_verifier: VERIFIER,
              client_id: "spa",
              redirect_uri,
            });
          const other = registered.replace("/callback", ":4712/callback");
          assert.equal((await redeem(other)).body["error"], "invalid_grant", uri);
          assert.equal((await redeem(uri)).status, 200, uri);
        }
    });

    it("are taken with nothing else changed", async (t) => {
      const free = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:[1-9]\d{0,4})?\/callback$/;
      const isFree = (uri: string) => free.test(uri) && URL.canParse(uri);
      const corpus = NATIVE.flatMap((registered) => hostileTo(registered)).filter(({ uri }) => !isFree(uri));
      await each(corpus, async (hostile) => assertRefused(await open(hostile.uri), label("native", hostile)));
      t.diagnostic(`${corpus.length} addresses: 0 accepted`);
    });

    it("keep their port for a client with a secret", async () => {
      for (const port of ["", ":1", ":4711"])
        await assertRefused(
          await ask({ ...honest(), redirect_uri: `http://127.0.0.1${port}/callback` }),
          port,
        );
    });
  });
});
