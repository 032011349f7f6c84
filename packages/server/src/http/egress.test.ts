import assert from "node:assert/strict";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createEgress, type EgressError, type EgressRequest } from "./egress.ts";

const opened: (Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  }
});

async function listen<T extends Server | TcpServer>(server: T): Promise<string> {
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address with one.
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (listener: RequestListener) => listen(createHttpServer(listener));

/** A peer that answers any request with exactly these bytes. */
const serveRaw = (answer: string) =>
  listen(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(answer));
    }),
  );

const failure = (code: EgressError["code"], message: RegExp) => (error: EgressError) => {
  assert.equal(error.name, "EgressError");
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

const fetchAllowed = (host: string, path = "/", init: EgressRequest = {}) =>
  createEgress({ allow: [host] }).fetch(`http://${host}${path}`, init);

describe("egress refuses", () => {
  const strict = createEgress({ allow: [] });
  const spellings = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/latest/meta-data/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://169.254.169.254/",
    "https://10.0.0.1:8443/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
  ];
  for (const url of spellings)
    it(`${url}, which is a private address`, async () => {
      await assert.rejects(
        strict.fetch(url),
        failure("egress.refused", /private address; add it to egress\.allow/),
      );
    });

  it("http to a public host", async () => {
    await assert.rejects(strict.fetch("http://198.41.0.4/"), failure("egress.refused", /not https/));
  });

  for (const url of ["file:///etc/passwd", "ftp://198.41.0.4/", "data:text/plain,x", "gopher://198.41.0.4/"])
    it(`the scheme of ${url}`, async () => {
      await assert.rejects(strict.fetch(url), failure("egress.refused", /not https/));
    });

  it("an address that carries credentials", async () => {
    await assert.rejects(
      strict.fetch("https://user:word@198.41.0.4/"),
      (error: EgressError) =>
        failure("egress.refused", /carries credentials/)(error) && !error.message.includes("word"),
    );
  });

  it("a private address at another port than the allowed one", async () => {
    const allowed = await serve((_request, response) => response.end("ok"));
    const other = await serve((_request, response) => response.end("must not be reached"));
    const egress = createEgress({ allow: [allowed] });
    assert.equal((await egress.fetch(`http://${allowed}/`)).status, 200);
    await assert.rejects(egress.fetch(`http://${other}/`), failure("egress.refused", /not https/));
  });

  it("another name of an allowed address", async () => {
    const host = await serve((_request, response) => response.end("ok"));
    const egress = createEgress({ allow: [host] });
    const port = host.split(":")[1];
    await assert.rejects(egress.fetch(`https://localhost:${port}/`), failure("egress.refused", /private/));
  });

  it("text that is no address", async () => {
    await assert.rejects(strict.fetch("not an address"), { name: "TypeError" });
  });
});

describe("egress", () => {
  it("sends method, headers and body, and hands back status, headers and body", async () => {
    const host = await serve(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      response.writeHead(201, { "x-seen": `${request.method} ${request.url} ${request.headers["x-a"]}` });
      response.end(body);
    });
    const answer = await fetchAllowed(host, "/token?x=1", {
      method: "POST",
      headers: { "x-a": "1" },
      body: "grant_type=ü",
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("x-seen"), "POST /token?x=1 1");
    assert.equal(await answer.text(), "grant_type=ü");
  });

  it("reaches a name that is allowed and resolves to loopback", async () => {
    const host = await serve((_request, response) => response.end("ok"));
    const named = host.replace("127.0.0.1", "localhost");
    assert.equal(await (await fetchAllowed(named)).text(), "ok");
  });

  for (const status of [301, 302, 303, 307, 308])
    it(`hands back a redirect ${status} instead of following it`, async () => {
      let followed = 0;
      const inner = await serve((_request, response) => {
        followed += 1;
        response.end();
      });
      const host = await serve((_request, response) =>
        response.writeHead(status, { location: `http://${inner}/` }).end(),
      );
      const answer = await createEgress({ allow: [host, inner] }).fetch(`http://${host}/`);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("location"), `http://${inner}/`);
      assert.equal(followed, 0);
    });

  it("keeps repeated headers apart", async () => {
    const host = await serve((_request, response) => {
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      response.end();
    });
    assert.deepEqual((await fetchAllowed(host)).headers.getSetCookie(), ["a=1", "b=2"]);
  });

  it("takes an answer without a body", async () => {
    const host = await serve((_request, response) => response.writeHead(204).end());
    assert.equal((await fetchAllowed(host)).status, 204);
  });

  it("opens a new connection for each request, so that none fails on a closed one", async () => {
    let connections = 0;
    const server = createHttpServer((_request, response) => response.end("ok"));
    server.on("connection", () => {
      connections += 1;
    });
    const host = await listen(server);
    await fetchAllowed(host);
    await fetchAllowed(host);
    assert.equal(connections, 2);
  });
});

