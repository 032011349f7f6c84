import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type AdminSetup, openAdmin } from "../admin/testing.ts";
import { testEngines } from "../storage/testing.ts";

for (const engine of testEngines())
  describe(`organizations of the administrator's API on ${engine.name}`, () => {
    let setup: AdminSetup;
    let id: string;
    const path = (rest = "", of = id) => `/organizations/${of}${rest}`;
    beforeEach(async () => {
      setup = await openAdmin(engine.open);
      const { body } = await setup.call("POST", "/organizations", {
        body: { name: "acme", display_name: "Acme" },
      });
      id = body.id;
    });
    afterEach(() => setup.storage.close());

    const codeOf = async (method: string, address: string, body?: unknown) => {
      const answer = await setup.call(method, address, body === undefined ? {} : { body });
      return [answer.status, answer.body?.code];
    };

    it("are found by id and by name in any case, and listed in pages", async () => {
      await setup.call("POST", "/organizations", { body: { name: "bolt" } });
      for (const name of [id, "acme", "ACME"])
        assert.equal((await setup.call("GET", path("", name))).body.id, id);
      const first = await setup.call("GET", "/organizations?limit=1");
      assert.equal(first.body.organizations[0].name, "acme");
      const second = await setup.call(
        "GET",
        `/organizations?limit=1&page_token=${first.body.next_page_token}`,
      );
      assert.deepEqual([second.body.organizations[0].name, second.body.next_page_token], ["bolt", null]);
    });

    it("refuse a token without the scope, and one of a user who is no administrator", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      const weak = await setup.call("GET", "/organizations", {
        token: await setup.token(setup.root.id, { scope: "x" }),
      });
      const plain = await setup.call("GET", "/organizations", { token: await setup.token(user.id) });
      assert.deepEqual([weak.status, plain.status, plain.body.code], [403, 403, "admin.forbidden"]);
    });

    const malformed: [string, object][] = [
      ["a name like an id", { name: "org_acme" }],
      ["a name in capitals", { name: "Acme" }],
      ["a name with spaces", { name: "a b" }],
      ["a logo from elsewhere", { name: "x", branding: { logo: "https://elsewhere.example/logo.png" } }],
      ["a logo with a script", { name: "x", branding: { logo: "data:text/html;base64,PHA+" } }],
      ["a colour that is more than a colour", { name: "x", branding: { colour: "#ffffff;x" } }],
      ["an unknown member", { name: "x", id: "org_1" }],
      [
        "metadata with too many members",
        { name: "x", metadata: Object.fromEntries(Array.from({ length: 26 }, (_, i) => [i, "x"])) },
      ],
    ];
    for (const [name, body] of malformed)
      it(`refuse ${name}`, async () => {
        assert.deepEqual(await codeOf("POST", "/organizations", body), [400, "request.invalid"]);
      });

    it("refuse what does not exist and what is taken", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      const { body: other } = await setup.call("POST", "/organizations", { body: { name: "bolt" } });
      await setup.call("POST", path("/domains", other.id), {
        body: { domain: "bolt.example", verified: true },
      });
      const cases: [string, string, unknown, number, string][] = [
        ["GET", path("", "org_unknown"), undefined, 404, "organization.unknown"],
        ["GET", path("", id.toUpperCase()), undefined, 404, "organization.unknown"],
        ["POST", "/organizations", { name: "acme" }, 409, "organization.name_taken"],
        ["DELETE", path(`/members/${user.id}`), undefined, 404, "organization.member_unknown"],
        ["PUT", path(`/members/${user.id}/roles`), { roles: [] }, 404, "organization.member_unknown"],
        ["POST", path("/members"), { members: ["usr_x"] }, 400, "organization.reference_unknown"],
        [
          "POST",
          path("/members"),
          { members: [user.id], roles: ["x"] },
          400,
          "organization.reference_unknown",
        ],
        [
          "PUT",
          path("/connections"),
          { connections: [{ connection: "x" }] },
          400,
          "organization.reference_unknown",
        ],
        ["PUT", path("/clients"), { clients: ["x"] }, 400, "organization.reference_unknown"],
        ["POST", path("/invitations"), { email: "nobody" }, 400, "organization.reference_unknown"],
        ["DELETE", path("/invitations/inv_x"), undefined, 404, "organization.invitation_unknown"],
        ["DELETE", path("/domains/bolt.example"), undefined, 404, "organization.domain_unknown"],
        [
          "POST",
          path("/domains"),
          { domain: "Bolt.example", verified: true },
          409,
          "organization.domain_taken",
        ],
        ["POST", path("/domains"), { domain: "localhost" }, 400, "request.invalid"],
      ];
      for (const [method, address, body, status, code] of cases)
        assert.deepEqual(await codeOf(method, address, body), [status, code], `${method} ${address}`);
    });

    it("have at most a hundred domains", async () => {
      for (let i = 0; i < 100; i++)
        await setup.organizations.settings.addDomain(id, { domain: `d${i}.example`, verified: true });
      assert.deepEqual(await codeOf("POST", path("/domains"), { domain: "more.example" }), [
        409,
        "organization.limit_reached",
      ]);
    });

    it("lead addresses of verified domains home, and of no others", async () => {
      await setup.call("POST", path("/domains"), {
        body: { domain: "acme.example", verified: true, connection: "calendar" },
      });
      await setup.call("POST", path("/domains"), { body: { domain: "later.example" } });
      const found = await setup.organizations.forEmailDomain("ACME.example");
      assert.deepEqual([found?.organization.id, found?.connection], [id, "calendar"]);
      for (const domain of ["later.example", "sub.acme.example", "acme.example.evil.example"])
        assert.equal(await setup.organizations.forEmailDomain(domain), undefined, domain);
      await setup.call("POST", path("/disable"));
      assert.equal(await setup.organizations.forEmailDomain("acme.example"), undefined);
    });

    it("keep members with roles, once however often they are added, and write the audit", async () => {
      const user = await setup.login.accounts.create({ email: "u@example.com" });
      await setup.call("POST", "/roles", { body: { name: "buyer" } });
      for (let i = 0; i < 2; i++)
        await setup.call("POST", path("/members"), { body: { members: [user.id], roles: ["buyer"] } });
      const { body } = await setup.call("GET", path("/members"));
      assert.deepEqual(
        body.members.map((member: { user_id: string; roles: string[] }) => [member.user_id, member.roles]),
        [[user.id, ["buyer"]]],
      );
      const { events } = await setup.audit.list({ action: "organization.member_added" });
      assert.deepEqual([events.length, events[0]?.actor_id], [1, setup.root.id]);
      assert.equal((await setup.call("DELETE", path(`/members/${user.id}`))).status, 204);
      assert.deepEqual(await setup.roles.rolesOf(user.id, id), []);
    });

    it("show an invitation's address once, and end it after seven days", async () => {
      const { body } = await setup.call("POST", path("/invitations"), { body: { email: "i@example.com" } });
      assert.match(body.invitation_url, /^http:\/\/localhost:4000\/invitations\?invitation=[\w-]{43}$/);
      const { body: list } = await setup.call("GET", path("/invitations"));
      assert.deepEqual([list.invitations.length, list.invitations[0].invitation_url], [1, undefined]);
      setup.time.now += 7 * 86_400_000;
      assert.deepEqual(await setup.organizations.invitations.list(id, { limit: 9 }), []);
    });
  });
