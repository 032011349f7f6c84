import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CommandFolder, openFolder } from "./testing.ts";

/** The JSON of an answer; its shape is what each test asserts. */
// biome-ignore lint/suspicious/noExplicitAny: asserted member by member
type Answer = any;

describe("the commands for organizations and roles", () => {
  let at: CommandFolder;
  before(async () => {
    at = openFolder();
    assert.equal((await at.behalf("init --email root@example.com")).code, 0);
  });
  after(() => at.close());

  const json = async (words: string): Promise<Answer> => (await at.behalf(`${words} --json`)).json;

  it("make one, add and remove a member by e-mail address, and list both", async () => {
    const made = await json("organizations create --name acme --display-name Acme");
    const { name } = await json("roles create --name buyer --description Buys");
    assert.deepEqual(
      (await json("roles list")).roles.map((role: Answer) => role.name),
      [name],
    );
    await json("organizations members add acme root@example.com --role buyer");
    const { members } = await json(`organizations members list ${made.id}`);
    assert.deepEqual([members[0].email, members[0].roles], ["root@example.com", ["buyer"]]);
    await json("organizations members remove ACME root@example.com");
    assert.deepEqual((await json("organizations members list acme")).members, []);
    assert.deepEqual(
      (await json("organizations list")).organizations.map((row: Answer) => row.name),
      ["acme"],
    );
  });

  it("invite once, and say the address once", async () => {
    await json("organizations create --name inviting");
    const { invitation_url: address } = await json("organizations invite inviting bob@example.com --days 1");
    assert.match(address, /\/invitations\?invitation=[\w-]{43}$/);
  });

  it("give a user roles everywhere", async () => {
    await json("roles create --name clerk");
    assert.deepEqual((await json("roles assign root@example.com --role clerk")).roles, ["clerk"]);
    assert.deepEqual((await json("roles assign root@example.com")).roles, []);
  });

  const refused: [string, number, RegExp][] = [
    ["organizations create --name org_x", 2, /not beginning with org_/],
    ["organizations create --name Acme", 2, /lower-case/],
    ["organizations members add nowhere root@example.com", 1, /no such organization/],
    ["organizations members remove acme root@example.com", 1, /no member/],
    ["organizations members add acme nobody@example.com", 1, /no user with the address/],
    ["organizations invite acme bob@example.com --days 31", 2, /--days/],
    ["organizations members", 2, /is no command/],
    ["roles create --name x --permission https://none.example/=x", 1, /no api has the audience/],
    ["roles create --name x --permission noscopes", 2, /--permission must look like/],
    ["roles assign root@example.com --role none", 1, /no role none/],
  ];
  for (const [words, code, message] of refused)
    it(`refuse "${words}"`, async () => {
      const answer = await at.behalf(words);
      assert.equal(answer.code, code, answer.err);
      assert.match(answer.err, message);
    });
});
