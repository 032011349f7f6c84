import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createEgress } from "../http/egress.ts";
import { createLog } from "../lib/log.ts";
import { createClientDocuments } from "./client-documents.ts";

/** A host of documents that answers when it is told to, and counts who asked. */
async function setUp(t: TestContext) {
  const asked: string[] = [];
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const host: Server = createServer(async (request, response) => {
    asked.push(request.url ?? "");
    await gate;
    const client_id = addressOf(request.url ?? "");
    response.end(JSON.stringify({ client_id, redirect_uris: ["https://app.example/cb"] }));
  });
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  const { port } = host.address() as AddressInfo;
  const addressOf = (path: string) => `http://127.0.0.1:${port}${path}`;
  t.after(() => host.close());
  const clock = { now: () => 0 };
  const documents = createClientDocuments({
    egress: createEgress({ allow: [`127.0.0.1:${port}`] }),
    clock,
    log: createLog({ write: () => undefined, clock, level: "silent" }),
  });
  return { asked, addressOf, documents, open };
}

describe("documents of clients", () => {
  it("are asked for once, however many requests name one", async (t) => {
    const { asked, addressOf, documents, open } = await setUp(t);
    const found = Array.from({ length: 64 }, () => documents.find(addressOf("/one")));
    open();
    assert.ok((await Promise.all(found)).every((client) => client?.id === addressOf("/one")));
    await documents.find(addressOf("/one"));
    assert.deepEqual(asked, ["/one"]);
  });

  it("are not asked for while many others are, and are afterwards", async (t) => {
    const { asked, addressOf, documents, open } = await setUp(t);
    const found = Array.from({ length: 50 }, (_, i) => documents.find(addressOf(`/${i}`)));
    open();
    const clients = (await Promise.all(found)).filter((client) => client !== undefined);
    assert.ok(clients.length <= 16 && asked.length <= 16, `${clients.length} ${asked.length}`);
    assert.ok(await documents.find(addressOf("/49")));
  });
});
