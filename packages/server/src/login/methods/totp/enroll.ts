import { TOTP } from "otpauth";
import { renderSVG } from "uqr";
import { reveal } from "../../../lib/secret.ts";
import { loginEvents } from "../../events.ts";
import type { TotpFactors } from "./factors.ts";
import type { TotpMethodDeps } from "./index.ts";

export type EnrollDeps = TotpMethodDeps & { readonly factors: TotpFactors };

/**
 * Takes the first code of a new authenticator app. Returns the recovery codes that were made with it, none when
 * the user has some; `undefined` when the code is wrong.
 */
export async function enrolled(
  deps: EnrollDeps,
  userId: string,
  factor: string,
  code: string,
): Promise<readonly string[] | undefined> {
  const { storage, factors, recoveryCodes, audit, lockout } = deps;
  const key = `totp-enroll:${userId}`;
  if (!(await lockout.take(key))) return undefined;
  const hasCodes = (await recoveryCodes.count(userId)) > 0;
  const codes = await storage.transaction(async (tx) => {
    if (!(await factors.confirm(tx, userId, factor, code))) return undefined;
    await audit.appendIn(tx, {
      action: loginEvents.methodAdded,
      userId,
      outcome: "done",
      details: { method: "totp" },
    });
    return hasCodes ? [] : recoveryCodes.replace(tx, userId);
  });
  if (codes) await lockout.clear(key);
  return codes;
}

/** The secret of a new factor, as a picture for a phone and as text for typing. */
export async function secretPage(
  { factors, issuer }: EnrollDeps,
  userId: string,
  factor: string,
  label: string,
): Promise<{ readonly qr: string; readonly typed: string } | undefined> {
  const secret = await factors.pendingSecret(userId, factor);
  if (!secret) return undefined;
  const text = reveal(secret);
  const uri = new TOTP({ issuer: new URL(issuer).hostname, label: label || userId, secret: text }).toString();
  return { qr: renderSVG(uri, { border: 2 }), typed: text.match(/.{1,4}/g)?.join(" ") ?? text };
}
