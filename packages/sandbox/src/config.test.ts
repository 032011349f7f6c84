import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCommand } from "./config.ts";

const PROVIDER = ["provider", "--data", "p.sqlite", "--redirect-uri", "http://127.0.0.1:9/cb"];
const SHOP = ["shop", "--data", "s.sqlite", "--issuer", "http://127.0.0.1:9/"];

test("a provider has a client, a port and a generated secret unless it is told otherwise", () => {
  assert.deepEqual(parseCommand(PROVIDER, {}), {
    program: "provider",
    json: false,
    port: 4410,
    dataFile: "p.sqlite",
    client: {
      clientId: "behalf",
      clientSecret: undefined,
      redirectUris: ["http://127.0.0.1:9/cb"],
      name: undefined,
    },
  });
});

test("the environment configures the client", () => {
  const env = {
    BEHALF_SANDBOX_CLIENT_ID: "app",
    BEHALF_SANDBOX_CLIENT_SECRET: "secret",
    BEHALF_SANDBOX_REDIRECT_URIS: "http://127.0.0.1:1/a http://127.0.0.1:1/b",
  };
  const command = parseCommand(["provider", "--data", "p.sqlite"], env);
  assert.ok(command.program === "provider");
  assert.deepEqual(command.client, {
    clientId: "app",
    clientSecret: "secret",
    redirectUris: ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"],
    name: undefined,
  });
});

test("a flag wins over its variable", () => {
  const env = { BEHALF_SANDBOX_CLIENT_ID: "app", BEHALF_SANDBOX_REDIRECT_URIS: "http://127.0.0.1:1/a" };
  const command = parseCommand([...PROVIDER, "--client-id", "flag"], env);
  assert.ok(command.program === "provider");
  assert.equal(command.client.clientId, "flag");
  assert.deepEqual(command.client.redirectUris, ["http://127.0.0.1:9/cb"]);
});

test("redirect URIs may be repeated", () => {
  const command = parseCommand([...PROVIDER, "--redirect-uri", "http://127.0.0.1:9/b"], {});
  assert.ok(command.program === "provider");
  assert.equal(command.client.redirectUris.length, 2);
});

test("a shop has a port unless it is told otherwise", () => {
  assert.deepEqual(parseCommand(SHOP, {}), {
    program: "shop",
    json: false,
    port: 4420,
    dataFile: "s.sqlite",
    issuer: "http://127.0.0.1:9/",
  });
});

test("a mailbox has two ports unless it is told otherwise", () => {
  assert.deepEqual(parseCommand(["mailbox", "--data", "m.sqlite"], {}), {
    program: "mailbox",
    json: false,
    port: 4430,
    dataFile: "m.sqlite",
    smtpPort: 4431,
  });
});

test("--help wins over what is missing", () => {
  assert.deepEqual(parseCommand(["--help"], {}), { program: "help" });
});

for (const [args, message] of [
  [[], /provider, shop or mailbox/],
  [["bank"], /provider, shop or mailbox/],
  [[...SHOP, "provider"], /provider, shop or mailbox/],
  [["mailbox"], /--data/],
  [["mailbox", "--data", "m", "--issuer", "x"], /--issuer does not belong to the mailbox/],
  [["mailbox", "--data", "m", "--smtp-port", "x"], /--smtp-port must be/],
  [[...SHOP, "--smtp-port", "25"], /--smtp-port does not belong to the shop/],
  [["provider", "--redirect-uri", "http://127.0.0.1:9/"], /--data/],
  [["provider", "--data", ":memory:", "--redirect-uri", "http://127.0.0.1:9/"], /--data/],
  [["provider", "--data", "p.sqlite"], /--redirect-uri/],
  [["shop", "--data", "s.sqlite"], /--issuer/],
  [[...SHOP, "--client-id", "x"], /--client-id does not belong to the shop/],
  [[...PROVIDER, "--audience", "x"], /--audience does not belong to the provider/],
  [[...SHOP, "--port", "70000"], /--port must be/],
  [[...SHOP, "--port", "http"], /--port must be/],
  [[...SHOP, "--colour"], /--colour/],
] as const) {
  test(`the command line [${args.join(" ")}] is refused with what to write`, () => {
    assert.throws(() => parseCommand(args, {}), { name: "StartError", exitCode: 2, message });
  });
}
