import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { protocolEngines } from "../support/engines.ts";
import { ensureInstalled } from "../support/install.ts";
import { logIn, signUp } from "../support/person.ts";
import { APP_URL, type TestServer } from "../support/server.ts";
import { buttonOf, whoIs } from "../support/social.ts";
import { createUserAgent } from "../support/user-agent.ts";
import {
  type AtProvider,
  accountToken,
  type ConnectionEntry,
  callAccounts,
  connectAccount,
  exchange,
  startVaultServer,
} from "../support/vault.ts";

const SCOPES = ["notes.read", "notes.write"];
/** A second more than better-auth is told to let its access tokens live. */
const EXPIRED_MS = 61_000;

/**
 * better-auth as a third party: an OAuth server that nobody here wrote. Its refresh tokens are used once, and
 * a second use of one ends every token of that grant.
 */
for (const engine of protocolEngines) {
  describe(`accounts at a better-auth server, on ${engine.name}`, () => {
    let notes: ThirdParty;
    let server: TestServer;
    let aheadMs = 0;

    before(async () => {
      const folder = ensureInstalled("test/third-party/better-auth");
      const env: Record<string, string> = {};
      server = await startVaultServer({
        storage: await engine.storage(),
        clock: { now: () => Date.now() + aheadMs },
        env,
        async connect(callback) {
          notes = await startThirdParty(folder, callback, `${callback}/notes-login`);
          env["NOTES_SECRET"] = notes.clientSecret;
          return [connectionTo(notes), loginAt(notes)];
        },
        policies: {
          assistant: { notes: ["openid", "profile", "email", ...SCOPES] },
          other: { notes: ["notes.read"] },
        },
      });
    });
    after(async () => {
      await server?.close();
      await notes?.stop();
    });

    /** Somebody who is logged in to the assistant and has an account at better-auth. */
    async function newcomer() {
      const person = await signUp(server.url);
      const { refresh_token: refreshToken = "" } = await logIn(server.url, person.agent);
      return { person, refreshToken, account: await notes.signUp() };
    }

    const connect = (who: Awaited<ReturnType<typeof newcomer>>, decision: "allow" | "deny" = "allow") =>
      connectAccount(server.url, who.person, who.refreshToken, {
        connection: "notes",
        scopes: SCOPES,
        atProvider: logInAndAnswer(who.account, decision),
      });

    async function connected() {
      const who = await newcomer();
      return { ...who, connected: await connect(who) };
    }

    const ask = (refreshToken: string, params: Record<string, string> = {}) =>
      exchange(server.url, refreshToken, { connection: "notes", ...params });

    const readNotes = (token = "") =>
      fetch(`${notes.url}/notes`, { headers: { authorization: `Bearer ${token}` } });

    it("are connected through its pages, and its API takes the token that comes out", async () => {
      const { refreshToken, connected: account } = await connected();
      assert.ok(
        SCOPES.every((scope) => account.scopes.includes(scope)),
        account.scopes.join(" "),
      );
      const { status, body } = await ask(refreshToken);
      assert.equal(status, 200, JSON.stringify(body));
      const answer = await readNotes(body.access_token);
      assert.equal(answer.status, 200);
      assert.deepEqual((await answer.json()).notes, ["Buy a kettle", "Call the dentist"]);
      assert.equal((await readNotes("invented")).status, 401);
    });

    it("outlive rotation: each time many find the token expired, it is refreshed once", async () => {
      const { refreshToken } = await connected();
      const before = (await notes.refreshes()).length;
      for (let round = 1; round <= 5; round++) {
        aheadMs += EXPIRED_MS;
        const answers = await Promise.all(Array.from({ length: 32 }, () => ask(refreshToken)));
        const tokens = new Set(answers.map(({ body }) => body.access_token ?? body.code));
        assert.equal(tokens.size, 1, [...tokens].join(" "));
        const refreshes = (await notes.refreshes()).slice(before);
        assert.deepEqual(refreshes, Array(round).fill(200), "no refresh token was sent twice");
      }
      assert.equal((await readNotes((await ask(refreshToken)).body.access_token)).status, 200);
    });

    // better-auth narrows the new refresh token with the access token, against RFC 6749 section 6.
    it("keep all that was granted when an agent with a smaller policy asks, and is refused", async () => {
      const { person, refreshToken } = await connected();
      const reader = await logIn(server.url, person.agent, {}, "other");
      const refused = await ask(reader.refresh_token ?? "", { client_id: "other" });
      assert.deepEqual([refused.status, refused.body.code], [403, "vault.scope_not_allowed"]);
      aheadMs += EXPIRED_MS;
      const whole = await ask(refreshToken, { scope: SCOPES.join(" ") });
      assert.equal(whole.status, 200, JSON.stringify(whole.body));
    });

    it("are the person's to mend when better-auth has forgotten them, and then work again", async () => {
      const who = await connected();
      await fetch(`${notes.url}/_test/forget-refresh-tokens`, { method: "POST" });
      aheadMs += EXPIRED_MS;
      const broken = await ask(who.refreshToken);
      assert.deepEqual([broken.status, broken.body.code], [401, "vault.account_broken"]);
      await connect(who);
      const mended = await ask(who.refreshToken);
      assert.equal(mended.status, 200, JSON.stringify(mended.body));
      assert.equal((await readNotes(mended.body.access_token)).status, 200);
    });

    it("log their owner in here, by an ID token, and find the same person the second time", async () => {
      const account = await notes.signUp();
      const users: (string | undefined)[] = [];
      for (let round = 1; round <= 2; round++) {
        const agent = createUserAgent();
        const page = await agent.open(`${server.url}login`);
        const asks = await agent.submit(page, {}, { form: buttonOf(page, "/login/connection/notes-login") });
        const { address } = await logInAndAnswer(account, "allow")(agent, asks);
        assert.ok(address.startsWith(server.url), address);
        users.push(await whoIs(server, agent));
      }
      assert.deepEqual(users, [account.email, account.email]);
    });

    it("log nobody in when the person says no there", async () => {
      const account = await notes.signUp();
      const agent = createUserAgent();
      const page = await agent.open(`${server.url}login`);
      const asks = await agent.submit(page, {}, { form: buttonOf(page, "/login/connection/notes-login") });
      const refused = await logInAndAnswer(account, "deny")(agent, asks);
      assert.equal(refused.status, 403);
      assert.match(refused.text, /was cancelled/);
      assert.equal(await whoIs(server, agent), undefined);
    });

    it("are not connected when the person says no there", async () => {
      const who = await newcomer();
      await assert.rejects(connect(who, "deny"), /error=access_denied/);
      assert.equal((await ask(who.refreshToken)).body.code, "vault.not_connected");
    });

    it("end there too when they are disconnected here", async () => {
      const { refreshToken, connected: account } = await connected();
      const released = (await ask(refreshToken)).body.access_token;
      assert.equal((await readNotes(released)).status, 200);
      const token = await accountToken(server.url, refreshToken);
      const gone = await callAccounts(server.url, token, {
        method: "DELETE",
        path: `/accounts/${account.id}`,
      });
      assert.equal(gone.status, 204);
      assert.equal((await readNotes(released)).status, 401, "better-auth has revoked the token");
      assert.equal((await ask(refreshToken)).body.code, "vault.not_connected");
      const { events } = await server.services.audit.list({ action: "vault.provider_revocation", limit: 1 });
      assert.deepEqual([events[0]?.object_id, events[0]?.outcome], [account.id, "done"]);
    });
  });
}

