import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { helpText, readSettings, SettingsError } from "./settings.ts";

const COMPLETE = {
  BEHALF_ISSUER: "http://localhost:4000/",
  BEHALF_CLIENT_ID: "assistant",
  BEHALF_CLIENT_SECRET: "the-client-secret",
  BEHALF_FGA_URL: "http://localhost:4000/",
  BEHALF_FGA_TOKEN: "the-preshared-key",
  SHOP_URL: "http://localhost:4200/",
  SHOP_AUDIENCE: "https://shop.example/",
  CALENDAR_URL: "http://localhost:4100",
  DATA_DIR: "data",
  SESSION_SECRET: "0123456789abcdef0123456789abcdef",
};

function problemsOf(args: string[], env: Record<string, string | undefined>): readonly string[] {
  try {
    readSettings(args, env);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems;
  }
  return [];
}

describe("settings", () => {
  it("names everything that is missing at once", () => {
    const problems = problemsOf([], {});
    for (const name of Object.keys(COMPLETE))
      assert.ok(
        problems.some((problem) => problem.startsWith(`${name} is missing`)),
        `${name} in ${problems.join("; ")}`,
      );
  });

  it("takes defaults for the port, the address and the model", () => {
    const { port, appUrl, model, calendarConnection } = readSettings([], COMPLETE);
    assert.deepEqual(
      [port, appUrl, model, calendarConnection],
      [3000, "http://localhost:3000", undefined, "calendar"],
    );
  });

  it("lets a flag win over the environment, and cuts slashes where paths are appended", () => {
    const settings = readSettings(["--port", "3100", "--shop-url", "http://localhost:1/"], COMPLETE);
    assert.deepEqual([settings.port, settings.shopUrl], [3100, "http://localhost:1"]);
    assert.equal(settings.issuer, "http://localhost:4000/", "the issuer stays what it is, byte for byte");
  });

  it("takes no secret from the command line, where other users of the machine could read it", () => {
    const [problem] = problemsOf(["--client-secret", "x"], COMPLETE);
    assert.match(problem ?? "", /--client-secret/);
    assert.doesNotMatch(helpText(), /--client-secret|--session-secret|--fga-token/);
  });

  for (const [name, value, expected] of [
    ["PORT", "eighty", /PORT must be a whole number/],
    ["PORT", "65536", /PORT must be a whole number/],
    ["SHOP_URL", "shop", /SHOP_URL must be a URL/],
    ["SESSION_SECRET", "short", /SESSION_SECRET is too short/],
    ["ASSISTANT_MODEL", "gpt", /<provider>\/<model>/],
    ["ASSISTANT_MODEL", "../evil/x", /<provider>\/<model>/],
  ] as const)
    it(`refuses ${name}=${value}`, () => {
      const problems = problemsOf([], { ...COMPLETE, [name]: value });
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? "", expected);
    });
});
