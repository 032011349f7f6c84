import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { resolveConfig } from "./config.ts";
import { createMemoryStore } from "./store.ts";
import { CLIENT_SECRET } from "./testing.ts";

const store = createMemoryStore();
const complete = { issuer: "https://auth.example/", clientId: "agent", clientSecret: CLIENT_SECRET, store };
const nothing = {};

test("configuration comes from the environment where no option is given", () => {
  const config = resolveConfig(
    { store },
    {
      BEHALF_ISSUER: "https://auth.example/",
      BEHALF_CLIENT_ID: "agent",
      BEHALF_CLIENT_SECRET: CLIENT_SECRET,
      BEHALF_FGA_URL: "https://fga.example",
      BEHALF_FGA_STORE_ID: "store-1",
    },
  );
  assert.equal(config.issuer, "https://auth.example/");
  assert.equal(config.clientId, "agent");
  assert.deepEqual(config.clientAuth, { method: "client_secret_post", clientSecret: CLIENT_SECRET });
  assert.deepEqual(config.fga, {
    url: "https://fga.example",
    audience: "https://fga.example",
    storeId: "store-1",
  });
});

test("an option wins over the environment", () => {
  const config = resolveConfig(complete, {
    BEHALF_ISSUER: "https://other.example/",
    BEHALF_CLIENT_ID: "other",
  });
  assert.equal(config.issuer, "https://auth.example/");
  assert.equal(config.clientId, "agent");
});

test("relations are checked at the server itself unless told otherwise", () => {
  assert.equal(resolveConfig(complete, nothing).fga.url, "https://auth.example/");
});

test("everything that is missing is named in one error, with the variable to set", () => {
  const incomplete = { store: undefined } as unknown as typeof complete; // what a caller without types may pass
  assert.throws(() => resolveConfig(incomplete, nothing), {
    code: "config.invalid",
    message: [
      "Behalf is not configured:",
      "- issuer is missing: pass it or set BEHALF_ISSUER",
      "- clientId is missing: pass it or set BEHALF_CLIENT_ID",
      "- clientSecret is missing: pass it or set BEHALF_CLIENT_SECRET",
      "- store is missing: pass createSqliteStore({ path }) or createMemoryStore()",
    ].join("\n"),
  });
});

test("an issuer that is no https URL ending in a slash is refused", () => {
  const cases: [issuer: string, message: RegExp][] = [
    ["auth.example", /issuer is not a URL/],
    ["https://auth.example", /issuer must end in "\/"/],
    ["http://auth.example/", /issuer must be https, or http on loopback/],
    ["http://127.0.0.1.example/", /issuer must be https, or http on loopback/],
    ["http://localhost.example/", /issuer must be https, or http on loopback/],
    ["https://auth.example/?a=/", /issuer must have no query/],
    ["https://user@auth.example/", /issuer must have no query/],
  ];
  for (const [issuer, message] of cases) {
    assert.throws(() => resolveConfig({ ...complete, issuer }, nothing), { code: "config.invalid", message });
  }
});

test("an issuer on loopback may be http", () => {
  for (const issuer of ["http://localhost:3000/", "http://127.0.0.1:3000/", "http://[::1]:3000/"]) {
    assert.equal(resolveConfig({ ...complete, issuer }, nothing).issuer, issuer);
  }
});

test("an FGA URL that is not https is refused", () => {
  assert.throws(() => resolveConfig({ ...complete, fga: { url: "http://fga.example" } }, nothing), {
    message: /fga.url must be https, or http on loopback \(BEHALF_FGA_URL\)/,
  });
});

test("a store key that could be guessed is refused", () => {
  for (const storeKey of ["short", [CLIENT_SECRET, "short"]]) {
    assert.throws(() => resolveConfig({ ...complete, storeKey }, nothing), {
      message: /storeKey is too short/,
    });
  }
});

test("a private key needs a store key, since there is no secret to derive it from", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { clientSecret: _, ...withoutSecret } = complete;
  assert.throws(() => resolveConfig({ ...withoutSecret, privateKey }, nothing), {
    message: /storeKey is missing/,
  });
  const config = resolveConfig({ ...withoutSecret, privateKey, storeKey: CLIENT_SECRET }, nothing);
  assert.deepEqual(config.clientAuth, { method: "private_key_jwt", key: privateKey, alg: "ES256" });
});
