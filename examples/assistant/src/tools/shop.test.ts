import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { BehalfError } from "@behalf/sdk";
import { createShop, findItem, isRefusal, totalOf } from "./shop.ts";

const ITEMS = [
  { id: "kettle", name: "Electric kettle", price: "39.90", currency: "EUR" },
  { id: "notebook", name: "Notebook, dotted, A5", price: "7.50", currency: "EUR" },
  { id: "desk-lamp", name: "Desk lamp", price: "54.00", currency: "EUR" },
];

/** A server that answers as it is told and ends with the test. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
}

describe("the shop's items", () => {
  for (const wanted of ["kettle", "Kettles", "electric kettle", "ELECTRIC KETTLES"])
    it(`takes “${wanted}” for the kettle`, () => {
      assert.equal(findItem(ITEMS, wanted)?.id, "kettle");
    });

  for (const wanted of ["", "  ", "lamp shade", "spaceship", "kettle and notebook"])
    it(`finds nothing for “${wanted}”`, () => {
      assert.equal(findItem(ITEMS, wanted), undefined);
    });

  it("adds up without a floating-point number", () => {
    assert.deepEqual(
      [totalOf("39.90", 2), totalOf("0.10", 3), totalOf("0.01", 1), totalOf("999999.99", 100)],
      ["79.80", "0.30", "0.01", "99999999.00"],
    );
  });
});

describe("the shop's API", () => {
  it("quotes the catalogue's price, never the one that somebody asks for", async (t) => {
    const url = await serve(t, (_, response) => response.end(JSON.stringify({ items: ITEMS })));
    const { purchase } = await createShop({ url }).quote("notebooks", 3);
    assert.deepEqual(purchase, { item: "notebook", quantity: 3, amount: "22.50", currency: "EUR" });
  });

  it("names what there is when it has no such thing", async (t) => {
    const url = await serve(t, (_, response) => response.end(JSON.stringify({ items: ITEMS })));
    await assert.rejects(createShop({ url }).quote("spaceship", 1), (error: unknown) => {
      assert.ok(BehalfError.is(error, "shop.unknown_item"));
      assert.match(error.message, /Electric kettle \(39\.90 EUR\)/);
      return true;
    });
  });

  it("hands on the shop's refusal in the shop's words", async (t) => {
    const url = await serve(t, (_, response) => {
      response.statusCode = 404;
      response.end(JSON.stringify({ error: "not_found", error_description: "There is no such order." }));
    });
    const answer = await createShop({ url }).order("a-token", "ord_1");
    assert.ok(isRefusal(answer));
    assert.deepEqual([answer.status, answer.message], [404, "There is no such order."]);
  });

  it("says that trying again may help when nobody answers", async () => {
    const shop = createShop({ url: "http://127.0.0.1:9" });
    await assert.rejects(shop.catalogue(), (error: unknown) => {
      assert.ok(BehalfError.is(error, "network.unreachable"));
      assert.equal(error.retryable, true);
      return true;
    });
  });
});
