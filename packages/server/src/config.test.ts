import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import {
  type Config,
  type ConfigError,
  type ConfigSources,
  configKeys,
  loadConfig,
  parseConfig,
} from "./config.ts";
import { selfSigned } from "./http/testing.ts";
import { reveal } from "./lib/secret.ts";

const SECRET = "s".repeat(43);
const env = { ROOT_KEY: "root", SECRET, PROVIDER_SECRET: "p" };
const sources: ConfigSources = { env, baseDir: "/base" };

const connection = {
  name: "calendar",
  displayName: "Calendar",
  authorizationEndpoint: "https://provider.example/authorize",
  tokenEndpoint: "https://provider.example/token",
  userinfoEndpoint: "https://provider.example/me",
  clientId: "abc",
  clientSecret: { env: "PROVIDER_SECRET" },
  scopes: { read: "See your calendar" },
};
const api = { audience: "https://shop.example/", name: "Shop", scopes: { buy: "Buy things" } };
const client = { id: "assistant", name: "Assistant", secret: { env: "SECRET" } };
const minimal = {
  issuer: "http://localhost:4000/",
  storage: "sqlite::memory:",
  rootKey: { env: "ROOT_KEY" },
};

const parse = (more: object, from = sources): Config => parseConfig({ ...minimal, ...more }, from);

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    assert.equal((error as ConfigError).name, "ConfigError", inspect(error));
    return (error as ConfigError).problems;
  }
  return assert.fail("the configuration was accepted");
}

const refuses = (more: object, expected: string[], from = sources) =>
  assert.deepEqual(
    problemsOf(() => parse(more, from)),
    expected,
  );

const OWN = await selfSigned({ subject: "CN=machine" });
const PUBLIC_KEY = { kty: "EC", crv: "P-256", x: "AA", y: "AA" };

