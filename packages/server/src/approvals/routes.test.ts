import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEngines } from "../storage/testing.ts";
import {
  type Bench,
  createBench,
  ISSUER,
  type Opened,
  type Person,
  purchase,
  testClient,
} from "./testing.ts";

const get = (bench: Bench, path: string, person?: Person, headers: Record<string, string> = {}) =>
  bench.approvals.routes.request(new URL(path, ISSUER), {
    headers: { ...(person ? { cookie: person.cookie } : {}), ...headers },
  });

const post = (bench: Bench, path: string, person: Person | undefined, body: URLSearchParams | string) =>
  bench.approvals.routes.request(new URL(path, ISSUER), {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      origin: new URL(ISSUER).origin,
      ...(person ? { cookie: person.cookie } : {}),
    },
    body: String(body),
  });

const pathOf = ({ id }: Opened) => `/approvals/${id}`;

/** Hidden fields of the form on a page. */
function fieldsOf(page: string): Record<string, string> {
  const fields = page.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g);
  return Object.fromEntries([...fields].map(([, name = "", value = ""]) => [name, value]));
}

/** The form of the page as the person's browser would send it. */
async function formOf(bench: Bench, opened: Opened, person = bench.anne): Promise<Record<string, string>> {
  return fieldsOf(await (await get(bench, pathOf(opened), person)).text());
}

const stateOf = async (bench: Bench, opened: Opened) => (await bench.approvals.poll(opened.key)).state;