interface ThirdPartyAccount {
  readonly email: string;
  readonly password: string;
}

/** A better-auth server in a process of its own. */
interface ThirdParty {
  readonly url: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Somebody new who has an account there. */
  signUp(): Promise<ThirdPartyAccount>;
  /** Statuses of the refresh requests it answered, oldest first. */
  refreshes(): Promise<number[]>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

async function startThirdParty(folder: string, ...redirectUris: string[]): Promise<ThirdParty> {
  const child = spawn(process.execPath, [join(folder, "server.mjs"), ...redirectUris], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", NODE_NO_WARNINGS: "1" },
  });
  let people = 0;
  const facts = JSON.parse(await firstLine(child));
  return {
    ...facts,
    async signUp() {
      const account = { email: `person-${++people}@notes.example`, password: "correct horse battery" };
      const response = await fetch(`${facts.issuer}/sign-up/email`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: facts.url },
        body: JSON.stringify({ ...account, name: "Anne Lee" }),
      });
      if (!response.ok) throw new Error(`no account at better-auth: ${await response.text()}`);
      return account;
    },
    async refreshes() {
      const requests: { grant: string; status: number }[] = await (
        await fetch(`${facts.url}/_test/token-requests`)
      ).json();
      return requests.filter(({ grant }) => grant === "refresh_token").map(({ status }) => status);
    },
    stop: () => stop(child),
  };
}

function firstLine(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error("better-auth did not start in time"));
    }, START_TIMEOUT_MS);
    const lines = createInterface({ input: child.stdout });
    lines.once("line", (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`better-auth ended with ${code} before it was ready`));
    });
  });
}

/** It ends by itself when its input does; a stuck one is killed. */
function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin?.end();
  });
}

function connectionTo({ issuer, clientId }: ThirdParty): ConnectionEntry {
  return {
    name: "notes",
    displayName: "Notes",
    authorizationEndpoint: `${issuer}/oauth2/authorize`,
    tokenEndpoint: `${issuer}/oauth2/token`,
    revocationEndpoint: `${issuer}/oauth2/revoke`,
    userinfoEndpoint: `${issuer}/oauth2/userinfo`,
    issuer,
    clientId,
    clientSecret: { env: "NOTES_SECRET" },
    clientAuthMethod: "client_secret_basic",
    scopes: {
      openid: "Know who you are",
      profile: "See your name",
      email: "See your e-mail address",
      offline_access: "Keep this access",
      "notes.read": "Read your notes",
      "notes.write": "Write notes",
    },
    rotation: "strict",
  };
}

/** The same server as a provider of log-ins: all but the issuer is found at the issuer. */
function loginAt({ issuer, clientId }: ThirdParty): ConnectionEntry {
  return {
    name: "notes-login",
    displayName: "Notes",
    kind: "oidc",
    vault: false,
    login: true,
    issuer,
    clientId,
    clientSecret: { env: "NOTES_SECRET" },
    clientAuthMethod: "client_secret_basic",
    scopes: {},
  };
}

/** Logs in at better-auth when it asks, and answers its consent page when it shows one. */
function logInAndAnswer(account: ThirdPartyAccount, decision: "allow" | "deny"): AtProvider {
  const options = { stopAt: (address: string) => address.startsWith(APP_URL) };
  return async (agent, start) => {
    let page = start;
    const at = (path: string) => new URL(page.address).pathname === path;
    if (at("/login")) page = await agent.submit(page, { ...account }, options);
    if (at("/consent")) page = await agent.submit(page, { decision }, options);
    if (page.status === 0) throw new Error(`the app was called back at ${page.address}`);
    return page;
  };
}