describe("configuration", () => {
  it("needs issuer, storage and root key alone, and fills in the rest", () => {
    const config = parse({});
    assert.deepEqual(config.listen, { host: "127.0.0.1", port: 4000, tls: undefined, mtls: undefined });
    assert.deepEqual([config.clients, config.apis, config.connections], [[], [], []]);
    assert.deepEqual(config.registration, { dynamic: false, clientIdDocuments: false });
    assert.deepEqual(config.egress.allow, []);
    assert.equal(config.production, false);
  });

  it("reads a client with its agent policy, its secret from the environment", () => {
    const [made] = parse({
      apis: [api],
      connections: [connection],
      clients: [
        {
          ...client,
          redirectUris: ["http://localhost:3000/auth/callback", "https://app.example/cb?x=1"],
          postLogoutRedirectUris: ["http://127.0.0.1:3000/"],
          grantTypes: ["authorization_code", "token_vault"],
          apis: { [api.audience]: { scopes: ["buy"] } },
          agent: { owner: "Support", purpose: "Answers", connections: { calendar: { scopes: ["read"] } } },
        },
      ],
    }).clients;
    assert.ok(made?.secret);
    assert.equal(reveal(made.secret), SECRET);
    assert.equal(made.idTokenAlgorithm, "RS256");
    assert.deepEqual(made.agent?.connections, { calendar: { scopes: ["read"] } });
  });

  it("lets a client use the APIs that every deployment has", () => {
    const apis = {
      "http://localhost:4000/admin/": { scopes: ["admin"] },
      "http://localhost:4000/me/": { scopes: ["read:me:connected_accounts"] },
    };
    assert.deepEqual(
      Object.keys(parse({ clients: [{ ...client, apis }] }).clients[0]?.apis ?? {}),
      Object.keys(apis),
    );
  });

  it("does not print its secrets", () => {
    const config = parse({ clients: [client], connections: [connection] });
    for (const text of [inspect(config, { depth: 9 }), JSON.stringify(config)])
      assert.ok(!text.includes(SECRET) && !text.includes('"p"'));
  });

  it("lets the environment override issuer, storage and port", () => {
    const config = parse(
      { listen: { host: "0.0.0.0", port: 1 } },
      {
        ...sources,
        env: {
          ...env,
          BEHALF_ISSUER: "https://id.example/",
          BEHALF_STORAGE: "postgres://db/behalf",
          BEHALF_PORT: "8080",
        },
      },
    );
    assert.equal(config.issuer, "https://id.example/");
    assert.equal(config.storage, "postgres://db/behalf");
    assert.deepEqual(config.listen, { host: "0.0.0.0", port: 8080, tls: undefined, mtls: undefined });
  });

  it("resolves a relative SQLite file against the folder of the configuration file", () => {
    assert.equal(parse({ storage: "sqlite:data/behalf.db" }).storage, "sqlite:/base/data/behalf.db");
    assert.equal(parse({ storage: "sqlite:/abs/behalf.db" }).storage, "sqlite:/abs/behalf.db");
    assert.equal(parse({ storage: "sqlite::memory:" }).storage, "sqlite::memory:");
    assert.equal(parse({}).dataDir, "/base/data");
  });

  it("reports all problems at once, each with its path", () => {
    const problems = problemsOf(() =>
      parseConfig({ issuer: "nope", storage: "mysql://x", clients: [{ id: "a b" }], extra: 1 }, sources),
    );
    const paths = problems.map((problem) => problem.split(":")[0]);
    for (const path of ["issuer", "storage", "rootKey", "clients.0.name", "clients.0.id", "(top)"])
      assert.ok(paths.includes(path), `${path} in ${paths}`);
  });

  it("says in its message how many problems there are and what they are", () => {
    assert.throws(() => parse({ storage: "mysql://x" }), {
      name: "ConfigError",
      message: /has 1 problem\(s\):\n {2}storage: /,
    });
  });

  for (const value of [null, undefined, "text", 1, []])
    it(`refuses ${JSON.stringify(value)} in place of a mapping`, () => {
      assert.ok(problemsOf(() => parseConfig(value, sources)).length > 0);
    });

  it("lists every key it takes", () => {
    const keys = configKeys();
    for (const key of [
      "issuer",
      "listen.tls.certFile",
      "clients[].agent.connections.*.scopes",
      "egress.allow",
    ])
      assert.ok(keys.includes(key), key);
    assert.equal(new Set(keys).size, keys.length);
  });
});

describe("the issuer", () => {
  for (const issuer of [
    "https://id.example/",
    "https://id.example/tenant/",
    "https://id.example:8443/",
    "http://localhost:4000/",
    "http://127.0.0.1:4000/",
    "http://[::1]:4000/",
  ])
    it(`may be ${issuer}`, () => {
      assert.equal(parse({ issuer }).issuer, issuer);
    });

  for (const issuer of [
    "https://id.example",
    "http://id.example/",
    "http://localhost.example/",
    "http://127.0.0.1.example/",
    "https://id.example/?a=/",
    "https://id.example/#/",
    "https://ID.example/",
    "https://id.example:443/",
    "https://id.example/a/../",
    "https://user@id.example/",
    "ftp://id.example/",
    "id.example/",
    "",
  ])
    it(`may not be ${JSON.stringify(issuer)}`, () => {
      refuses({ issuer }, ['issuer: an address that ends in "/": https, or http on loopback']);
    });
});

