import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type RunningShop, startShop } from "@behalf/sandbox";
import { answerNewest, answerWhenAsked } from "../../support/approvals.ts";
import { type Host, startHost } from "../../support/host.ts";
import { ensureInstalled } from "../../support/install.ts";
import { logIn, type Person, signUp } from "../../support/person.ts";
import { TEST_SECRET, type TestServer } from "../../support/server.ts";
import { makeCertificates, type TestCertificates } from "../../support/tls.ts";
import {
  accountToken,
  allowCalendar,
  type CalendarProvider,
  callAccounts,
  connectAccount,
  startCalendar,
  startVaultServer,
} from "../../support/vault.ts";

const KETTLE = { item: "kettle", quantity: 1, amount: "39.90", currency: "EUR" };

/** Somebody who is logged in to the agent's host. */
interface User {
  readonly person: Person;
  readonly session: Record<string, string>;
}

/**
 * `@auth0/ai-vercel` 4.1.0 and `@auth0/ai` 5.1.1 as published, in a process of their own, against this server
 * over TLS. They are pointed at it by AUTH0_DOMAIN alone.
 */
describe("the published Auth0 packages for the AI SDK", () => {
  let certificates: TestCertificates;
  let calendar: CalendarProvider;
  let server: TestServer;
  let shop: RunningShop;
  let host: Host;

  before(async () => {
    const folder = ensureInstalled("test/conformance/auth0/ai-vercel");
    certificates = await makeCertificates();
    certificates.trust();
    const env: Record<string, string> = {};
    server = await startVaultServer({
      tls: { certFile: certificates.certFile, keyFile: certificates.keyFile },
      env,
      async connect(callback) {
        calendar = await startCalendar(callback);
        Object.assign(env, calendar.env);
        return [calendar.connection];
      },
      policies: { assistant: { calendar: ["calendar.read", "calendar.write", "email"] } },
    });
    shop = await startShop({ issuer: server.url });
    host = startHost(join(folder, "driver.cjs"), {
      AUTH0_DOMAIN: new URL(server.url).host,
      AUTH0_CLIENT_ID: "assistant",
      AUTH0_CLIENT_SECRET: TEST_SECRET,
      NODE_EXTRA_CA_CERTS: certificates.caFile,
      CALENDAR_URL: calendar.provider.url,
      SHOP_URL: shop.url,
    });
  });
  after(async () => {
    await host?.stop();
    await shop?.close();
    await server?.close();
    await calendar?.provider.close();
    certificates?.remove();
  });

  async function newcomer(): Promise<User> {
    const person = await signUp(server.url);
    const tokens = await logIn(server.url, person.agent);
    return { person, session: { userId: person.userId, refreshToken: tokens.refresh_token ?? "" } };
  }

  const connect = (user: User, scopes: readonly string[], account?: string) =>
    connectAccount(server.url, user.person, user.session["refreshToken"] ?? "", {
      connection: "calendar",
      scopes,
      atProvider: allowCalendar(account),
    });

  let threads = 0;
  const newThread = () => `thread-${++threads}`;

  const call = (
    user: User,
    tool: string,
    at: { threadID?: string; toolCallId?: string; input?: object } = {},
  ) =>
    host.ask("call", {
      session: user.session,
      threadID: at.threadID ?? newThread(),
      tool,
      toolCallId: at.toolCallId ?? "call-1",
      input: at.input ?? {},
    });

  describe("withTokenVault", () => {
    it("interrupts a tool whose user has not connected the account, and runs it after that", async () => {
      const user = await newcomer();
      const threadID = newThread();
      const { interrupt } = await call(user, "readCalendar", { threadID });
      assert.deepEqual(interrupt.kinds, ["TokenVaultInterrupt"]);
      assert.deepEqual(
        [interrupt.code, interrupt.connection, interrupt.scopes, interrupt.requiredScopes],
        ["TOKEN_VAULT_ERROR", "calendar", ["calendar.read"], ["calendar.read"]],
      );
      await connect(user, interrupt.requiredScopes);
      const { value } = await call(user, "readCalendar", { threadID });
      assert.equal(value.account, "anne.lee@calendar.example");
      assert.ok(value.events.length > 0);
    });

    it("names the scope that is missing, and writes once it was granted too", async () => {
      const user = await newcomer();
      await connect(user, ["calendar.read"]);
      const threadID = newThread();
      const input = { title: "Tea", start: "2030-01-01T10:00:00Z", end: "2030-01-01T11:00:00Z" };
      const { interrupt } = await call(user, "addEvent", { threadID, input });
      assert.deepEqual(interrupt.kinds, ["TokenVaultInterrupt"]);
      assert.ok(interrupt.requiredScopes.includes("calendar.write"), interrupt.requiredScopes.join(" "));
      await connect(user, interrupt.requiredScopes);
      const { value } = await call(user, "addEvent", { threadID, input });
      assert.equal(value.title, "Tea", JSON.stringify(value));
    });

    it("picks the account that the login hint names", async () => {
      const user = await newcomer();
      await connect(user, ["calendar.read"], "acc_personal");
      await connect(user, ["calendar.read"], "acc_work");
      const hinted = { ...user, session: { ...user.session, loginHint: "acc_work" } };
      const { value } = await call(hinted, "readCalendar");
      assert.equal(value.account, "anne.lee@work.example");
      const { interrupt } = await call(user, "readCalendar");
      assert.deepEqual(interrupt.kinds, ["TokenVaultInterrupt"], "without a hint nothing is guessed");
    });

    it("gives one user nothing of another's", async () => {
      const owner = await newcomer();
      await connect(owner, ["calendar.read"]);
      const { interrupt } = await call(await newcomer(), "readCalendar");
      assert.deepEqual(interrupt.kinds, ["TokenVaultInterrupt"]);
    });

    it("interrupts again once the account was disconnected", async () => {
      const user = await newcomer();
      const account = await connect(user, ["calendar.read"]);
      const threadID = newThread();
      assert.ok((await call(user, "readCalendar", { threadID })).value);
      const token = await accountToken(server.url, user.session["refreshToken"] ?? "");
      await callAccounts(server.url, token, { method: "DELETE", path: `/accounts/${account.id}` });
      // The packages keep the token for the thread; the provider has it revoked by now.
      const { interrupt } = await call(user, "readCalendar", { threadID });
      assert.deepEqual(interrupt.kinds, ["TokenVaultInterrupt"]);
      const fresh = await call(user, "readCalendar");
      assert.deepEqual(fresh.interrupt.kinds, ["TokenVaultInterrupt"]);
    });

    it("carries an interrupt through a chat and resumes the same call", async () => {
      const user = await newcomer();
      const chat = { session: user.session, threadID: newThread(), tool: "readCalendar", input: {} };
      const question = { id: "m1", role: "user", parts: [{ type: "text", text: "What is on today?" }] };
      const first = await host.ask("chat", { ...chat, messages: [question] });
      const failure = first.parts.findLast((part: StreamPart) => part.type === "error");
      const prefix = "AUTH0_AI_INTERRUPTION:";
      assert.ok(failure?.errorText?.startsWith(prefix), JSON.stringify(first.parts));
      const interrupt = JSON.parse(failure.errorText.slice(prefix.length));
      assert.deepEqual([interrupt.code, interrupt.toolCall.name], ["TOKEN_VAULT_ERROR", "readCalendar"]);
      await connect(user, interrupt.requiredScopes);
      // What the packages' React hook sends when the window with the consent was closed.
      const output = { continueInterruption: true, toolName: "readCalendar" };
      const part = {
        type: "tool-readCalendar",
        toolCallId: "call_1",
        state: "output-available",
        input: {},
        output,
      };
      const messages = [question, { id: "m2", role: "assistant", parts: [part] }];
      const second = await host.ask("chat", { ...chat, messages });
      const text = second.parts.map((item: StreamPart) => item.delta ?? "").join("");
      assert.match(text, /anne\.lee@calendar\.example/, JSON.stringify(second.parts));
    });
  });

  describe("withAsyncAuthorization", () => {
    const order = (user: User, tool: string, threadID: string) =>
      call(user, tool, { threadID, input: KETTLE });

    it("interrupts while the person is asked, and acts with the approved details after that", async () => {
      const user = await newcomer();
      const threadID = newThread();
      const { interrupt } = await order(user, "placeOrder", threadID);
      assert.deepEqual(interrupt.kinds, ["AuthorizationPendingInterrupt"]);
      assert.deepEqual([interrupt.request.interval, interrupt.request.expiresIn], [5, 300]);
      const { asked } = await answerNewest(server.url, user.person, "approve");
      assert.match(asked.text, /kettle/);
      assert.match(asked.text, /39\.90/);
      const { value } = await order(user, "placeOrder", threadID);
      assert.equal(value.status, 201, JSON.stringify(value));
      const claims = JSON.parse(Buffer.from(value.accessToken.split(".")[1], "base64url").toString());
      assert.deepEqual(claims.authorization_details, [{ type: "purchase", ...KETTLE }]);
      assert.equal(claims.sub, user.person.userId);
      assert.deepEqual(
        shop
          .orders()
          .map(({ item, quantity }) => [item, quantity])
          .at(-1),
        ["kettle", 1],
      );
    });

    it("goes on being pending, and asks the person once, however often the call is resumed", async () => {
      const user = await newcomer();
      const threadID = newThread();
      const kinds = [];
      for (let run = 0; run < 3; run++)
        kinds.push((await order(user, "placeOrder", threadID)).interrupt.kinds[0]);
      assert.equal(kinds[0], "AuthorizationPendingInterrupt");
      // Polled before the interval was over, as a host that re-runs its tools does.
      assert.deepEqual(kinds.slice(1), ["AuthorizationPollingInterrupt", "AuthorizationPollingInterrupt"]);
      const inbox = await user.person.agent.open(`${server.url}approvals`);
      const requests = new Set(inbox.text.match(/\/approvals\/apr_[a-z0-9]+/g));
      assert.equal(requests.size, 1);
      await answerNewest(server.url, user.person, "approve");
      assert.equal((await order(user, "placeOrder", threadID)).value.status, 201);
    });

    it("returns the refusal as the result when the person said no", async () => {
      const user = await newcomer();
      const threadID = newThread();
      await order(user, "placeOrder", threadID);
      const before = shop.orders().length;
      await answerNewest(server.url, user.person, "deny");
      const { returned } = await order(user, "placeOrder", threadID);
      assert.deepEqual(returned.kinds, ["AccessDeniedInterrupt"]);
      assert.equal(shop.orders().length, before);
    });

    it("calls onUnauthorized when the person said no", async () => {
      const user = await newcomer();
      const threadID = newThread();
      await order(user, "placeOrderOrTell", threadID);
      await answerNewest(server.url, user.person, "deny");
      const { value } = await order(user, "placeOrderOrTell", threadID);
      assert.equal(value.refusedWith, "ASYNC_AUTHORIZATION_ACCESS_DENIED");
    });

    it("asks anew when nobody answered in time", async () => {
      const user = await newcomer();
      const threadID = newThread();
      const { interrupt } = await order(user, "placeOrderSoon", threadID);
      assert.equal(interrupt.request.expiresIn, 1);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      const again = await order(user, "placeOrderSoon", threadID);
      assert.deepEqual(again.interrupt.kinds, ["AuthorizationPendingInterrupt"]);
      assert.notEqual(again.interrupt.request.id, interrupt.request.id);
    });

    it("does not take a fault of the request for a person without a device", async () => {
      const nobody = { ...(await newcomer()), session: { userId: "usr_nobody", refreshToken: "none" } };
      const { value } = await order(nobody, "placeOrderOrTell", newThread());
      assert.equal(value.refusedWith, "unknown_user_id", JSON.stringify(value));
    });

    it("waits in the tool in block mode until the person approves", async () => {
      const user = await newcomer();
      const [{ value }] = await Promise.all([
        order(user, "placeOrderWaiting", newThread()),
        answerWhenAsked(server.url, user.person, "approve"),
      ]);
      assert.equal(value.status, 201, JSON.stringify(value));
    });

    it("ends the wait with the refusal in block mode, after telling the host what it waits for", async () => {
      const user = await newcomer();
      const seen = host.notices.length;
      const [{ returned }] = await Promise.all([
        order(user, "placeOrderNotifying", newThread()),
        answerWhenAsked(server.url, user.person, "deny"),
      ]);
      assert.deepEqual(returned.kinds, ["AccessDeniedInterrupt"]);
      assert.deepEqual(host.notices.slice(seen), [{ id: "string", interval: 5 }]);
    });
  });
});

interface StreamPart {
  readonly type: string;
  readonly errorText?: string;
  readonly delta?: string;
}