for (const engine of testEngines())
  describe(`approval pages on ${engine.name}`, () => {
    it("send somebody who is not logged in to log in, and back", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      for (const [path, response] of [
        ["/approvals", await get(bench, "/approvals")],
        [pathOf(opened), await get(bench, pathOf(opened))],
        [pathOf(opened), await post(bench, pathOf(opened), undefined, "decision=approve")],
      ] as const) {
        assert.equal(response.status, 303);
        assert.equal(response.headers.get("location"), bench.deps.sessions.loginAddress(path));
      }
      assert.equal(await stateOf(bench, opened), "pending");
    });

    it("list what waits for the user, newest first, then earlier requests, and nobody else's", async () => {
      await using bench = await createBench(engine);
      const older = await bench.open({ details: [{ ...purchase, item: "older" }] });
      const denied = await bench.open();
      await bench.answer(denied, "deny");
      bench.clock.advance(1_000);
      const newer = await bench.open();
      const foreign = await bench.open({ userId: bench.ben.id });
      const page = await (await get(bench, "/approvals", bench.anne)).text();
      const order = [newer, older, denied].map(({ id }) => page.indexOf(id));
      assert.ok(
        order.every((at, i) => at > (order[i - 1] ?? 0)),
        String(order),
      );
      assert.ok(!page.includes(foreign.id));
      assert.match(page, /Shopping helper/);
      assert.match(page, /for another 5 minutes/);
      assert.match(page, /Denied · Jan 1, 2030/);
    });

    it("say that nothing waits", async () => {
      await using bench = await createBench(engine);
      const page = await (await get(bench, "/approvals", bench.anne)).text();
      assert.match(page, /Nothing is waiting/);
      assert.doesNotMatch(page, /Earlier requests/);
    });

    it("show who asks, where, what exactly, with which rights, until when, and what the agent says", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const response = await get(bench, pathOf(opened), bench.anne);
      const page = await response.text();
      assert.equal(response.status, 200);
      for (const fact of [
        "Shopping helper",
        "Example Ltd",
        "Buys what you ask for",
        "<bdi>Shop</bdi>",
        "Place orders for you",
        "Know who you are",
        "Desk lamp",
        "€49.90",
        "for another 5 minutes",
        "12:05 PM UTC",
        opened.digest.slice(0, 16),
      ])
        assert.ok(page.includes(fact), fact);
      assert.match(
        page,
        /The agent says<\/h2><blockquote><q><bdi>Buy a lamp<\/bdi><\/q><\/blockquote>\s*<p[^>]*>These are the agent/,
      );
      assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'/);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.doesNotMatch(page, /<script/);
    });

    it("offer two filled buttons of one size and neither by default", async () => {
      await using bench = await createBench(engine);
      const page = await (await get(bench, pathOf(await bench.open()), bench.anne)).text();
      const buttons = page.match(/<button[^>]*>/g);
      assert.deepEqual(buttons, [
        '<button class="deny" name="decision" value="deny">',
        '<button name="decision" value="approve">',
      ]);
      assert.doesNotMatch(page, /autofocus|<input type="(?!hidden)/);
    });

    it("speak Japanese, and keep a language that was chosen in the address", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const accepted = await (
        await get(bench, pathOf(opened), bench.anne, { "accept-language": "ja" })
      ).text();
      assert.match(accepted, /<html lang="ja">[\s\S]*拒否する<\/button>[\s\S]*承認する<\/button>/);
      const chosen = await (await get(bench, `${pathOf(opened)}?lang=ja`, bench.anne)).text();
      assert.ok(chosen.includes(`action="${pathOf(opened)}?lang=ja"`));
      const answered = await post(
        bench,
        `${pathOf(opened)}?lang=ja`,
        bench.anne,
        new URLSearchParams({ ...fieldsOf(chosen), decision: "deny" }),
      );
      assert.equal(answered.headers.get("location"), `${pathOf(opened)}?lang=ja`);
    });

    it("say when an agent gave no details, registered itself, or named no API", async () => {
      await using bench = await createBench(engine);
      bench.clients.set("agent", testClient("agent", { source: "runtime", agent: undefined }));
      const opened = await bench.open({ details: [], audience: undefined, scopes: ["openid", "odd:scope"] });
      const page = await (await get(bench, pathOf(opened), bench.anne)).text();
      for (const fact of [
        "did not say exactly what it would do",
        "it registered itself",
        "No particular service",
        "<code><bdi>odd:scope</bdi></code>",
      ])
        assert.ok(page.includes(fact), fact);
    });

    it("make the hostile name of an agent visible, in the title too", async () => {
      await using bench = await createBench(engine);
      bench.clients.set("agent", testClient("agent", { name: "Bank\u202e<b>\u200b" }));
      const page = await (await get(bench, pathOf(await bench.open()), bench.anne)).text();
      assert.match(page, /<title>Bank\[U\+202E\]&lt;b&gt;\[U\+200B\] asks/);
      assert.match(
        page,
        /<h1><bdi>Bank<wbr><mark>U\+202E<\/mark>&lt;b&gt;<wbr><mark>U\+200B<\/mark><\/bdi> asks/,
      );
      const inbox = await (await get(bench, "/approvals", bench.anne)).text();
      assert.doesNotMatch(inbox + page, /[\u202e\u200b]|<b>/);
    });

    for (const [decision, state, sentence] of [
      ["approve", "approved", "You approved this request."],
      ["deny", "denied", "You denied this request."],
    ] as const)
      it(`take the answer ${decision}, and say so afterwards without a form`, async () => {
        await using bench = await createBench(engine);
        const opened = await bench.open();
        const form = new URLSearchParams({ ...(await formOf(bench, opened)), decision });
        const response = await post(bench, pathOf(opened), bench.anne, form);
        assert.deepEqual([response.status, response.headers.get("location")], [303, pathOf(opened)]);
        assert.equal(await stateOf(bench, opened), state);
        const page = await (await get(bench, pathOf(opened), bench.anne)).text();
        assert.ok(page.includes(sentence));
        assert.doesNotMatch(page, /<form|<button/);
        assert.doesNotMatch(page, /for another/, "an answered request waits no longer");
      });

    it("refuse a form without the session's csrf, with another session's, or from another site", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const { csrf = "", digest = "" } = await formOf(bench, opened);
      const other = await bench.open({ userId: bench.ben.id });
      const foreign = (await formOf(bench, other, bench.ben))["csrf"] ?? "";
      assert.ok(csrf.length > 20 && foreign !== csrf);
      for (const value of [undefined, "", foreign, `${csrf}x`]) {
        const form = new URLSearchParams({
          digest,
          decision: "approve",
          ...(value === undefined ? {} : { csrf: value }),
        });
        assert.equal((await post(bench, pathOf(opened), bench.anne, form)).status, 403);
      }
      const crossSite = await bench.approvals.routes.request(new URL(pathOf(opened), ISSUER), {
        method: "POST",
        headers: {
          cookie: bench.anne.cookie,
          origin: "https://evil.example",
          "content-type": "application/x-www-form-urlencoded",
        },
        body: String(new URLSearchParams({ csrf, digest, decision: "approve" })),
      });
      assert.equal(crossSite.status, 403);
      assert.equal(await stateOf(bench, opened), "pending");
    });

    it("answer another user's approval exactly as a missing one", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const own = await bench.open({ userId: bench.ben.id });
      const { csrf = "" } = await formOf(bench, own, bench.ben);
      const form = new URLSearchParams({ csrf, digest: opened.digest, decision: "approve" });
      const seen = async (response: Response) => [
        response.status,
        [...response.headers],
        await response.text(),
      ];
      const missing = await seen(await get(bench, "/approvals/apr_00000000000000000000000000", bench.ben));
      assert.equal(missing[0], 404);
      for (const id of [opened.id, opened.id.toUpperCase(), "x", "apr_%00", "apr_' or 1=1"])
        assert.deepEqual(await seen(await get(bench, `/approvals/${id}`, bench.ben)), missing, id);
      assert.deepEqual(await seen(await post(bench, pathOf(opened), bench.ben, form)), missing);
      assert.equal(await stateOf(bench, opened), "pending");
    });

    it("refuse an answer with another digest, and show the request again", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const fields = await formOf(bench, opened);
      for (const digest of ["", "0".repeat(64)]) {
        const form = new URLSearchParams({ ...fields, digest, decision: "approve" });
        const response = await post(bench, pathOf(opened), bench.anne, form);
        assert.equal(response.status, 409);
        assert.match(await response.text(), /not the one you were shown[\s\S]*<form/);
      }
      assert.equal(await stateOf(bench, opened), "pending");
    });

    it("refuse to approve a request that was changed in storage, and offer to deny it only", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const fields = await formOf(bench, opened);
      await bench.tamper(opened.id, { details: '[{"type":"purchase","item":"Car"}]' });
      const page = await (await get(bench, pathOf(opened), bench.anne)).text();
      assert.match(page, /no longer the one that was asked/);
      assert.doesNotMatch(page, /value="approve"/);
      const approve = await post(
        bench,
        pathOf(opened),
        bench.anne,
        new URLSearchParams({ ...fields, decision: "approve" }),
      );
      assert.equal(approve.status, 409);
      const deny = await post(
        bench,
        pathOf(opened),
        bench.anne,
        new URLSearchParams({ ...fields, decision: "deny" }),
      );
      assert.equal(deny.status, 303);
      assert.equal(await stateOf(bench, opened), "denied");
    });

    it("refuse a second answer, one that comes too late, and one for an agent that was switched off", async () => {
      await using bench = await createBench(engine);
      const [twice, late, off] = [await bench.open(), await bench.open(), await bench.open()];
      const fields = await formOf(bench, twice);
      const approve = async (opened: Opened) => {
        const form = new URLSearchParams({ ...fields, digest: opened.digest, decision: "approve" });
        const response = await post(bench, pathOf(opened), bench.anne, form);
        return [response.status, await response.text()] as const;
      };
      await approve(twice);
      const [secondStatus, second] = await approve(twice);
      assert.equal(secondStatus, 409);
      assert.match(second, /already been answered[\s\S]*You approved this request/);
      bench.clients.set("agent", testClient("agent", { disabledAt: 1 }));
      const [offStatus, offPage] = await approve(off);
      assert.equal(offStatus, 403);
      assert.match(offPage, /switched off/);
      bench.clock.advance(300_000);
      const [lateStatus, latePage] = await approve(late);
      assert.equal(lateStatus, 409);
      assert.match(latePage, /expired before you answered/);
      assert.doesNotMatch(latePage, /<form/);
    });

    it("change nothing for a form without a decision, with two, of another type, or too large", async () => {
      await using bench = await createBench(engine);
      const opened = await bench.open();
      const form = new URLSearchParams(await formOf(bench, opened));
      for (const [body, status] of [
        [String(form), 400],
        [`${form}&decision=yes`, 400],
        [`${form}&decision=deny&decision=approve`, 400],
        [`${form}&decision=approve&pad=${"x".repeat(5_000)}`, 413],
      ] as const)
        assert.equal((await post(bench, pathOf(opened), bench.anne, body)).status, status);
      const json = await bench.approvals.routes.request(new URL(pathOf(opened), ISSUER), {
        method: "POST",
        headers: { cookie: bench.anne.cookie, "content-type": "application/json" },
        body: JSON.stringify({ ...Object.fromEntries(form), decision: "approve" }),
      });
      assert.equal(json.status, 415);
      assert.equal(await stateOf(bench, opened), "pending");
    });
  });