describe("cross checks refuse", () => {
  const withClient = (more: object) => ({
    apis: [api],
    connections: [connection],
    clients: [{ ...client, ...more }],
  });

  it("a client id that appears twice", () => {
    refuses({ clients: [client, client] }, ['clients: "assistant" appears twice']);
  });

  it("an audience that appears twice", () => {
    refuses({ apis: [api, api] }, ['apis: "https://shop.example/" appears twice']);
  });

  it("a connection name that appears twice", () => {
    refuses({ connections: [connection, connection] }, ['connections: "calendar" appears twice']);
  });

  for (const own of ["me", "admin", "fga", "approvals"])
    it(`an API with the audience of our own ${own} API`, () => {
      const audience = `http://localhost:4000/${own}/`;
      refuses({ apis: [{ ...api, audience }] }, [
        `apis.0.audience: "${audience}" is an API of this server; leave it out`,
      ]);
    });

  it("a client of an API that does not exist", () => {
    refuses(withClient({ apis: { "https://other.example/": { scopes: [] } } }), [
      'clients.0.apis: no api has the audience "https://other.example/"',
    ]);
  });

  it("a client with a scope its API does not have", () => {
    refuses(withClient({ apis: { [api.audience]: { scopes: ["buy", "sell"] } } }), [
      'clients.0.apis.https://shop.example/: the api has no scope "sell"',
    ]);
  });

  it("a scope of our own API that does not exist", () => {
    refuses(withClient({ apis: { "http://localhost:4000/admin/": { scopes: ["root"] } } }), [
      'clients.0.apis.http://localhost:4000/admin/: the api has no scope "root"',
    ]);
  });

  const agent = (connections: object) => ({ agent: { owner: "Support", purpose: "Answers", connections } });

  it("an agent of a connection that does not exist", () => {
    refuses(withClient(agent({ mail: { scopes: [] } })), [
      'clients.0.agent.connections: there is no connection "mail"',
    ]);
  });

  for (const scope of ["write", "constructor", "toString"])
    it(`an agent with the scope ${scope}, which its connection does not have`, () => {
      refuses(withClient(agent({ calendar: { scopes: ["read", scope] } })), [
        `clients.0.agent.connections.calendar: the connection has no scope "${scope}"`,
      ]);
    });

  for (const field of ["redirectUris", "postLogoutRedirectUris"])
    for (const uri of [
      "http://app.example/cb",
      "javascript:alert(1)",
      "com.example.app:/cb",
      "https://app.example/cb#part",
      "https://good.example\t.evil.example/",
      " https://app.example/",
      "/cb",
      "",
    ])
      it(`${JSON.stringify(uri)} among ${field}`, () => {
        refuses(withClient({ [field]: [uri] }), [
          `clients.0.${field}: "${uri}" must be https, or http on loopback, without fragment`,
        ]);
      });

  for (const grant of ["client_credentials", "ciba", "token_vault"])
    it(`the grant ${grant} for a client without secret`, () => {
      refuses({ clients: [{ id: "spa", name: "App", grantTypes: ["authorization_code", grant] }] }, [
        "clients.0: a client without secret or keys may use authorization_code, refresh_token, device_code, passkey, mfa only",
      ]);
    });

  for (const [name, keys, problem] of [
    [
      "a secret and keys",
      { jwks: { keys: [PUBLIC_KEY] }, secret: { env: "SECRET" } },
      "clients.0.secret: a client has a secret or keys, not both",
    ],
    [
      "keys in two places",
      { jwks: { keys: [PUBLIC_KEY] }, jwksUri: "https://app.example/jwks" },
      "clients.0.jwksUri: a client has jwks or jwksUri, not both",
    ],
    [
      "a private key",
      { jwks: { keys: [{ ...PUBLIC_KEY, d: "AA" }] } },
      'clients.0.jwks.keys.0: Unrecognized key: "d"',
    ],
    [
      "a shared key",
      { jwks: { keys: [{ kty: "oct", k: "AA" }] } },
      "clients.0.jwks.keys.0.kty: Invalid discriminator value. Expected 'EC' | 'OKP' | 'RSA'",
    ],
    ["no key", { jwks: { keys: [] } }, "clients.0.jwks.keys: Too small: expected array to have >=1 items"],
    [
      "a short RSA key",
      { jwks: { keys: [{ kty: "RSA", n: "AQAB", e: "AQAB" }] } },
      "clients.0.jwks.keys.0.n: at least 2,048 bits",
    ],
    [
      "keys at an address that is not https",
      { jwksUri: "http://app.example/jwks" },
      "clients.0.jwksUri: an https URL, or http on loopback",
    ],
  ] as const)
    it(`a client with ${name}`, () => {
      refuses({ clients: [{ id: "machine", name: "Machine", ...keys }] }, [problem]);
    });

  it("certificates of clients that nobody could check", () => {
    const own = { certificates: [OWN.cert] };
    const machine = { id: "machine", name: "Machine", grantTypes: ["client_credentials"] };
    const listen = { tls: { certFile: "server.pem", keyFile: "server.key" }, mtls: { port: 8443 } };
    const cases: [object, string, object?][] = [
      [{ selfSignedTlsClientAuth: own }, ": a client that uses certificates needs listen.mtls", {}],
      [
        { tlsClientAuth: { by: "san_dns", value: "a.example" } },
        ".tlsClientAuth: set listen.mtls.caFile to the authority of the clients' certificates",
      ],
      [
        { selfSignedTlsClientAuth: {} },
        ".selfSignedTlsClientAuth: name certificates, or give jwks whose keys have x5c",
      ],
      [
        { selfSignedTlsClientAuth: own, jwksUri: "https://app.example/jwks" },
        ".jwksUri: certificates are read from jwks alone, not from an address",
      ],
      [
        { selfSignedTlsClientAuth: own, secret: { env: "SECRET" } },
        ".secret: a client has a secret or keys, not both",
      ],
      [
        { selfSignedTlsClientAuth: { certificates: ["x"] } },
        ".selfSignedTlsClientAuth.certificates.0: an X.509 certificate: PEM, or DER as base64",
      ],
      [
        { jwks: { keys: [{ ...PUBLIC_KEY, x5c: [OWN.der] }] } },
        ".jwks.keys.0.x5c: the first certificate is of another key",
      ],
      ...(
        [
          ["san_dns", "*.example"],
          ["san_ip", "machine"],
          ["san_email", "machine"],
          ["san_uri", "machine"],
          ["subject_dn", "machine"],
        ] as const
      ).map(([by, value]): [object, string] => [
        { tlsClientAuth: { by, value } },
        `.tlsClientAuth.value: "${value}" is no ${by}`,
      ]),
    ];
    for (const [entry, problem, where = { listen }] of cases)
      assert.throws(
        () => parse({ clients: [{ ...machine, ...entry }], ...where }),
        (error: ConfigError) => error.problems.includes(`clients.0${problem}`),
        problem,
      );
    refuses({ listen: { mtls: { port: 8443 } } }, [
      "listen.mtls: needs listen.tls; a certificate that a proxy reports is not believed",
    ]);
  });

  it("a connection without the secret that its way to authenticate needs", () => {
    const { clientSecret: _, ...bare } = connection;
    refuses({ connections: [bare] }, [
      "connections.0.clientSecret: client_secret_post needs one; or set clientAuthMethod to none",
    ]);
    assert.equal(parse({ connections: [{ ...bare, clientAuthMethod: "none" }] }).connections.length, 1);
  });

  for (const length of [1, 42])
    it(`a client secret of ${length} characters, naming the path and not the value`, () => {
      refuses(withClient({}), ["clients.0.secret: must have at least 43 characters (256 random bits)"], {
        ...sources,
        env: { ...env, SECRET: "x".repeat(length) },
      });
    });

  const production = { production: true, issuer: "https://id.example/", rootKey: { file: "root.key" } };

  it("private egress in production", () => {
    assert.ok(
      problemsOf(() => parse({ ...production, egress: { allow: ["localhost:80"] } })).includes(
        "egress.allow: private addresses are refused in production",
      ),
    );
  });

  it("an http issuer in production", () => {
    assert.ok(
      problemsOf(() => parse({ ...production, issuer: "http://localhost:4000/" })).includes(
        "issuer: must be https in production",
      ),
    );
  });

  it("a root key from the environment in production", () => {
    refuses({ ...production, rootKey: { env: "ROOT_KEY" } }, [
      "rootKey: use a file in production; an environment leaks into children",
    ]);
  });

  for (const allow of ["localhost", "http://localhost:80", "localhost:80/x", "[::1]:80", ""])
    it(`${JSON.stringify(allow)} as an egress exception`, () => {
      refuses({ egress: { allow: [allow] } }, ["egress.allow.0: host:port"]);
    });
});

