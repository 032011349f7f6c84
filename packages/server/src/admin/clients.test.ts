import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sql } from "kysely";
import { z } from "zod";
import { type ClientMetadata, clientMetadataSchema } from "../config.ts";
import { selfSigned } from "../http/testing.ts";
import { testEngines } from "../storage/testing.ts";
import { type AdminSetup, ISSUER, openAdmin } from "./testing.ts";
import { snakeCase } from "./wire.ts";

const { cert: CERTIFICATE } = await selfSigned({ subject: "CN=app" });
for (const engine of testEngines())
  describe(`clients of the administrator's API on ${engine.name}`, () => {
    let setup: AdminSetup;
    beforeEach(async () => {
      setup = await openAdmin(engine.open);
    });
    afterEach(() => setup.storage.close());

    const create = (body: object) => setup.call("POST", "/clients", { body });
    const eventsOf = async (action: string) => (await setup.audit.list({ action })).events;

    const agent = { owner: "Sales", purpose: "Plans", connections: { calendar: { scopes: ["read"] } } };

    describe("creating", () => {
      it("answers with the client and, once, its secret of 256 bits", async () => {
        const { status, body } = await create({
          name: "Planner",
          redirect_uris: ["https://app.example/cb"],
          grant_types: ["authorization_code", "refresh_token", "token_vault"],
          apis: { "https://shop.example/": { scopes: ["buy"] } },
          agent,
        });
        assert.equal(status, 201);
        assert.match(body.client_secret, /^[A-Za-z0-9_-]{43}$/);
        const { client_secret: _, ...client } = body;
        assert.deepEqual(client, {
          id: client.id,
          source: "runtime",
          confidential: true,
          name: "Planner",
          redirect_uris: ["https://app.example/cb"],
          post_logout_redirect_uris: [],
          web_origins: [],
          tls_client_certificate_bound_access_tokens: false,
          backchannel_logout_format: "form",
          grant_types: ["authorization_code", "refresh_token", "token_vault"],
          apis: { "https://shop.example/": { scopes: ["buy"] } },
          first_party: false,
          organizations: "none",
          id_token_algorithm: "RS256",
          agent,
          disabled_at: null,
          created_at: "2026-01-01T00:00:00.000Z",
        });
        assert.deepEqual((await setup.call("GET", `/clients/${client.id}`)).body, client);
      });

      it("makes a client that the OAuth slice finds and whose secret it takes", async () => {
        const { body } = await create({ name: "Planner" });
        const client = await setup.clients.find(body.id);
        assert.ok(client);
        assert.equal(setup.clients.matchesSecret(client, body.client_secret), true);
        assert.equal(setup.clients.matchesSecret(client, `${body.client_secret.slice(0, -1)}_`), false);
      });

      it("keeps the secret nowhere: not in the database, not in the audit, not in a list", async () => {
        const { body } = await create({ name: "Planner" });
        const { rows } = await sql`select * from clients`.execute(setup.storage.db());
        const places = [
          rows,
          (await setup.audit.list({})).events,
          (await setup.call("GET", "/clients")).body,
        ];
        for (const place of places) assert.ok(!JSON.stringify(place).includes(body.client_secret));
      });

      it("makes a public client without a secret", async () => {
        const { body } = await create({ name: "Web app", confidential: false });
        assert.equal(body.confidential, false);
        assert.ok(!("client_secret" in body));
        assert.equal((await setup.clients.find(body.id))?.confidential, false);
      });

      it("records who made it", async () => {
        const { body } = await create({ name: "Planner" });
        const [event] = await eventsOf("admin.client_created");
        assert.deepEqual(
          [event?.object_id, event?.actor_id, event?.details],
          [body.id, setup.root.id, { name: "Planner", confidential: true }],
        );
      });

      const malformed: [string, object][] = [
        ["no name", {}],
        ["an empty name", { name: "" }],
        ["an id of its own", { name: "A", id: "mine" }],
        ["a secret of its own", { name: "A", client_secret: "x".repeat(43) }],
        ["an unknown grant", { name: "A", grant_types: ["password"] }],
        ["an unknown member of the agent policy", { name: "A", agent: { ...agent, admin: true } }],
        ["51 redirect addresses", { name: "A", redirect_uris: Array(51).fill("https://a.example/") }],
        ["configuration spelling", { name: "A", redirectUris: [] }],
        ["an array of scopes in place of an API", { name: "A", apis: { "https://shop.example/": ["buy"] } }],
      ];
      for (const [name, body] of malformed)
        it(`refuses ${name}`, async () => {
          const answer = await create(body);
          assert.deepEqual([answer.status, answer.body.code], [400, "request.invalid"]);
          assert.ok(answer.body.problems.length > 0);
        });

      const invalid: [string, object, string][] = [
        [
          "a redirect address that is not https",
          { redirect_uris: ["http://app.example/"] },
          'redirect_uris: "http://app.example/" must be https, or http on loopback, without fragment',
        ],
        [
          "a logout address with a script",
          { post_logout_redirect_uris: ["javascript:alert(1)"] },
          'post_logout_redirect_uris: "javascript:alert(1)" must be https, or http on loopback, without fragment',
        ],
        [
          "an API that does not exist",
          { apis: { "https://none.example/": { scopes: [] } } },
          'apis: no api has the audience "https://none.example/"',
        ],
        [
          "a scope the API does not have",
          { apis: { [`${ISSUER}admin/`]: { scopes: ["root"] } } },
          `apis.${ISSUER}admin/: the api has no scope "root"`,
        ],
        [
          "a connection that does not exist",
          { agent: { ...agent, connections: { mail: { scopes: [] } } } },
          'agent.connections: there is no connection "mail"',
        ],
        [
          "keys in two places",
          {
            jwks: { keys: [{ kty: "EC", crv: "P-256", x: "AA", y: "AA" }] },
            jwks_uri: "https://app.example/jwks",
          },
          "jwks_uri: a client has jwks or jwksUri, not both",
        ],
        [
          "a public client that wants a token of its own",
          { confidential: false, grant_types: ["client_credentials"] },
          "a client without secret or keys may use authorization_code, refresh_token, device_code, passkey, mfa only",
        ],
      ];
      for (const [name, body, problem] of invalid)
        it(`refuses ${name}`, async () => {
          const answer = await create({ name: "A", ...body });
          assert.deepEqual([answer.status, answer.body.code], [400, "admin.client_invalid"]);
          assert.deepEqual(answer.body.problems, [problem]);
          assert.equal((await eventsOf("admin.client_created")).length, 0);
        });
    });

    describe("listing", () => {
      it("gives configured clients first, then those made at run time, in pages, each once", async () => {
        const made = [];
        for (const name of ["A", "B", "C"]) made.push((await create({ name })).body.id);
        for (const limit of [1, 2, 3, 5, 50]) {
          const seen: string[] = [];
          let page = "";
          for (;;) {
            const { body } = await setup.call("GET", `/clients?limit=${limit}${page}`);
            assert.ok(body.clients.length <= limit);
            seen.push(...body.clients.map((client: { id: string }) => client.id));
            if (body.next_page_token === null) break;
            page = `&page_token=${encodeURIComponent(body.next_page_token)}`;
          }
          assert.deepEqual(seen, ["assistant", "console", ...made], `pages of ${limit}`);
        }
      });

      it("shows no secret and no hash of one", async () => {
        await create({ name: "A" });
        const text = JSON.stringify((await setup.call("GET", "/clients")).body);
        assert.ok(!/secret|hash|ssss/.test(text), text);
      });
    });

    describe("getting one", () => {
      it("answers with a configured client and where it comes from", async () => {
        const { body } = await setup.call("GET", "/clients/assistant");
        assert.deepEqual([body.source, body.confidential, body.created_at], ["configuration", true, null]);
      });

      it("answers 404 for an unknown id", async () => {
        const { status, body } = await setup.call("GET", "/clients/none");
        assert.deepEqual([status, body.code], [404, "admin.client_unknown"]);
      });
    });

    describe("changing", () => {
      const change = (id: string, body: object) => setup.call("PATCH", `/clients/${id}`, { body });

      it("replaces the members that are given and keeps the others", async () => {
        const { id } = (await create({ name: "A", redirect_uris: ["https://a.example/"], agent })).body;
        const { status, body } = await change(id, { name: "B", first_party: true });
        assert.equal(status, 200);
        assert.deepEqual(
          [body.name, body.first_party, body.redirect_uris, body.agent],
          ["B", true, ["https://a.example/"], agent],
        );
        assert.equal((await setup.clients.find(id))?.name, "B");
        const [event] = await eventsOf("admin.client_changed");
        assert.deepEqual([event?.object_id, event?.details], [id, { members: "first_party name" }]);
      });

      /** Of each member a value that is not its default. */
      const OTHER: Record<keyof ClientMetadata, unknown> = {
        name: "Other",
        redirectUris: ["https://app.example/cb"],
        postLogoutRedirectUris: ["https://app.example/"],
        webOrigins: ["https://app.example"],
        backchannelLogoutUri: "https://app.example/logout",
        backchannelLogoutFormat: "json",
        grantTypes: ["authorization_code", "ciba"],
        apis: { "https://shop.example/": { scopes: ["buy"] } },
        organizations: "optional",
        firstParty: true,
        rotateRefreshTokens: true,
        idTokenAlgorithm: "ES256",
        jwks: { keys: [{ kty: "EC", crv: "P-256", x: "AA", y: "AA" }] },
        jwksUri: "https://app.example/jwks",
        tlsClientAuth: { by: "san_dns", value: "app.example" },
        selfSignedTlsClientAuth: { certificates: [CERTIFICATE] },
        tlsClientCertificateBoundAccessTokens: true,
        agent,
      };
      const OWN_PROOFS = ["jwks", "jwksUri", "tlsClientAuth", "selfSignedTlsClientAuth"];
      const NAMES = Object.keys(clientMetadataSchema.shape) as (keyof ClientMetadata)[];

      for (const name of NAMES)
        it(`keeps ${name} through the change of another member, and sets and shows it`, async () => {
          const wire = snakeCase(name);
          const other = name === "name" ? { first_party: true } : { name: "Changed" };
          const made = (await create({ name: "A", [wire]: OTHER[name] })).body;
          assert.deepEqual(made[wire], OTHER[name]);
          assert.deepEqual((await change(made.id, other)).body[wire], OTHER[name]);
          assert.deepEqual((await change(made.id, {})).body[wire], OTHER[name]);
          // A client proves itself in one way: what gets keys must have no secret.
          const { id } = (await create({ name: "A", confidential: !OWN_PROOFS.includes(name) })).body;
          assert.notDeepEqual((await setup.call("GET", `/clients/${id}`)).body[wire], OTHER[name]);
          const changed = await change(id, { [wire]: OTHER[name] });
          assert.deepEqual([changed.status, changed.body[wire]], [200, OTHER[name]]);
          const row = await sql<{ metadata: string }>`select metadata from clients where id = ${id}`.execute(
            setup.storage.db(),
          );
          assert.deepEqual(JSON.parse(row.rows[0]?.metadata ?? "{}")[name], OTHER[name]);
        });

      for (const name of NAMES.filter((it) => clientMetadataSchema.shape[it] instanceof z.ZodOptional))
        it(`takes ${name} away with null`, async () => {
          const { id } = (await create({ name: "A", [snakeCase(name)]: OTHER[name] })).body;
          const { status, body } = await change(id, { [snakeCase(name)]: null });
          assert.deepEqual([status, snakeCase(name) in body], [200, false]);
        });

      it("takes the agent policy away with null", async () => {
        const { id } = (await create({ name: "A", agent })).body;
        await change(id, { agent: null });
        assert.equal((await setup.clients.find(id))?.agent, undefined);
      });

      it("of a configured client is refused, because the file is the truth", async () => {
        const { status, body } = await change("assistant", { name: "Other" });
        assert.deepEqual([status, body.code], [409, "admin.read_only"]);
        assert.match(body.detail, /configuration file/);
        assert.equal((await setup.call("GET", "/clients/assistant")).body.name, "Assistant");
      });

      it("to what a new client could not have is refused and changes nothing", async () => {
        const { id } = (await create({ name: "A", confidential: false })).body;
        const { status, body } = await change(id, { name: "B", grant_types: ["ciba"] });
        assert.deepEqual([status, body.code], [400, "admin.client_invalid"]);
        assert.equal((await setup.call("GET", `/clients/${id}`)).body.name, "A");
        assert.equal((await eventsOf("admin.client_changed")).length, 0);
      });

      for (const body of [{ id: "x" }, { confidential: true }, { client_secret: "x" }, { name: null }])
        it(`refuses ${JSON.stringify(body)}`, async () => {
          const { id } = (await create({ name: "A" })).body;
          const answer = await change(id, body);
          assert.deepEqual([answer.status, answer.body.code], [400, "request.invalid"]);
        });

      it("of an unknown client answers 404", async () => {
        const { status, body } = await change("none", { name: "B" });
        assert.deepEqual([status, body.code], [404, "admin.client_unknown"]);
      });

      it("by two at once keeps both", async () => {
        const { id } = (await create({ name: "A" })).body;
        await Promise.all([change(id, { name: "B" }), change(id, { first_party: true })]);
        const { body } = await setup.call("GET", `/clients/${id}`);
        assert.deepEqual([body.name, body.first_party], ["B", true]);
      });
    });

    describe("switching off", () => {
      for (const source of ["configuration", "runtime"])
        it(`works at once for a client of the ${source}, and is undone by switching on`, async () => {
          const id = source === "runtime" ? (await create({ name: "A" })).body.id : "assistant";
          assert.equal((await setup.clients.find(id))?.disabledAt, undefined);
          const { status, body } = await setup.call("POST", `/clients/${id}/disable`);
          assert.deepEqual([status, body.disabled_at], [200, "2026-01-01T00:00:00.000Z"]);
          assert.equal((await setup.clients.find(id))?.disabledAt, setup.time.now);
          await setup.call("POST", `/clients/${id}/enable`);
          assert.equal((await setup.clients.find(id))?.disabledAt, undefined);
        });

      for (const source of ["configuration", "runtime"])
        it(`of a client of the ${source} is recorded once, however often it is asked for`, async () => {
          const id = source === "runtime" ? (await create({ name: "A" })).body.id : "assistant";
          await setup.call("POST", `/clients/${id}/enable`);
          for (let i = 0; i < 2; i++) {
            await setup.call("POST", `/clients/${id}/disable`);
            setup.time.now += 5_000;
          }
          const { body } = await setup.call("GET", `/clients/${id}`);
          assert.equal(body.disabled_at, "2026-01-01T00:00:00.000Z");
          for (let i = 0; i < 2; i++) await setup.call("POST", `/clients/${id}/enable`);
          assert.equal((await eventsOf("admin.client_disabled")).length, 1);
          assert.equal((await eventsOf("admin.client_enabled")).length, 1);
        });

      it("of an unknown client answers 404", async () => {
        for (const action of ["enable", "disable"]) {
          const { status, body } = await setup.call("POST", `/clients/none/${action}`);
          assert.deepEqual([status, body.code], [404, "admin.client_unknown"]);
        }
        assert.equal((await eventsOf("admin.client_disabled")).length, 0);
      });
    });

    describe("agents", () => {
      it("are the clients with an agent policy, of file and database", async () => {
        const { id } = (await create({ name: "Planner", agent })).body;
        await create({ name: 'No agent: "agent":{' });
        const { body } = await setup.call("GET", "/agents?limit=1");
        assert.deepEqual(
          body.agents.map((one: { id: string }) => one.id),
          ["assistant"],
        );
        const rest = await setup.call(
          "GET",
          `/agents?page_token=${encodeURIComponent(body.next_page_token)}`,
        );
        assert.deepEqual(rest.body, {
          agents: [{ id, name: "Planner", source: "runtime", ...agent, disabled_at: null }],
          next_page_token: null,
        });
      });

      it("are switched off as clients, so that nothing of them works", async () => {
        const { body } = await setup.call("POST", "/agents/assistant/disable");
        assert.equal(body.disabled_at, "2026-01-01T00:00:00.000Z");
        assert.ok((await setup.clients.find("assistant"))?.disabledAt);
        await setup.call("POST", "/agents/assistant/enable");
        assert.equal((await setup.clients.find("assistant"))?.disabledAt, undefined);
      });

      for (const id of ["console", "none"])
        it(`do not include ${id}`, async () => {
          const { status, body } = await setup.call("POST", `/agents/${id}/disable`);
          assert.deepEqual([status, body.code], [404, "admin.agent_unknown"]);
          assert.equal((await setup.clients.find("console"))?.disabledAt, undefined);
        });
    });

    it("lists connections with their scopes and without their secret", async () => {
      const { body } = await setup.call("GET", "/connections");
      assert.deepEqual(
        body.connections.map((one: { name: string; scopes: object }) => [one.name, one.scopes]),
        [["calendar", { read: "See your calendar" }]],
      );
      assert.ok(!JSON.stringify(body).includes("provider-canary"));
    });

    it("refuses to start when an id is in the file and in the database", async () => {
      await setup.admin.refuseClientsInBoth();
      await sql`insert into clients (id, metadata, created_at, updated_at) values ('assistant', '{}', 0, 0)`.execute(
        setup.storage.db(),
      );
      await assert.rejects(setup.admin.refuseClientsInBoth(), {
        name: "ConfigError",
        message: /clients: "assistant" is in the database too; give it another id in the file/,
      });
    });
  });
