import assert from "node:assert/strict";
import { test } from "node:test";
import { exportJWK, generateKeyPair, jwtVerify } from "jose";
import { createBehalf } from "./behalf.ts";
import { createMemoryStore } from "./store.ts";
import {
  asAnne,
  behalfOf,
  CLIENT_SECRET,
  DISCOVERY,
  discovery,
  manualClock,
  startPeer,
  TOKEN,
} from "./testing.ts";

test("a client with a private key proves itself by a short-lived assertion, a new one each time", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: { body: {} } });
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  for (const key of [privateKey, await exportJWK(privateKey)]) {
    const { runtime } = createBehalf({
      issuer: peer.issuer,
      clientId: "agent",
      privateKey: key,
      storeKey: CLIENT_SECRET,
      store: createMemoryStore(),
    });
    await runtime.oauth.token({ grant_type: "client_credentials" });
  }
  const ids = new Set<unknown>();
  for (const { form } of peer.to(TOKEN)) {
    assert.equal(form.has("client_secret"), false);
    assert.equal(form.get("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    const assertion = form.get("client_assertion") ?? "";
    const { payload } = await jwtVerify(assertion, publicKey, {
      issuer: "agent",
      subject: "agent",
      audience: peer.issuer,
    });
    assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
    ids.add(payload.jti);
  }
  assert.equal(ids.size, 2);
});

test("discovery is believed for an hour and then asked for again", async (t) => {
  const peer = await startPeer(t);
  const clock = manualClock();
  const { oauth } = behalfOf(peer, { clock }).runtime;
  await oauth.metadata();
  clock.advance(3599);
  await oauth.metadata();
  assert.equal(peer.to(DISCOVERY).length, 1);
  clock.advance(2);
  await oauth.metadata();
  assert.equal(peer.to(DISCOVERY).length, 2);
});

test("discovery that lacks an endpoint, or is none, is refused", async (t) => {
  const peer = await startPeer(t);
  const { token_endpoint: _, ...lacking } = discovery(peer.issuer);
  const answers = [
    { body: lacking },
    { body: { ...discovery(peer.issuer), jwks_uri: "not a url" } },
    { status: 404, body: {} },
    { body: "<html>" },
  ];
  for (const answer of answers) {
    peer.answer(DISCOVERY, answer);
    await assert.rejects(behalfOf(peer).runtime.oauth.metadata(), { code: "server.bad_answer" });
  }
});

test("secrets are sent to no other place when the server redirects", async (t) => {
  const elsewhere = await startPeer(t, { "/steal": { body: {} } });
  const peer = await startPeer(t);
  for (const status of [301, 302, 303, 307, 308]) {
    peer.answer(TOKEN, { status, headers: { location: `${elsewhere.issuer}steal` }, body: {} });
    await assert.rejects(behalfOf(peer).runtime.oauth.token({ grant_type: "x" }), {
      code: "server.bad_answer",
    });
  }
  assert.equal(elsewhere.requests.length, 0);
});

test("a form can not replace this client's own credentials", async (t) => {
  const peer = await startPeer(t, { [TOKEN]: { body: {} } });
  await behalfOf(peer).runtime.oauth.token({ grant_type: "x", client_id: "other", client_secret: "y" });
  const form = peer.to(TOKEN)[0]?.form;
  assert.deepEqual(form?.getAll("client_id"), ["agent"]);
  assert.deepEqual(form?.getAll("client_secret"), [CLIENT_SECRET]);
});

test("what the server does not offer is an error of its own, and no address is guessed", async (t) => {
  const peer = await startPeer(t);
  const {
    backchannel_authentication_endpoint: _approvals,
    device_authorization_endpoint: _devices,
    ...less
  } = discovery(peer.issuer);
  peer.answer(DISCOVERY, { body: less });
  const behalf = behalfOf(peer);
  let ran = false;
  const tool = () => (ran = true);
  const options = { toolName: "buy", scopes: ["orders:create"] };
  const cases: [ReturnType<typeof behalf.withDeviceAuthorization>, RegExp][] = [
    [
      behalf.withAsyncAuthorization({ ...options, bindingMessage: "Buy" }, tool),
      /no asynchronous authorization/,
    ],
    [behalf.withDeviceAuthorization(options, tool), /no device authorization/],
  ];
  for (const [guarded, message] of cases) {
    const call = asAnne(() => guarded(null, { toolCallId: "call-1" }));
    await assert.rejects(call, { code: "oauth.unsupported", retryable: false, message });
  }
  assert.equal(ran, false);
  assert.deepEqual(
    peer.requests.map(({ path }) => path),
    [DISCOVERY],
  );
});
