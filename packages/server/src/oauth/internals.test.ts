import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { Provider } from "oidc-provider";
import { grantTools, issueIdToken, revokeGrant, stockCibaGrant } from "./internals.ts";

/** What oauth/ relies on past the documented surface of the core. A new version that changes it fails here. */
describe("the seam to oidc-provider", () => {
  it("is written for exactly the installed version", () => {
    const require = createRequire(import.meta.url);
    const { version } = JSON.parse(readFileSync(require.resolve("oidc-provider/package.json"), "utf8"));
    assert.equal(version, "9.13.3");
  });

  it("finds each helper that grants use", () => {
    for (const name of [
      "validateDpop",
      "checkDpopRequired",
      "checkDpopReplay",
      "validateGrant",
      "findAccount",
      "buildTokenResponse",
    ] as const)
      assert.equal(typeof grantTools[name], "function", name);
    assert.equal(typeof issueIdToken, "function");
    assert.equal(typeof revokeGrant, "function");
  });

  it("finds the stock grant for polls", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    assert.equal(typeof stockCibaGrant(provider), "function");
  });

  it("finds the comparison of client secrets where it is replaced", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    const method = Object.getOwnPropertyDescriptor(provider.Client.prototype, "compareClientSecret");
    assert.equal(typeof method?.value, "function");
  });

  it("builds token answers in the specification's members", () => {
    const provider = new Provider("http://localhost/", { features: { devInteractions: { enabled: false } } });
    const answer = grantTools.buildTokenResponse(provider, {
      accessToken: "a",
      tokenType: "Bearer",
      scope: "x",
    });
    assert.deepEqual(answer, { access_token: "a", token_type: "Bearer", scope: "x" });
  });
});
