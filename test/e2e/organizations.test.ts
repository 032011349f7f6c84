import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { decodeJwt } from "jose";
import { engines } from "../support/engines.ts";
import {
  authorize,
  logIn,
  PASSWORD,
  type Person,
  redeem,
  relyingParty,
  signUp,
  tokenRequest,
} from "../support/person.ts";
import { APP_URL, SHOP, startTestServer, TEST_SECRET, type TestServer } from "../support/server.ts";
import { createUserAgent, type Page } from "../support/user-agent.ts";

const toApp = { stopAt: (target: string) => target.startsWith(APP_URL) };
const ROLES_CLAIM = "https://app.example/roles";

for (const engine of engines)
  describe(`organizations in the whole server on ${engine.name}`, () => {
    let server: TestServer;
    before(async () => {
      const storage = await engine.storage();
      server = await startTestServer((config) => {
        config["storage"] = storage;
        const clients = config["clients"] as Record<string, unknown>[];
        clients.forEach((client, i) => {
          client["organizations"] = i === 2 ? "none" : "optional";
        });
        const redirectUris = [`${APP_URL}/auth/callback`];
        clients.push({
          id: "business",
          name: "Business",
          secret: { env: "SECRET" },
          redirectUris,
          organizations: "required",
          firstParty: true,
        });
        const [shop] = config["apis"] as Record<string, unknown>[];
        Object.assign(shop ?? {}, {
          rbac: { enforce: true, permissionsClaim: true },
          claims: { [ROLES_CLAIM]: "user.roles", "https://app.example/plan": "organization.metadata.plan" },
        });
        config["roles"] = [
          { name: "buyer", permissions: { [SHOP]: ["orders:read", "orders:create"] } },
          { name: "reader", permissions: { [SHOP]: ["orders:read"] } },
        ];
        config["idToken"] = { claims: { "https://app.example/department": "user.metadata.department" } };
      });
    });
    after(() => server.close());

    let made = 0;
    async function makeOrganization(members: readonly Person[] = [], roles: string[] = []) {
      const { organizations } = server.services;
      const name = `acme-${++made}`;
      const body = { name, display_name: `Acme ${made}`, branding: {}, metadata: { plan: "gold" } };
      const organization = await organizations.manage.create(body);
      if (members.length > 0)
        await organizations.members.add(
          organization.id,
          members.map((person) => person.userId),
          roles,
        );
      return organization;
    }

    async function verifyAddress(person: Person) {
      await server.services.storage
        .db<{ users: { id: string; email_verified: number } }>()
        .updateTable("users")
        .set({ email_verified: 1 })
        .where("id", "=", person.userId)
        .execute();
    }

    const errorOf = (address: string) => new URL(address).searchParams.get("error");
    const refresh = (token: string | undefined, more = {}) =>
      tokenRequest(server.url, {
        grant_type: "refresh_token",
        client_id: "assistant",
        client_secret: TEST_SECRET,
        refresh_token: token ?? "",
        ...more,
      });
    const introspect = async (token: string) => {
      const body = new URLSearchParams({ token, client_id: "assistant", client_secret: TEST_SECRET });
      return (await (await fetch(`${server.url}oauth/introspect`, { method: "POST", body })).json()).active;
    };

    describe("a request that names one", () => {
      for (const by of ["id", "name", "name in capitals"] as const)
        it(`by ${by}: tokens of a member carry org_id and org_name, and a refresh keeps them`, async () => {
          const person = await signUp(server.url);
          const organization = await makeOrganization([person], ["reader"]);
          const asked = {
            id: organization.id,
            name: organization.name,
            "name in capitals": organization.name.toUpperCase(),
          }[by];
          const tokens = await logIn(server.url, person.agent, {
            organization: asked,
            audience: SHOP,
            scope: "openid orders:read offline_access",
          });
          for (const claims of [tokens.claims(), decodeJwt(tokens.access_token)])
            assert.deepEqual(
              [claims?.["org_id"], claims?.["org_name"]],
              [organization.id, organization.name],
            );
          const again = await (
            await refresh(tokens.refresh_token, { organization: organization.name })
          ).json();
          assert.equal(decodeJwt(again.access_token)["org_id"], organization.id);
          assert.equal(decodeJwt(again.id_token)["org_id"], organization.id);
        });

      it("answers a stranger alike whether or not the organization exists", async () => {
        const person = await signUp(server.url);
        const party = await relyingParty(server.url);
        const foreign = await makeOrganization();
        const answers = await Promise.all(
          [foreign.name, foreign.id, "no-such-one", "org_01no", foreign.id.toUpperCase()].map(
            async (organization) => {
              const { page } = await authorize(party, person.agent, { organization });
              const back = await person.agent.submit(page, { decision: "deny" }, toApp);
              const { searchParams } = new URL(back.address);
              return [
                page.status,
                /No access/.test(page.text),
                searchParams.get("error"),
                searchParams.get("error_description"),
              ];
            },
          ),
        );
        assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
        assert.deepEqual(answers[0]?.slice(0, 3), [200, true, "access_denied"]);
      });

      it("refuses a non-member without a page too, and a member of another organization", async () => {
        const person = await signUp(server.url);
        await makeOrganization([person]);
        const { page } = await authorize(await relyingParty(server.url), person.agent, {
          organization: (await makeOrganization()).id,
          prompt: "none",
        });
        assert.equal(errorOf(page.address), "access_denied");
      });

      it("refuses a disabled organization, and a client that is not for organizations", async () => {
        const person = await signUp(server.url);
        const organization = await makeOrganization([person]);
        await server.services.organizations.manage.setDisabled(organization.id, true);
        const { page } = await authorize(await relyingParty(server.url), person.agent, {
          organization: organization.id,
        });
        assert.match(page.text, /No access/);
        const spa = await relyingParty(server.url, "spa", null);
        const answer = await authorize(spa, person.agent, {
          organization: organization.id,
          redirect_uri: `${APP_URL}/spa`,
        });
        assert.equal(errorOf(answer.page.address), "invalid_request");
      });

      it("does not let the page be answered with another organization than was asked for", async () => {
        const person = await signUp(server.url);
        const [mine, second] = [await makeOrganization([person]), await makeOrganization([person])];
        const foreign = await makeOrganization();
        const { page } = await authorize(await relyingParty(server.url, "business"), person.agent, {
          scope: "openid",
        });
        assert.match(page.text, new RegExp(`${mine.display_name}[\\s\\S]*${second.display_name}`));
        const next = await person.agent.submit(page, { organization: foreign.id }, toApp);
        assert.match(next.text, /No access/);
      });
    });

    describe("grants", () => {
      it("for one organization never answer for another, nor for none", async () => {
        const person = await signUp(server.url);
        const [first, second] = [await makeOrganization([person]), await makeOrganization([person])];
        const a = await logIn(server.url, person.agent, { organization: first.id });
        const none = await logIn(server.url, person.agent);
        const b = await logIn(server.url, person.agent, { organization: second.id });
        assert.deepEqual(
          [a, none, b].map((tokens) => tokens.claims()?.["org_id"]),
          [first.id, undefined, second.id],
        );
        const again = await (await refresh(a.refresh_token)).json();
        assert.equal(decodeJwt(again.id_token)["org_id"], first.id);
        for (const [tokens, organization] of [
          [a, second.id],
          [none, first.id],
          [b, first.name],
        ] as const) {
          const answer = await refresh(tokens.refresh_token, { organization });
          assert.deepEqual([answer.status, (await answer.json()).error], [400, "invalid_grant"]);
        }
      });

      it("of a third party ask for consent in each organization", async () => {
        const person = await signUp(server.url);
        const [first, second] = [await makeOrganization([person]), await makeOrganization([person])];
        const party = await relyingParty(server.url, "other");
        for (const organization of [first, second]) {
          const { page, verifier } = await authorize(party, person.agent, { organization: organization.id });
          assert.match(page.text, /Other agent/);
          const back = await person.agent.submit(page, { decision: "allow" }, toApp);
          const tokens = await redeem(party, back.address, verifier);
          assert.equal(tokens.claims()?.["org_id"], organization.id);
        }
      });

      const endings: [string, (organization: string, person: Person) => Promise<unknown>][] = [
        ["a member leaves", (id, { userId }) => server.services.organizations.members.remove(id, userId)],
        ["the organization is deleted", (id) => server.services.organizations.manage.remove(id)],
        [
          "the organization is switched off",
          (id) => server.services.organizations.manage.setDisabled(id, true),
        ],
      ];
      for (const [name, end] of endings)
        it(`end when ${name}; those of another organization and of none stay`, async () => {
          const person = await signUp(server.url);
          const [gone, kept] = [
            await makeOrganization([person], ["reader"]),
            await makeOrganization([person]),
          ];
          const scope = "openid orders:read offline_access";
          const a = await logIn(server.url, person.agent, { organization: gone.id, audience: SHOP, scope });
          const opaque = await logIn(server.url, person.agent, { organization: gone.id });
          const b = await logIn(server.url, person.agent, { organization: kept.id, audience: SHOP, scope });
          assert.deepEqual(
            [await introspect(a.access_token), await introspect(opaque.access_token)],
            [true, true],
          );
          await end(gone.id, person);
          assert.deepEqual(
            [await introspect(a.access_token), await introspect(opaque.access_token)],
            [false, false],
          );
          assert.equal((await refresh(a.refresh_token)).status, 400);
          assert.equal(await introspect(b.access_token), true);
          assert.equal((await refresh(b.refresh_token)).status, 200);
          const { page } = await authorize(await relyingParty(server.url), person.agent, {
            organization: gone.id,
          });
          assert.match(page.text, /No access/);
        });

      it("do not come back when the person does", async () => {
        const person = await signUp(server.url);
        const organization = await makeOrganization([person]);
        const before = await logIn(server.url, person.agent, { organization: organization.id });
        await server.services.organizations.members.remove(organization.id, person.userId);
        await server.services.organizations.members.add(organization.id, [person.userId], []);
        assert.equal((await refresh(before.refresh_token)).status, 400);
        const after = await logIn(server.url, person.agent, { organization: organization.id });
        assert.equal((await refresh(after.refresh_token)).status, 200);
      });
    });

    describe("a client that requires one", () => {
      it("takes the only one, and lets the person pick of several", async () => {
        const person = await signUp(server.url);
        const first = await makeOrganization([person]);
        const only = await logIn(server.url, person.agent, {}, "business");
        assert.equal(only.claims()?.["org_id"], first.id);
        const second = await makeOrganization([person]);
        const party = await relyingParty(server.url, "business");
        const { page, verifier } = await authorize(party, person.agent);
        const back = await person.agent.submit(page, { organization: second.id }, toApp);
        assert.equal((await redeem(party, back.address, verifier)).claims()?.["org_id"], second.id);
      });

      it("is no place for somebody without any, and picks only from a page of this session", async () => {
        const person = await signUp(server.url);
        const party = await relyingParty(server.url, "business");
        assert.match((await authorize(party, person.agent)).page.text, /No access/);
        await makeOrganization([person]);
        const second = await makeOrganization([person]);
        const { page } = await authorize(party, person.agent);
        const forged = await person.agent.submit(page, { organization: second.id, csrf: "x" }, toApp);
        assert.equal(forged.status, 403);
        const other = await signUp(server.url);
        assert.equal((await other.agent.open(page.address)).status, 400);
      });

      it("speaks Japanese", async () => {
        const person = await signUp(server.url);
        const { page } = await authorize(await relyingParty(server.url, "business"), person.agent, {
          ui_locales: "ja",
        });
        assert.match(page.text, /アクセスできません/);
      });
    });

    describe("an invitation", () => {
      async function invite(person: Person, more = {}) {
        const organization = await makeOrganization();
        const body = { email: person.email, roles: ["reader"], ttl_seconds: 3_600, language: "en", ...more };
        const { row, address } = await server.services.organizations.invitations.create(
          organization.id,
          body,
          undefined,
        );
        return { organization, row, token: new URL(address).searchParams.get("invitation") ?? "" };
      }

      it("brings the person into the organization on the way to the app, once", async () => {
        const person = await signUp(server.url);
        await verifyAddress(person);
        const { organization, token } = await invite(person);
        const party = await relyingParty(server.url);
        const params = { invitation: token, organization: organization.id };
        const { page, verifier } = await authorize(party, person.agent, params);
        assert.match(page.text, /Accept invitation/);
        const back = await person.agent.submit(page, { decision: "accept" }, toApp);
        const tokens = await redeem(party, back.address, verifier);
        assert.equal(tokens.claims()?.["org_id"], organization.id);
        assert.deepEqual(await server.services.roles.rolesOf(person.userId, organization.id), ["reader"]);
        const again = await authorize(party, (await signUp(server.url)).agent, params);
        assert.match(again.page.text, /No access/);
      });

      it("is refused for another address, before the address is proven, altered, expired, revoked, for another organization", async () => {
        const person = await signUp(server.url);
        const stranger = await signUp(server.url);
        await verifyAddress(stranger);
        const party = await relyingParty(server.url);
        const accept = async (who: Person, params: Record<string, string>) => {
          const { page } = await authorize(party, who.agent, params);
          if (!page.text.includes("Accept invitation")) return page.text;
          return (await who.agent.submit(page, { decision: "accept" }, toApp)).text;
        };
        const { organization, token, row } = await invite(person);
        assert.match(await accept(stranger, { invitation: token }), /another e-mail address/);
        assert.match(await accept(person, { invitation: token }), /not confirmed/);
        await verifyAddress(person);
        const altered = `${token.slice(0, -2)}${token.endsWith("A") ? "BB" : "AA"}`;
        assert.match(await accept(person, { invitation: altered }), /No access/);
        assert.match(
          await accept(person, { invitation: token, organization: (await makeOrganization()).id }),
          /No access/,
        );
        await server.services.organizations.invitations.revoke(organization.id, row.id);
        assert.match(await accept(person, { invitation: token }), /No access/);
        const expired = await invite(person, { ttl_seconds: -1 });
        assert.match(await accept(person, { invitation: expired.token }), /No access/);
        assert.equal(
          await server.services.organizations.membershipOf(person.userId, organization.id),
          undefined,
        );
      });

      it("is accepted by one of 64 at once", async () => {
        const person = await signUp(server.url);
        const { token, organization } = await invite(person);
        const user = { id: person.userId, email: person.email, emailVerified: true };
        const answers = await Promise.all(
          Array.from({ length: 64 }, () => server.services.organizations.acceptInvitation(token, user)),
        );
        assert.equal(answers.filter(({ outcome }) => outcome === "joined").length, 1);
        assert.equal(answers.filter(({ outcome }) => outcome === "invalid").length, 63);
        assert.ok(await server.services.organizations.membershipOf(person.userId, organization.id));
      });

      it("opens a page of its own to the person that is logged in, and keeps its token out of the database", async () => {
        const person = await signUp(server.url);
        await verifyAddress(person);
        const { token, organization } = await invite(person);
        const page = await person.agent.open(`${server.url}invitations?invitation=${token}`);
        const forged = await person.agent.submit(page, { csrf: "x" });
        assert.equal(forged.status, 403);
        const done = await person.agent.submit(page, {});
        assert.match(done.text, new RegExp(`You belong to ${organization.display_name} now`));
        const rows = await server.services.storage
          .db<{ organization_invitations: object }>()
          .selectFrom("organization_invitations")
          .selectAll()
          .execute();
        assert.ok(!JSON.stringify(rows).includes(token));
      });
    });

    describe("connections", () => {
      it("refuse a log-in that the organization does not take, and bring membership where they should", async () => {
        const person = await signUp(server.url);
        const [closed, open] = [await makeOrganization([person]), await makeOrganization()];
        const { settings } = server.services.organizations;
        await settings.setConnections(closed.id, [{ connection: "passkey", auto_membership: false }]);
        const { page } = await authorize(await relyingParty(server.url), person.agent, {
          organization: closed.id,
        });
        assert.match(page.text, /No access/);
        await settings.setConnections(open.id, [{ connection: "password", auto_membership: true }]);
        const tokens = await logIn(server.url, person.agent, { organization: open.id });
        assert.equal(tokens.claims()?.["org_id"], open.id);
      });
    });

    describe("the log-in pages", () => {
      async function passkeysOnly(domain?: string) {
        const { settings } = server.services.organizations;
        const organization = await makeOrganization();
        await settings.setConnections(organization.id, [{ connection: "passkey", auto_membership: false }]);
        if (domain) await settings.addDomain(organization.id, { domain, verified: true });
        return organization;
      }
      const pathOf = (page: Page) => new URL(page.address).pathname;
      /** Without what differs from flow to flow and from address to address. */
      const plain = (page: Page, email: string) =>
        page.text
          .replaceAll(email, "EMAIL")
          .replaceAll(encodeURIComponent(email), "EMAIL")
          .replace(/[\w-]{43}/g, "TOKEN");

      it("name the organization, offer what it takes, and refuse everything else", async () => {
        const person = await signUp(server.url);
        const organization = await passkeysOnly();
        const agent = createUserAgent();
        const asked = { organization: organization.name };
        const { page } = await authorize(await relyingParty(server.url), agent, asked);
        assert.ok(page.text.includes(`For ${organization.display_name}`));
        const next = await agent.submit(page, { email: person.email });
        assert.equal(pathOf(next), "/login/passkey");
        assert.doesNotMatch(next.text, /Use your password/);
        const { search } = new URL(next.address);
        assert.equal((await agent.open(`${server.url}login/password${search}`)).status, 400);
        const forged = { ...next, forms: [{ ...next.forms[0], action: "/login/password" }] } as Page;
        assert.equal((await agent.submit(forged, { password: PASSWORD })).status, 403);
        const both = await agent.submit(page, { email: person.email, password: PASSWORD });
        assert.equal(
          pathOf(both),
          "/login/passkey",
          "a password that was filled in at once does not count either",
        );
        const signUpForm = await agent.open(`${server.url}signup?organization=${organization.id}`);
        assert.match(signUpForm.text, /Sign up with a passkey/);
        assert.doesNotMatch(signUpForm.text, /type="password"/);
        const fields = {
          ...page.forms[0]?.fields,
          name: "Mallory",
          email: "m@example.com",
          password: PASSWORD,
        };
        const signUpPage = { ...page, forms: [{ action: "/signup", method: "post", fields }] } as Page;
        assert.equal((await agent.submit(signUpPage, {})).status, 404);
        assert.equal((await agent.fetch(`${server.url}profile`)).status, 303, "nobody is logged in");
      });

      it("lead by the domain of an address alone, whether or not somebody has it", async () => {
        const domain = `acme-${++made}.example`;
        await passkeysOnly(domain);
        const known = await signUp(server.url, `known@${domain}`);
        const pages = await Promise.all(
          [known.email, `nobody@${domain}`].map(async (email) => {
            const agent = createUserAgent();
            const page = await agent.submit(await agent.open(`${server.url}login`), { email });
            return [pathOf(page), page.status, plain(page, email)];
          }),
        );
        assert.deepEqual(pages[0], pages[1]);
        assert.equal(pages[0]?.[0], "/login/passkey");
        for (const email of [
          `known@sub.${domain}`,
          `known@${domain}.example`,
          `${domain}`,
          `a@${domain}@example.com`,
        ]) {
          const agent = createUserAgent();
          const page = await agent.submit(await agent.open(`${server.url}login`), { email });
          assert.equal(pathOf(page), "/login/password", email);
        }
      });

      it("wear an organization's name, colour and logo, on its own log-ins alone", async () => {
        const logo = "data:image/png;base64,iVBORw0KGgo=";
        const organization = await makeOrganization();
        await server.services.organizations.manage.change(organization.id, {
          branding: { logo, colour: "#ffd400" },
        });
        const agent = createUserAgent();
        const first = await agent.open(`${server.url}login?organization=${organization.id}`);
        const second = await agent.submit(first, { email: "anne@example.com" });
        for (const page of [first, second]) {
          assert.ok(page.text.includes(`· ${organization.display_name}</title>`));
          assert.match(page.text, /--main: #ffd400; --main-ink: #000000;/);
          assert.match(page.text, /<img src="data:image\/png/);
          assert.match(page.headers.get("content-security-policy") ?? "", /img-src data:;/);
        }
        const other = await createUserAgent().open(`${server.url}login`);
        assert.doesNotMatch(other.text, /ffd400|<img/);
        assert.doesNotMatch(other.headers.get("content-security-policy") ?? "", /img-src/);
      });

      it("say so when an organization takes no way of logging in that is here", async () => {
        const organization = await makeOrganization();
        const { settings } = server.services.organizations;
        await settings.setConnections(organization.id, [{ connection: "code", auto_membership: false }]);
        const agent = createUserAgent();
        const start = await agent.open(`${server.url}login?organization=${organization.id}`);
        const page = await agent.submit(start, { email: "anne@example.com" });
        assert.match(page.text, /does not take this way of logging in/);
      });

      it("offer sign-up first to somebody who is invited, for that address alone", async () => {
        const organization = await makeOrganization();
        const email = `invited-${++made}@example.com`;
        const body = { email, roles: [], ttl_seconds: 3_600, language: "en" };
        const { address } = await server.services.organizations.invitations.create(
          organization.id,
          body,
          undefined,
        );
        const invitation = new URL(address).searchParams.get("invitation") ?? "";
        const agent = createUserAgent();
        const { page } = await authorize(await relyingParty(server.url), agent, { invitation });
        assert.equal(pathOf(page), "/signup");
        assert.match(page.text, new RegExp(`value="${email}" readonly`));
        assert.ok(page.text.includes(`For ${organization.display_name}`));
        const other = { name: "Test Person", email: "mallory@example.com", password: PASSWORD };
        const next = await agent.submit(page, other);
        assert.match(next.text, new RegExp(`Join ${organization.display_name}`));
        assert.equal(await server.services.login.accounts.findByEmail("mallory@example.com"), undefined);
        const gone = createUserAgent();
        const { page: open } = await authorize(await relyingParty(server.url), gone, {
          invitation: `${invitation.slice(0, -1)}!`,
        });
        assert.doesNotMatch(open.text, /readonly|For Acme/);
      });
    });

    describe("client credentials", () => {
      const ask = (organization: string, more = {}) =>
        tokenRequest(server.url, {
          grant_type: "client_credentials",
          client_id: "assistant",
          client_secret: TEST_SECRET,
          audience: SHOP,
          scope: "orders:read",
          organization,
          ...more,
        });

      it("carry an organization that lets the client in, and no other", async () => {
        const [mine, foreign] = [await makeOrganization(), await makeOrganization()];
        await server.services.organizations.settings.setClients(mine.id, ["assistant"]);
        const claims = decodeJwt((await (await ask(mine.name)).json()).access_token);
        assert.deepEqual([claims["org_id"], claims["permissions"]], [mine.id, ["orders:read"]]);
        for (const other of [foreign.id, "no-such-one"]) {
          const answer = await ask(other);
          assert.deepEqual([answer.status, (await answer.json()).error], [400, "access_denied"]);
        }
        await server.services.organizations.manage.setDisabled(mine.id, true);
        assert.equal((await ask(mine.id)).status, 400);
      });

      it("are refused for an API that the client has no entry for", async () => {
        const answer = await ask("", { audience: `${server.url}admin/` });
        assert.equal((await answer.json()).error, "invalid_target");
      });
    });

    describe("roles", () => {
      const all = "openid orders:read orders:create settings:read offline_access";

      it("cut scopes to what they permit, there and then, and changes count at the next refresh", async () => {
        const person = await signUp(server.url);
        const organization = await makeOrganization([person], ["buyer"]);
        const other = await makeOrganization([person]);
        const tokens = await logIn(server.url, person.agent, {
          organization: organization.id,
          audience: SHOP,
          scope: all,
        });
        const scopesOf = (token: string) =>
          String(decodeJwt(token)["scope"])
            .split(" ")
            .filter((scope) => scope.includes(":"));
        assert.deepEqual(scopesOf(tokens.access_token), ["orders:read", "orders:create"]);
        assert.deepEqual(decodeJwt(tokens.access_token)["permissions"], ["orders:create", "orders:read"]);
        assert.deepEqual(decodeJwt(tokens.access_token)[ROLES_CLAIM], ["buyer"]);
        assert.equal(decodeJwt(tokens.access_token)["https://app.example/plan"], "gold");
        await server.services.organizations.members.setRoles(organization.id, person.userId, ["reader"]);
        const less = await (await refresh(tokens.refresh_token)).json();
        assert.deepEqual(scopesOf(less.access_token), ["orders:read"]);
        for (const params of [{ organization: other.id }, {}]) {
          const none = await logIn(server.url, person.agent, { ...params, audience: SHOP, scope: all });
          assert.deepEqual(decodeJwt(none.access_token)["permissions"], []);
          assert.deepEqual(scopesOf(none.access_token), []);
        }
      });

      it("given everywhere count in each organization, and none of a removed role is left", async () => {
        const person = await signUp(server.url);
        const { roles } = server.services;
        await roles.create({
          name: `temp-${made}`,
          description: "",
          permissions: { [SHOP]: ["settings:read"] },
        });
        await roles.assign(person.userId, [`temp-${made}`]);
        const organization = await makeOrganization([person], ["reader"]);
        const permitted = () => roles.permissionsOf(person.userId, organization.id, SHOP);
        assert.deepEqual([...(await permitted())].sort(), ["orders:read", "settings:read"]);
        await roles.remove(`temp-${made - 1}`);
        assert.deepEqual([...(await permitted())], ["orders:read"]);
      });

      it("put claims into ID tokens from what administrators wrote, not from what users write", async () => {
        const person = await signUp(server.url);
        const { roles } = server.services;
        await roles.changeMetadata(person.userId, { user: { department: "board" } });
        const first = await logIn(server.url, person.agent);
        assert.equal(first.claims()?.["https://app.example/department"], undefined);
        await roles.changeMetadata(person.userId, { app: { department: "sales" } });
        const second = await logIn(server.url, person.agent);
        assert.equal(second.claims()?.["https://app.example/department"], "sales");
      });
    });
  });
