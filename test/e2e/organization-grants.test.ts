import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { reveal } from "../../packages/server/src/lib/secret.ts";
import { decode, post } from "../security/attack.ts";
import { engines } from "../support/engines.ts";
import { authorize, type Person, redeem, relyingParty, signUp } from "../support/person.ts";
import { APP_URL, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";

const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";

for (const engine of engines)
  describe(`grants of a client that acts for organizations alone, on ${engine.name}`, () => {
    let server: TestServer;
    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const clients = config["clients"] as Record<string, unknown>[];
        const shared = { secret: { env: "SECRET" }, grantTypes: ["device_code", "refresh_token", "ciba"] };
        clients.push(
          { ...shared, id: "business", name: "Business", organizations: "required" },
          { ...shared, id: "either", name: "Either", organizations: "optional" },
          { ...shared, id: "neither", name: "Neither" },
        );
      });
    });
    after(() => server?.close());

    let made = 0;
    async function makeOrganization(...people: Person[]) {
      const { manage, members } = server.services.organizations;
      const name = `grants-${++made}`;
      const organization = await manage.create({
        name,
        display_name: `Acme ${made}`,
        branding: {},
        metadata: {},
      });
      if (people.length > 0)
        await members.add(
          organization.id,
          people.map(({ userId }) => userId),
          [],
        );
      return organization;
    }

    const secretOf = (id: string) => ({ client_id: id, client_secret: TEST_SECRET });
    const start = (id: string, more: Record<string, string> = {}) =>
      post(`${server.url}oauth/device/code`, { ...secretOf(id), scope: "openid offline_access", ...more });
    const enter = async ({ agent }: Person, code = "") =>
      agent.submit(await agent.open(`${server.url}device`), { user_code: code });
    const poll = (id: string, code = "") =>
      post(`${server.url}oauth/token`, { ...secretOf(id), grant_type: DEVICE, device_code: code });

    it("a device is logged in for the organization that it names, and a refresh keeps it", async () => {
      const person = await signUp(server.url);
      const [first] = [await makeOrganization(person), await makeOrganization(person)];
      const { body } = await start("business", { organization: first.name });
      const page = await enter(person, body["user_code"]);
      assert.ok(page.text.includes(first.display_name));
      await person.agent.submit(page, { decision: "allow" });
      const tokens = await poll("business", body["device_code"]);
      assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
      assert.equal(decode(tokens.body["id_token"] ?? "").claims["org_id"], first.id);
      const again = await post(`${server.url}oauth/token`, {
        ...secretOf("business"),
        grant_type: "refresh_token",
        refresh_token: tokens.body["refresh_token"] ?? "",
      });
      assert.equal(decode(again.body["id_token"] ?? "").claims["org_id"], first.id);
    });

    it("a device that names none is logged in for the only one of the person", async () => {
      const person = await signUp(server.url);
      const only = await makeOrganization(person);
      const { body } = await start("business");
      await person.agent.submit(await enter(person, body["user_code"]), { decision: "allow" });
      const tokens = await poll("business", body["device_code"]);
      assert.equal(decode(tokens.body["id_token"] ?? "").claims["org_id"], only.id);
    });

    const strangers: [string, (person: Person) => Promise<Record<string, string>>][] = [
      ["of none", async () => ({})],
      [
        "of several, and none is named",
        async (person) => {
          await makeOrganization(person);
          await makeOrganization(person);
          return {};
        },
      ],
      [
        "of another than is named",
        async (person) => {
          await makeOrganization(person);
          return { organization: (await makeOrganization()).name };
        },
      ],
      ["of one that is named and does not exist", async () => ({ organization: "no-such-one" })],
      [
        "of one that takes other log-ins alone",
        async (person) => {
          const { id, name } = await makeOrganization(person);
          await server.services.organizations.settings.setConnections(id, [
            { connection: "passkey", auto_membership: false },
          ]);
          return { organization: name };
        },
      ],
      [
        "of one that is switched off",
        async (person) => {
          const { id, name } = await makeOrganization(person);
          await server.services.organizations.manage.setDisabled(id, true);
          return { organization: name };
        },
      ],
    ];
    for (const [whose, prepare] of strangers)
      it(`a device is not logged in by a member ${whose}`, async () => {
        const person = await signUp(server.url);
        const { body } = await start("business", await prepare(person));
        const page = await enter(person, body["user_code"]);
        assert.deepEqual([page.status, page.text.includes("No access")], [403, true]);
        assert.equal((await poll("business", body["device_code"])).body["error"], "authorization_pending");
      });

    it("a device is not logged in by who left between page and answer", async () => {
      const person = await signUp(server.url);
      const { id } = await makeOrganization(person);
      const { body } = await start("business");
      const page = await enter(person, body["user_code"]);
      await server.services.organizations.members.remove(id, person.userId);
      assert.equal((await person.agent.submit(page, { decision: "allow" })).status, 400);
      assert.equal((await poll("business", body["device_code"])).body["error"], "authorization_pending");
    });

    it("a device of a client for which organizations are optional acts for none unless it names one", async () => {
      const person = await signUp(server.url);
      await makeOrganization(person);
      const { body } = await start("either");
      await person.agent.submit(await enter(person, body["user_code"]), { decision: "allow" });
      const tokens = await poll("either", body["device_code"]);
      assert.equal(decode(tokens.body["id_token"] ?? "").claims["org_id"], undefined);
    });

    it("a device of a client without organizations may name none", async () => {
      const { body } = await start("neither", { organization: (await makeOrganization()).name });
      assert.equal(body["error"], "invalid_request");
    });

    it("an approval is not asked for: the tokens would name no organization", async () => {
      const person = await signUp(server.url);
      const { name } = await makeOrganization(person);
      const ask = async (id: string, more: Record<string, string>) => {
        const { body } = await post(`${server.url}bc-authorize`, {
          ...secretOf(id),
          scope: "openid",
          binding_message: "Test",
          login_hint: JSON.stringify({ format: "iss_sub", iss: server.url, sub: person.userId }),
          ...more,
        });
        return body["error"];
      };
      assert.equal(await ask("business", {}), "unauthorized_client");
      for (const id of ["business", "either", "neither"])
        assert.equal(await ask(id, { organization: name }), "unauthorized_client", id);
      assert.equal(await ask("either", {}), undefined);
    });

    it("a refresh token from before the client was one for organizations alone brings nothing more", async () => {
      const person = await signUp(server.url);
      const { admin } = server.services;
      const { client, clientSecret } = await admin.clients.create(
        {
          ...(await admin.clients.get("assistant")).metadata,
          grantTypes: ["authorization_code", "refresh_token"],
          redirectUris: [`${APP_URL}/auth/callback`],
          agent: undefined,
        },
        true,
      );
      const secret = clientSecret ? reveal(clientSecret) : "";
      const party = await relyingParty(server.url, client.id, secret);
      const { page, verifier } = await authorize(party, person.agent);
      const tokens = await redeem(party, page.address, verifier);
      const refresh = () =>
        post(`${server.url}oauth/token`, {
          grant_type: "refresh_token",
          client_id: client.id,
          client_secret: secret,
          refresh_token: tokens.refresh_token ?? "",
        });
      assert.equal((await refresh()).status, 200);
      await admin.clients.change(client.id, { organizations: "required" });
      const refused = await refresh();
      assert.deepEqual([refused.status, refused.body["error"]], [400, "invalid_grant"]);
    });
  });
