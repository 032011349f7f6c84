import assert from "node:assert/strict";

/** The claims of a JWT, whose signature somebody else has checked; of another token a failure. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const [, payload = ""] = token.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString());
}

/** Holds when the token is one of ours for that audience, with that scope, for that user. */
export function assertTokenFor(
  token: string,
  wanted: { audience: string; scope?: string; userId?: string },
): void {
  const { aud, scope, sub } = claimsOf(token);
  assert.ok([aud].flat().includes(wanted.audience), `the token is for ${aud}`);
  if (wanted.scope) assert.ok(String(scope).split(" ").includes(wanted.scope), `the token may ${scope}`);
  if (wanted.userId) assert.equal(sub, wanted.userId);
}
