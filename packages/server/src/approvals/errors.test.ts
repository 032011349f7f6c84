import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { approvalErrors, approvalOAuthErrors } from "./errors.ts";

interface SpecEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly message: string;
  readonly action: string;
}

const spec: Record<string, SpecEntry> = JSON.parse(
  readFileSync(new URL("../../../../spec/errors.json", import.meta.url), "utf8"),
);

describe("errors of approvals", () => {
  for (const [code, { status, retryable, message }] of Object.entries(approvalErrors))
    it(`has ${code} in spec/errors.json, with the same status, retry and words`, () => {
      const entry = spec[code];
      assert.ok(entry);
      assert.deepEqual([entry.status, entry.retryable], [status, retryable]);
      assert.equal(`${entry.message} ${entry.action}`, message);
    });

  it("maps codes of its own alone to OAuth errors", () => {
    assert.deepEqual(
      Object.keys(approvalOAuthErrors).filter((code) => !(code in approvalErrors)),
      [],
    );
  });
});