describe("secrets", () => {
  it("that are missing from the environment are named by path and variable", () => {
    const from = { ...sources, env: {} };
    refuses(
      { clients: [client], connections: [connection], fga: { presharedKeys: [{ env: "FGA" }] } },
      [
        "clients.0.secret: the environment variable SECRET is missing or empty",
        "connections.0.clientSecret: the environment variable PROVIDER_SECRET is missing or empty",
        "fga.presharedKeys.0: the environment variable FGA is missing or empty",
        "rootKey: the environment variable ROOT_KEY is missing or empty",
      ],
      from,
    );
  });

  it("that are blank count as missing, once", () => {
    refuses(
      { clients: [client] },
      ["clients.0.secret: the environment variable SECRET is missing or empty"],
      {
        ...sources,
        env: { ...env, SECRET: "  " },
      },
    );
  });

  for (const secret of ["plain text", { env: "SECRET", file: "x" }, {}, { value: "x" }])
    it(`may not be given as ${JSON.stringify(secret)}`, () => {
      assert.match(
        problemsOf(() => parse({ clients: [{ ...client, secret }] })).join(),
        /^clients\.0\.secret/,
      );
    });
});

describe("the configuration file", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "behalf-config-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const yaml = (more = "") =>
    `issuer: http://localhost:4000/\nstorage: sqlite:behalf.db\nrootKey: { file: root.key }\n${more}`;

  it("is read with secrets from files beside it, and knows where the root key is", () => {
    write("root.key", "key\n");
    write("client.secret", `${SECRET}\n`);
    const path = write("ok.yaml", yaml("clients: [{ id: a, name: A, secret: { file: client.secret } }]\n"));
    const config = loadConfig(path, {});
    assert.deepEqual(config.rootKeySource, { file: join(folder, "root.key") });
    assert.equal(reveal(config.rootKey), "key");
    assert.equal(config.storage, `sqlite:${join(folder, "behalf.db")}`);
    assert.ok(config.clients[0]?.secret);
    assert.equal(reveal(config.clients[0].secret), SECRET);
  });

  it("that is missing is named with the command that writes one", () => {
    const path = join(folder, "none.yaml");
    assert.deepEqual(
      problemsOf(() => loadConfig(path, {})),
      [`${path} does not exist; run "behalf init" to write one`],
    );
  });

  it("that is a folder is a problem, not a stack trace", () => {
    assert.match(problemsOf(() => loadConfig(folder, {})).join(), /cannot be read/);
  });

  it("with a syntax error is refused with line and column", () => {
    const path = write("broken.yaml", "issuer: [\nstorage: x\n");
    assert.match(problemsOf(() => loadConfig(path, {})).join(), /broken\.yaml: .*at line \d+, column \d+/s);
  });

  it("with a key that appears twice is refused", () => {
    const path = write("twice.yaml", `${yaml()}issuer: http://localhost:5000/\n`);
    assert.match(problemsOf(() => loadConfig(path, {})).join(), /unique/);
  });

  it("whose secret file is a folder or missing names it", () => {
    mkdirSync(join(folder, "dir.key"));
    for (const file of ["dir.key", "gone.key"]) {
      const path = write("secret.yaml", yaml().replace("root.key", file));
      assert.deepEqual(
        problemsOf(() => loadConfig(path, {})),
        [`rootKey: the file ${file} is missing or empty`],
      );
    }
  });

  it("finds TLS files beside it and names those it cannot read", () => {
    write("root.key", "key\n");
    write("cert.pem", "cert");
    const path = write("tls.yaml", yaml("listen: { tls: { certFile: cert.pem, keyFile: key.pem } }\n"));
    assert.deepEqual(
      problemsOf(() => loadConfig(path, {})),
      [`listen.tls.keyFile: the file ${join(folder, "key.pem")} cannot be read`],
    );
    write("key.pem", "key");
    chmodSync(join(folder, "key.pem"), 0o600);
    assert.equal(loadConfig(path, {}).listen.tls?.certFile, join(folder, "cert.pem"));
  });
});

