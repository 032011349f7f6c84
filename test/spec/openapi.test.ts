import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Hono } from "hono";
import { parse } from "yaml";
import { z } from "zod";
import { type AdminSetup, openAdmin } from "../../packages/server/src/admin/testing.ts";
import { snakeCase } from "../../packages/server/src/admin/wire.ts";
import { clientMetadataSchema } from "../../packages/server/src/config.ts";
import { mfaRoutes } from "../../packages/server/src/oauth/mfa-routes.ts";
import { createMeRoutes, type MeRouteDeps } from "../../packages/server/src/vault/routes.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

/** Any node of the document; the tests read it member by member. */
// biome-ignore lint/suspicious/noExplicitAny: a JSON document
type Node = any;

const read = (name: string) => readFileSync(new URL(`../../spec/${name}`, import.meta.url), "utf8");
const document: Node = parse(read("openapi.yaml"));
const errors: Record<string, unknown> = JSON.parse(read("errors.json"));

const operations = Object.entries<Node>(document.paths).flatMap(([path, methods]) =>
  Object.entries<Node>(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    operation,
  })),
);

/** The document without references: each is replaced by what it names. */
function resolveRefs(node: Node): Node {
  if (Array.isArray(node)) return node.map(resolveRefs);
  if (typeof node !== "object" || node === null) return node;
  if (typeof node.$ref === "string") return resolveRefs(lookUp(node.$ref));
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolveRefs(value)]));
}

