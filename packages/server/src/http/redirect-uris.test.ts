import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isRegisteredRedirect, redirectOrigins } from "./redirect-uris.ts";

const native = (...redirectUris: string[]) => ({ redirectUris, confidential: false });

describe("redirect addresses", () => {
  it("of a program on the person's machine take any port, and nothing else differs", () => {
    for (const host of ["127.0.0.1", "localhost", "[::1]"])
      for (const registered of [`http://${host}/cb`, `http://${host}:4711/cb`]) {
        const client = native(registered);
        for (const port of ["", ":1", ":80", ":4711", ":65535"])
          assert.equal(isRegisteredRedirect(client, `http://${host}${port}/cb`), true, `${host}${port}`);
        for (const wrong of [
          `http://${host}:0/cb`,
          `http://${host}:065/cb`,
          `http://${host}:65536/cb`,
          `http://${host}:+80/cb`,
          `http://${host}:/cb`,
          `http://${host}:80:90/cb`,
          `http://${host}:80@evil.example/cb`,
          `http://x@${host}:80/cb`,
          `http://${host}:80/cb/`,
          `http://${host}:80/cb?x`,
          `http://${host}:80/cb#`,
          `http://${host}:80/CB`,
          `http://${host}:80`,
          `https://${host}:80/cb`,
          `HTTP://${host}:80/cb`,
          `http://${host}.:80/cb`,
          `http://${host}.evil.example:80/cb`,
          `http://127.0.0.2:80/cb`,
          `http://${host}:80/c\tb`,
          `http://${host}:80/cb\n`,
          `http://${host}:80/x/../cb`,
          `http://${host}:80\\cb`,
        ])
          assert.equal(isRegisteredRedirect(client, wrong), false, wrong);
      }
  });

  it("do not take one spelling of loopback for another", () => {
    assert.equal(isRegisteredRedirect(native("http://127.0.0.1/cb"), "http://localhost:80/cb"), false);
    assert.equal(isRegisteredRedirect(native("http://localhost/cb"), "http://[::1]:80/cb"), false);
  });

  it("keep their port for a client with a secret, on the web, and beside addresses on the web", () => {
    const mixed = native("https://app.example/cb", "http://localhost:3000/cb", "http://127.0.0.1/cb");
    assert.equal(isRegisteredRedirect(mixed, "http://localhost:3001/cb"), false);
    assert.equal(isRegisteredRedirect(mixed, "http://127.0.0.1:3001/cb"), true);
    assert.equal(isRegisteredRedirect(mixed, "https://app.example:8443/cb"), false);
    const server = { redirectUris: ["http://localhost:3000/cb", "http://127.0.0.1/cb"], confidential: true };
    assert.equal(isRegisteredRedirect(server, "http://localhost:3000/cb"), true);
    assert.equal(isRegisteredRedirect(server, "http://localhost:3001/cb"), false);
    assert.equal(isRegisteredRedirect(server, "http://127.0.0.1:3001/cb"), false);
  });

  it("let a form of ours lead to any port where the port is free", () => {
    const mixed = native("https://app.example/cb", "http://localhost:3000/cb", "http://127.0.0.1/cb");
    assert.deepEqual(redirectOrigins(mixed), [
      "https://app.example",
      "http://localhost:3000",
      "http://127.0.0.1:*",
    ]);
    assert.deepEqual(redirectOrigins(native("http://[::1]:9/cb")), ["http://[::1]:*"]);
  });
});
