import { sha256 } from "../crypto/hash.ts";
import { canonicalJson, type Json } from "../lib/canonical-json.ts";

/** What an approval binds: who acts for whom, where, with which rights, on what exactly, until when. */
export interface ApprovalTerms {
  readonly clientId: string;
  readonly userId: string;
  readonly audience: string | undefined;
  readonly scopes: readonly string[];
  readonly details: readonly Json[];
  /** Milliseconds. */
  readonly expiresAt: number;
}

/**
 * SHA-256 of the canonical form of the terms, 64 hexadecimal digits. The order of scopes and of members
 * does not count, any other difference does. The binding message is not part of it: it is the agent's
 * narration, not a term.
 * @see RFC 8785 (canonical JSON)
 */
export function approvalDigest(terms: ApprovalTerms): string {
  const text = canonicalJson({
    client_id: terms.clientId,
    user_id: terms.userId,
    audience: terms.audience ?? null,
    scopes: [...new Set(terms.scopes)].sort(),
    details: terms.details,
    expires_at: terms.expiresAt,
  });
  return Buffer.from(sha256(text), "base64url").toString("hex");
}
