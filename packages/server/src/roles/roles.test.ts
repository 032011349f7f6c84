import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type AdminSetup, adminTestConfig, openAdmin } from "../admin/testing.ts";
import { ConfigError } from "../config.ts";
import { testEngines } from "../storage/testing.ts";

const SHOP = "https://shop.example/";
const configured = () => ({
  ...adminTestConfig(),
  roles: [{ name: "clerk", description: "", permissions: { [SHOP]: ["buy"] } }],
});

for (const engine of testEngines())
  describe(`roles of the administrator's API on ${engine.name}`, () => {
    let setup: AdminSetup;
    beforeEach(async () => {
      setup = await openAdmin(engine.open, configured());
    });
    afterEach(() => setup.storage.close());

    it("are those of the file, which stay as they are, and those made at run time", async () => {
      await setup.call("POST", "/roles", { body: { name: "buyer", permissions: { [SHOP]: ["buy"] } } });
      const { body } = await setup.call("GET", "/roles");
      assert.deepEqual(
        body.roles.map((role: { name: string; source: string }) => [role.name, role.source]),
        [
          ["clerk", "configuration"],
          ["buyer", "runtime"],
        ],
      );
    });

    it("refuse what does not exist, what is taken and what the file declares", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      const cases: [string, string, unknown, number, string][] = [
        ["GET", "/roles/x", undefined, 404, "role.unknown"],
        ["PATCH", "/roles/x", { description: "" }, 404, "role.unknown"],
        ["DELETE", "/roles/x", undefined, 404, "role.unknown"],
        ["PATCH", "/roles/clerk", { description: "" }, 409, "role.read_only"],
        ["DELETE", "/roles/clerk", undefined, 409, "role.read_only"],
        ["POST", "/roles", { name: "clerk" }, 409, "role.name_taken"],
        ["POST", "/roles", { name: "Upper" }, 400, "request.invalid"],
        ["POST", "/roles", { name: "x", permissions: { [SHOP]: ["sell"] } }, 400, "role.permission_unknown"],
        ["POST", "/roles", { name: "x", permissions: { "https://x/": [] } }, 400, "role.permission_unknown"],
        ["PUT", `/users/${user.id}/roles`, { roles: ["x"] }, 404, "role.unknown"],
        ["PUT", "/users/usr_x/roles", { roles: [] }, 404, "role.user_unknown"],
        ["PATCH", "/users/usr_x/metadata", {}, 404, "role.user_unknown"],
        ["PATCH", `/users/${user.id}/metadata`, { metadata: {} }, 400, "request.invalid"],
        [
          "PATCH",
          `/users/${user.id}/metadata`,
          { app_metadata: { a: "x".repeat(20_000) } },
          400,
          "request.invalid",
        ],
      ];
      for (const [method, path, body, status, code] of cases) {
        const answer = await setup.call(method, path, body === undefined ? {} : { body });
        assert.deepEqual([answer.status, answer.body.code], [status, code], `${method} ${path}`);
      }
    });

    it("permit what they say, to whom they are given", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      await setup.call("PUT", `/users/${user.id}/roles`, { body: { roles: ["clerk"] } });
      assert.deepEqual([...(await setup.roles.permissionsOf(user.id, undefined, SHOP))], ["buy"]);
      assert.deepEqual([...(await setup.roles.permissionsOf(setup.root.id, undefined, SHOP))], []);
      await setup.call("PUT", `/users/${user.id}/roles`, { body: { roles: [] } });
      assert.deepEqual([...(await setup.roles.permissionsOf(user.id, undefined, SHOP))], []);
    });

    it("keep a name in the file from being one in the database too", async () => {
      await assert.doesNotReject(setup.roles.refuseRolesInBoth());
      await setup.storage
        .db<{ roles: object }>()
        .insertInto("roles")
        .values({ name: "clerk", description: "", permissions: "{}", created_at: 0, updated_at: 0 })
        .execute();
      await assert.rejects(setup.roles.refuseRolesInBoth(), ConfigError);
    });

    it("metadata: members are replaced one by one, null takes one away, and nobody else's change", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      const path = `/users/${user.id}/metadata`;
      await setup.call("PATCH", path, {
        body: { app_metadata: { a: 1, b: [2] }, user_metadata: { c: "x" } },
      });
      const { body } = await setup.call("PATCH", path, { body: { app_metadata: { a: null, d: true } } });
      assert.deepEqual(body, { app_metadata: { b: [2], d: true }, user_metadata: { c: "x" } });
      assert.deepEqual(await setup.roles.metadataOf(setup.root.id), { app: {}, user: {} });
    });
  });
