import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { at, failing } from "./harness/breakages.ts";
import { type Cell, type Driver, judge } from "./harness/subject.ts";
import { startWorld, type World } from "./harness/world.ts";

const DISCOVERY = "GET /.well-known/openid-configuration";

/** What the table of packages and features rests on. */
describe("a cell of the compatibility table", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world?.close());

  /** A package that asks for the metadata, and minds the answer or not. */
  const driver: Driver = Object.assign(
    async (command: string) => {
      const response = await fetch(`${world.issuer}.well-known/openid-configuration`);
      if (command === "carefully") assert.equal(response.status, 200, "the metadata are missing");
    },
    { notices: [] },
  );
  const cell = (change: Partial<Cell> = {}): Cell => ({
    requests: [DISCOVERY],
    broken: { "the metadata are missing": at(DISCOVERY)(failing()) },
    run: async (_world, drive) => void (await drive("carefully", {})),
    ...change,
  });
  const reasonOf = async (entry: Cell) => {
    const verdict = await judge(world, driver, entry);
    return "reason" in verdict ? verdict.reason : verdict.kind;
  };

  it("works when the run succeeds and each broken server turns it red", async () => {
    assert.deepEqual(await judge(world, driver, cell()), { kind: "works", brokenWays: 1 });
  });

  it("fails when a broken server leaves it green", async () => {
    const careless = cell({ run: async (_world, drive) => void (await drive("carelessly", {})) });
    assert.match(await reasonOf(careless), /not proven: it stays green where the metadata are missing/);
  });

  it("fails when the package asked the server nothing, or not what is claimed", async () => {
    assert.match(await reasonOf(cell({ run: async () => undefined })), /never asked GET/);
    assert.match(await reasonOf(cell({ requests: ["POST /oauth/token"] })), /never asked POST/);
  });

  it("does not count what the test or a person's browser asks", async () => {
    const aside = cell({
      run: (here, drive) => here.proxy.aside(async () => void (await drive("carefully", {}))),
    });
    assert.match(await reasonOf(aside), /never asked/);
    const byPerson = cell({
      async run(here) {
        const { agent } = await here.newUser();
        await agent.open(`${here.issuer}.well-known/openid-configuration`);
      },
    });
    assert.match(await reasonOf(byPerson), /never asked/);
  });

  it("fails when a breakage is never met", async () => {
    const broken = { "userinfo fails": at("GET /userinfo")(failing()) };
    assert.match(await reasonOf(cell({ broken })), /not proven: nothing was asked where userinfo fails/);
  });

  it("fails with what went wrong", async () => {
    const run = () => Promise.reject(new Error("no such thing"));
    assert.deepEqual(await judge(world, driver, cell({ run })), { kind: "fails", reason: "no such thing" });
  });
});