describe("egress gives up", () => {
  it("on a body of more than 256 KiB, announced or not", async () => {
    const LIMIT = 256 * 1024;
    const host = await serve((request, response) => {
      const size = request.url === "/over" ? LIMIT + 1 : LIMIT;
      response.write("x".repeat(1));
      response.end("x".repeat(size - 1));
    });
    assert.equal((await (await fetchAllowed(host, "/at")).text()).length, LIMIT);
    await assert.rejects(fetchAllowed(host, "/over"), failure("egress.too_large", /too large a body/));
  });

  it("on a body that never ends", async () => {
    const host = await serve((_request, response) => {
      const pump = () => {
        while (!response.destroyed && response.write("x".repeat(16_384)));
        if (!response.destroyed) response.once("drain", pump);
      };
      pump();
    });
    await assert.rejects(fetchAllowed(host), failure("egress.too_large", /too large a body/));
  });

  it("when no answer comes in time", async () => {
    const host = await serve(() => undefined);
    const startedAt = performance.now();
    await assert.rejects(
      fetchAllowed(host, "/", { timeoutMs: 100 }),
      failure("egress.timeout", /did not answer in time/),
    );
    assert.ok(performance.now() - startedAt < 2_000);
  });

  it("when the answer trickles past the time", async () => {
    const host = await serve(async (_request, response) => {
      for (let i = 0; i < 100 && !response.destroyed; i++) {
        response.write("x");
        await delay(20);
      }
      response.end();
    });
    await assert.rejects(
      fetchAllowed(host, "/", { timeoutMs: 150 }),
      failure("egress.timeout", /did not answer in time/),
    );
  });

  it("when the caller aborts", async () => {
    const host = await serve(() => undefined);
    const controller = new AbortController();
    const running = fetchAllowed(host, "/", { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(running, failure("egress.unreachable", /cannot be reached/));
  });

  it("when nobody listens", async () => {
    const host = await serve(() => undefined);
    for (const server of opened.splice(0)) await new Promise((resolve) => server.close(resolve));
    await assert.rejects(fetchAllowed(host), failure("egress.unreachable", /cannot be reached/));
  });

  it("when the name does not resolve", async () => {
    const strict = createEgress({ allow: [] });
    await assert.rejects(
      strict.fetch("https://nobody.invalid/"),
      failure("egress.unreachable", /nobody\.invalid does not resolve/),
    );
  });

  it("when the connection ends inside the body", async () => {
    const host = await serveRaw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    await assert.rejects(fetchAllowed(host), failure("egress.unreachable", /cannot be reached/));
  });

  for (const answer of [
    "HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}\r\n\r\n`,
  ])
    it(`on an answer such as ${JSON.stringify(answer.slice(0, 40))}, without ending the process`, async () => {
      const host = await serveRaw(answer);
      await assert.rejects(fetchAllowed(host), failure("egress.unreachable", /./));
    });
});
