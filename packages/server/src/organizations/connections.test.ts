import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionsOf } from "./connections.ts";

describe("what a log-in was proven by, in the words of an organization", () => {
  const cases: readonly [methods: readonly string[], connections: readonly string[]][] = [
    [["password"], ["password"]],
    [["passkey"], ["passkey"]],
    [["email-code"], ["code"]],
    [["sms-code"], ["code"]],
    [["connection:google-oauth2"], ["google-oauth2"]],
    [
      ["password", "passkey"],
      ["password", "passkey"],
    ],
    [[], []],
  ];
  for (const [methods, connections] of cases)
    it(`takes ${methods.join(" and ") || "nothing"} for ${connections.join(" and ") || "nothing"}`, () =>
      assert.deepEqual(connectionsOf(methods), connections));

  for (const second of ["totp", "recovery-code"])
    it(`takes ${second} for no connection, least of all for a code by e-mail`, () =>
      assert.deepEqual(connectionsOf(["password", second]), ["password"]));

  it("takes a method for no connection that only begins with its name", () =>
    assert.deepEqual(connectionsOf(["passwords", "connections:x", "password "]), []));
});
