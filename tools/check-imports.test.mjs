import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const tool = fileURLToPath(new URL("./check-imports.mjs", import.meta.url));

/** Runs the check over a tree of planted files. */
function check(files) {
  const folder = mkdtempSync(join(tmpdir(), "behalf-imports-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const { status, stderr } = spawnSync(process.execPath, [tool, folder], { encoding: "utf8" });
    return { status, stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sdk = { "packages/sdk/package.json": '{"peerDependencies":{"ai":">=5"}}' };
const server = "packages/server/src";

describe("check-imports", () => {
  it("passes a tree that keeps the direction", () => {
    const { status, stderr } = check({
      ...sdk,
      [`${server}/main.ts`]: 'import { createVault } from "./vault/index.ts";',
      [`${server}/vault/index.ts`]:
        'import type { Client } from "../oauth/index.ts";\nimport { seal } from "../crypto/seal.ts";',
      "packages/sdk/src/index.ts": 'import { jwtVerify } from "jose";\nimport { tool } from "ai";',
      "examples/a/src/x.ts": 'import { createBehalf } from "@behalf/sdk/vercel";',
    });
    assert.equal(status, 0, stderr);
  });

  for (const [rule, files] of Object.entries({
    "a value imported across slices": {
      [`${server}/vault/index.ts`]: 'import { createOAuth } from "../oauth/index.ts";',
    },
    "a type taken past another slice's index": {
      [`${server}/vault/a.ts`]: 'import type { Row } from "../oauth/store.ts";',
    },
    "a layer that reaches a slice": {
      [`${server}/http/a.ts`]: 'import type { Client } from "../oauth/index.ts";',
    },
    "a layer that reaches a higher layer": {
      [`${server}/storage/a.ts`]: 'import { renderPage } from "../pages/layout.ts";',
    },
    "a slice that imports the composition root": {
      [`${server}/vault/a.ts`]: 'import { startServer } from "../main.ts";',
    },
    "the engine doing input and output": {
      "packages/fga/src/a.ts": 'import { readFileSync } from "node:fs";',
    },
    "the engine with a dependency": { "packages/fga/src/a.ts": 'import { z } from "zod";' },
    "the server using the SDK": { [`${server}/vault/a.ts`]: 'import { createBehalf } from "@behalf/sdk";' },
    "the SDK with a second dependency": { ...sdk, "packages/sdk/src/a.ts": 'import { z } from "zod";' },
    "the sandbox using ours": { "packages/sandbox/src/a.ts": 'import { createBehalf } from "@behalf/sdk";' },
    "an example that reaches into the server": {
      "examples/a/src/x.ts": 'import { startServer } from "@behalf/server";',
    },
    "a relative import that leaves its package": {
      "packages/sdk/src/a.ts": 'import { x } from "../../server/src/x.ts";',
      ...sdk,
    },
    "a dynamic import across slices": { [`${server}/vault/a.ts`]: 'await import("../oauth/index.ts");' },
  })) {
    it(`fails for ${rule}`, () => {
      const { status, stderr } = check(files);
      assert.equal(status, 1);
      assert.match(stderr, /1 import\(s\) against the direction/);
    });
  }
});
