import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, parseConfig } from "./config.ts";

const AUDIENCE = "https://shop.example/";

function problemsOf(change: { claims?: object; idToken?: object; roles?: unknown[] }): readonly string[] {
  const value = {
    issuer: "http://localhost:4000/",
    storage: "sqlite::memory:",
    rootKey: { env: "ROOT_KEY" },
    apis: [{ audience: AUDIENCE, name: "Shop", scopes: { buy: "Buy" }, claims: change.claims ?? {} }],
    idToken: { claims: change.idToken ?? {} },
    roles: change.roles ?? [],
  };
  try {
    parseConfig(value, { env: { ROOT_KEY: "r" }, baseDir: "/" });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("claims and roles of the configuration", () => {
  it("are taken under a URI of one's own, from known sources and literals", () => {
    const claims = {
      "https://app.example/roles": "user.roles",
      "urn:example:plan": "organization.metadata.plan",
      "https://app.example/level": "user.metadata.level",
      "https://app.example/fixed": true,
      "https://app.example/text": "a literal",
    };
    assert.deepEqual(
      problemsOf({ claims, idToken: { "https://a.example/nick": "user.user_metadata.nick" } }),
      [],
    );
  });

  for (const name of ["sub", "scope", "org_id", "permissions", "roles", "https://", "https:///x"])
    it(`refuses a claim named ${name}, and says where`, () => {
      for (const change of [{ claims: { [name]: "x" } }, { idToken: { [name]: "x" } }]) {
        const [problem] = problemsOf(change);
        assert.match(problem ?? "", change.claims ? /^apis\.0\.claims/ : /^idToken\.claims/);
      }
    });

  const wrong: [string, Parameters<typeof problemsOf>[0], RegExp][] = [
    [
      "a source that does not exist",
      { claims: { "https://a.example/x": "user.password" } },
      /there is no source/,
    ],
    [
      "what users write, in an access token",
      { claims: { "https://a.example/x": "user.user_metadata.x" } },
      /users write user_metadata/,
    ],
    [
      "a member that is no member",
      { claims: { "https://a.example/x": "user.metadata.a.b" } },
      /there is no source/,
    ],
    [
      "too many",
      { claims: Object.fromEntries(Array.from({ length: 26 }, (_, i) => [`https://a.example/${i}`, 1])) },
      /at most 25/,
    ],
    ["a role twice", { roles: [{ name: "a" }, { name: "a" }] }, /roles: "a" appears twice/],
    [
      "a role for an unknown API",
      { roles: [{ name: "a", permissions: { "https://x/": [] } }] },
      /^roles\.0\.permissions: no api/,
    ],
    [
      "a role for an unknown scope",
      { roles: [{ name: "a", permissions: { [AUDIENCE]: ["sell"] } }] },
      /has no scope "sell"/,
    ],
  ];
  for (const [name, change, message] of wrong)
    it(`refuses ${name}`, () => {
      assert.match(problemsOf(change).join("\n"), message);
    });
});