function lookUp(reference: string): Node {
  const found = reference
    .replace(/^#\//, "")
    .split("/")
    .reduce((node, key) => node?.[key], document);
  assert.ok(found, `${reference} names nothing`);
  return found;
}

/** `METHOD /path/{id}` of every handler of an application; middleware and catch-alls aside. */
const routesOf = (app: Hono): string[] =>
  app.routes
    .filter((route) => route.method !== "ALL")
    .map((route) => `${route.method} ${route.path.replace(/:(\w+)/g, "{$1}")}`);

describe("spec/openapi.yaml", () => {
  let setup: AdminSetup;
  let server: TestServer;
  before(async () => {
    setup = await openAdmin();
    server = await startTestServer();
  });
  after(async () => {
    await setup.storage.close();
    await server.close();
  });

  it("describes exactly the routes that the server mounts", () => {
    // Routes are made without touching what their handlers need.
    const me = createMeRoutes({} as MeRouteDeps);
    const mfa = mfaRoutes({} as Parameters<typeof mfaRoutes>[0]);
    const mounted = [...routesOf(setup.app), ...routesOf(me), ...routesOf(mfa)];
    assert.deepEqual(operations.map(({ name }) => name).toSorted(), [...new Set(mounted)].toSorted());
  });

  for (const { name, method, path } of operations)
    it(`is right that ${name} exists and asks for a token`, async () => {
      const address = new URL(path.replaceAll(/\{\w+\}/g, "x"), server.url);
      const isMfa = path.startsWith("/mfa/");
      const body = isMfa && method === "POST" ? JSON.stringify({ mfa_token: "x", client_id: "x" }) : null;
      const response = await fetch(address, { method, body });
      assert.equal(response.status, 401);
      const answer = await response.json();
      if (isMfa) assert.equal(answer.error, "invalid_grant");
      else assert.equal(answer.code, "auth.token_missing");
    });

  it("gives each operation a name of its own, a summary and one answer at least", () => {
    const names = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(names).size, names.length);
    for (const { name, operation } of operations) {
      assert.ok(operation.summary && operation.security.length > 0, name);
      assert.ok(
        Object.keys(operation.responses).some((status) => /^2/.test(status)),
        name,
      );
      assert.ok(operation.responses.default, name);
    }
  });

  it("declares every path parameter that it uses", () => {
    for (const { name, path, operation } of operations) {
      const used = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = resolveRefs(operation.parameters ?? [])
        .filter((parameter: Node) => parameter.in === "path")
        .map((parameter: Node) => parameter.name);
      assert.deepEqual(declared, used, name);
    }
  });

  it("names error codes that spec/errors.json has", () => {
    for (const { name, operation } of operations)
      for (const code of operation["x-error-codes"] ?? []) assert.ok(code in errors, `${name}: ${code}`);
  });

  it("has no reference that names nothing, and no schema that nobody names", () => {
    const used = new Set([...read("openapi.yaml").matchAll(/\$ref: "(#[^"]+)"/g)].map((match) => match[1]));
    for (const reference of used) lookUp(reference ?? "");
    for (const [kind, members] of Object.entries<Node>(document.components))
      for (const name of kind === "securitySchemes" ? [] : Object.keys(members))
        assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name}`);
  });

  describe("describes the answers of the administrator's API", () => {
    const agent = { owner: "Sales", purpose: "Plans", connections: { calendar: { scopes: ["read"] } } };
    const newClient = { name: "A", redirect_uris: ["https://a.example/"], agent };
    const calls: [string, string, string, unknown?][] = [
      ["GET", "/users", "/users"],
      ["POST", "/users", "/users", { email: "a@example.com", name: "A" }],
      ["GET", "/users/{id}", "/users/{user}"],
      ["POST", "/users/{id}/disable", "/users/{user}/disable"],
      ["POST", "/users/{id}/enable", "/users/{user}/enable"],
      ["GET", "/clients", "/clients"],
      ["POST", "/clients", "/clients", newClient],
      ["POST", "/clients", "/clients", { ...newClient, confidential: false, rotate_refresh_tokens: true }],
      ["GET", "/clients/{id}", "/clients/assistant"],
      ["PATCH", "/clients/{id}", "/clients/{client}", { agent: null, rotate_refresh_tokens: null }],
      ["POST", "/clients/{id}/disable", "/clients/{client}/disable"],
      ["POST", "/clients/{id}/enable", "/clients/{client}/enable"],
      ["GET", "/agents", "/agents"],
      ["POST", "/agents/{id}/disable", "/agents/assistant/disable"],
      ["POST", "/agents/{id}/enable", "/agents/assistant/enable"],
      ["GET", "/organizations", "/organizations"],
      ["POST", "/organizations", "/organizations", { name: "acme", display_name: "Acme" }],
      ["GET", "/organizations/{id}", "/organizations/{organization}"],
      ["PATCH", "/organizations/{id}", "/organizations/{organization}", { metadata: { plan: "gold" } }],
      ["DELETE", "/organizations/{id}", "/organizations/{organization}"],
      ["POST", "/organizations/{id}/disable", "/organizations/{organization}/disable"],
      ["POST", "/organizations/{id}/enable", "/organizations/{organization}/enable"],
      ["GET", "/organizations/{id}/members", "/organizations/{organization}/members"],
      [
        "POST",
        "/organizations/{id}/members",
        "/organizations/{organization}/members",
        { members: ["{user}"] },
      ],
      ["DELETE", "/organizations/{id}/members/{user}", "/organizations/{organization}/members/{member}"],
      [
        "PUT",
        "/organizations/{id}/members/{user}/roles",
        "/organizations/{organization}/members/{member}/roles",
        { roles: [] },
      ],
      ["GET", "/organizations/{id}/invitations", "/organizations/{organization}/invitations"],
      [
        "POST",
        "/organizations/{id}/invitations",
        "/organizations/{organization}/invitations",
        { email: "i@example.com" },
      ],
      [
        "DELETE",
        "/organizations/{id}/invitations/{invitation}",
        "/organizations/{organization}/invitations/{invitation}",
      ],
      ["GET", "/organizations/{id}/connections", "/organizations/{organization}/connections"],
      [
        "PUT",
        "/organizations/{id}/connections",
        "/organizations/{organization}/connections",
        { connections: [{ connection: "password" }] },
      ],
      ["GET", "/organizations/{id}/domains", "/organizations/{organization}/domains"],
      [
        "POST",
        "/organizations/{id}/domains",
        "/organizations/{organization}/domains",
        { domain: "example.com" },
      ],
      ["DELETE", "/organizations/{id}/domains/{domain}", "/organizations/{organization}/domains/{domain}"],
      ["GET", "/organizations/{id}/clients", "/organizations/{organization}/clients"],
      [
        "PUT",
        "/organizations/{id}/clients",
        "/organizations/{organization}/clients",
        { clients: ["assistant"] },
      ],
      ["GET", "/roles", "/roles"],
      ["POST", "/roles", "/roles", { name: "buyer", permissions: { "https://shop.example/": ["buy"] } }],
      ["GET", "/roles/{id}", "/roles/{role}"],
      ["PATCH", "/roles/{id}", "/roles/{role}", { description: "Buys" }],
      ["DELETE", "/roles/{id}", "/roles/{role}"],
      ["GET", "/users/{id}/roles", "/users/{user}/roles"],
      ["PUT", "/users/{id}/roles", "/users/{user}/roles", { roles: [] }],
      ["GET", "/users/{id}/metadata", "/users/{user}/metadata"],
      [
        "PATCH",
        "/users/{id}/metadata",
        "/users/{user}/metadata",
        { app_metadata: { level: 3 }, user_metadata: {} },
      ],
      ["GET", "/connections", "/connections"],
      ["GET", "/audit", "/audit"],
      ["POST", "/audit/verify", "/audit/verify"],
    ];

    it("each of them", () => {
      const described = operations.filter(({ path }) => path.startsWith("/admin/v1"));
      const called = new Set(calls.map(([method, path]) => `${method} /admin/v1${path}`));
      assert.deepEqual([...called].toSorted(), described.map(({ name }) => name).toSorted());
    });

    for (const [method, path, address, body] of calls)
      it(`${method} ${path}${body ? ` with ${JSON.stringify(body).slice(0, 40)}` : ""}`, async () => {
        const user = await setup.login.accounts.create({ email: `${crypto.randomUUID()}@example.com` });
        const client = (await setup.call("POST", "/clients", { body: newClient })).body.id;
        const { target, sent } = await fill(address, body, { user: user.id, client });
        const operation = document.paths[`/admin/v1${path}`][method.toLowerCase()];
        if (sent) accepts(operation.requestBody.content, sent);
        const answer = await setup.call(method, target, sent ? { body: sent } : {});
        const described = operation.responses[answer.status];
        assert.ok(described, `status ${answer.status}`);
        if (answer.status === 204) assert.deepEqual([described.content, answer.body], [undefined, undefined]);
        else accepts(described.content, answer.body);
      });

    /** Puts ids of objects made for this call in place of their names in braces. */
    async function fill(address: string, body: unknown, ids: Record<string, string>) {
      const { organizations, roles } = setup;
      const name = `o-${crypto.randomUUID().slice(0, 8)}`;
      const { id } = await organizations.manage.create({ name, branding: {}, metadata: {} });
      const member = await setup.login.accounts.create({ email: `${name}@example.com` });
      await organizations.members.add(id, [member.id], []);
      const domain = `${name}.example`;
      await organizations.settings.addDomain(id, { domain, verified: true });
      const invited = { email: "x@example.com", roles: [], ttl_seconds: 60, language: "en" };
      const { row } = await organizations.invitations.create(id, invited, undefined);
      await roles.create({ name, description: "", permissions: {} });
      const names: Record<string, string> = {
        ...ids,
        organization: id,
        member: member.id,
        domain,
        invitation: row.id,
        role: name,
      };
      const put = (text: string) =>
        text.replaceAll(/\{(\w+)\}/g, (whole, key: string) => names[key] ?? whole);
      return { target: put(address), sent: body && JSON.parse(put(JSON.stringify(body))) };
    }

    it("and its problems", async () => {
      const { body } = await setup.call("POST", "/users", { body: {} });
      accepts(lookUp("#/components/responses/Problem").content, body);
    });
  });

  for (const name of ["NewClient", "ClientChange", "Client"])
    it(`describes in ${name} every member that a client may have, and every grant`, () => {
      const { properties } = document.components.schemas[name];
      const missing = Object.keys(clientMetadataSchema.shape)
        .map(snakeCase)
        .filter((member) => !(member in properties));
      assert.deepEqual(missing, []);
      const grants = clientMetadataSchema.shape.grantTypes.unwrap().element.options;
      assert.deepEqual(document.components.schemas.GrantType.enum, grants);
    });

  it("does not accept just anything", () => {
    const { content } = document.paths["/admin/v1/users/{id}"].get.responses["200"];
    assert.throws(() => accepts(content, { id: "usr_1" }));
    assert.throws(() => accepts(content, null));
  });
});

/** Asserts that `value` is what the first media type of `content` describes. */
function accepts(content: Node, value: unknown): void {
  const [media] = Object.values<Node>(content);
  const result = z.fromJSONSchema(resolveRefs(media.schema)).safeParse(value);
  assert.ok(result.success, JSON.stringify(result.error?.issues));
}