describe("mail and texts", () => {
  const mail = (smtp: object, from = "Behalf <no-reply@id.example>") => ({
    mail: { from, smtp: { host: "smtp.example", ...smtp } },
  });
  const production = { production: true, issuer: "https://id.example/", rootKey: { file: "/keys" } };
  const problems = (more: object) =>
    problemsOf(() => parse(more)).filter((problem) => /^(mail|sms)/.test(problem));

  it("mail asks for STARTTLS on port 587 unless the server is on loopback", () => {
    const smtpOf = (more: object) => parse(mail(more)).mail?.smtp;
    assert.deepEqual([smtpOf({})?.port, smtpOf({})?.requireTls, smtpOf({})?.secure], [587, true, false]);
    for (const host of ["localhost", "127.0.0.1", "::1"]) assert.equal(smtpOf({ host })?.requireTls, false);
    assert.equal(smtpOf({ host: "localhost.example" })?.requireTls, true);
  });

  it("mail in clear is refused in production, but on loopback", () => {
    const refused = "mail.smtp.requireTls: mail without TLS is refused in production, but on loopback";
    assert.deepEqual(problems({ ...production, ...mail({ requireTls: false }) }), [refused]);
    for (const smtp of [{ requireTls: false, secure: true }, {}, { host: "127.0.0.1" }])
      assert.deepEqual(
        problemsOf(() => parse({ ...production, ...mail(smtp), nonsense: 1 })).filter((one) =>
          one.startsWith("mail"),
        ),
        [],
      );
    assert.equal(parse(mail({ requireTls: false })).mail?.smtp.requireTls, false);
  });

  it("user and password belong together", () => {
    const half = "user and password belong together; give both or neither";
    assert.deepEqual(problems(mail({ user: "sender" })), [`mail.smtp: ${half}`]);
    assert.deepEqual(problems(mail({ password: { env: "SECRET" } })), [`mail.smtp: ${half}`]);
    const sms = { url: "https://sms.example/", from: "Behalf", format: "json", user: "a" };
    assert.deepEqual(problems({ sms }), [`sms: ${half}`]);
  });

  it("a sender that would carry a second header or address is refused", () => {
    for (const from of [
      "Behalf <a@id.example>\r\nBcc: all@evil.example",
      "a@id.example, b@id.example",
      "Behalf <a@id.example> <b@id.example>",
      "nobody",
      "",
    ])
      assert.equal(problems(mail({}, from)).length, 1, from);
  });

  it("a gateway on loopback needs its place in egress.allow", () => {
    const sms = { url: "http://127.0.0.1:4430/messages", from: "+15005550006", format: "json" };
    assert.deepEqual(problems({ sms }), [
      'sms.url: add "127.0.0.1:4430" to egress.allow, it is a private address',
    ]);
    assert.equal(parse({ sms, egress: { allow: ["127.0.0.1:4430"] } }).sms?.format, "json");
  });

  it("a gateway in clear is refused elsewhere than on loopback, and so is an unknown form", () => {
    assert.equal(problems({ sms: { url: "http://sms.example/", from: "Behalf", format: "json" } }).length, 1);
    assert.equal(problems({ sms: { url: "https://sms.example/", from: "Behalf", format: "xml" } }).length, 1);
  });
});
