import { TOTP } from "otpauth";
import type { Audit } from "../audit/index.ts";
import { reveal } from "../lib/secret.ts";
import type { Storage } from "../storage/index.ts";
import { loginEvents } from "./events.ts";
import type { SecondFactors } from "./index.ts";
import type { Lockout } from "./lockout.ts";
import type { RecoveryCodes } from "./methods/recovery-code/codes.ts";
import type { Phones } from "./methods/sms-code/phones.ts";
import { readCode, type TotpFactors } from "./methods/totp/factors.ts";

/** Second factors without pages. Guesses count together with those on the pages. */
export function createSecondFactors(deps: {
  storage: Storage;
  audit: Audit;
  issuer: string;
  lockout: Lockout;
  factors: TotpFactors;
  recoveryCodes: RecoveryCodes;
  passkeys: { list(userId: string): Promise<readonly unknown[]> };
  phones: Pick<Phones, "of">;
}): SecondFactors {
  const { storage, audit, lockout, factors, recoveryCodes } = deps;

  async function of(userId: string) {
    const apps = await factors.list(userId);
    const codes = await recoveryCodes.count(userId);
    const passkeys = await deps.passkeys.list(userId);
    const hasPhone = (await deps.phones.of(userId))?.isSecondFactor === true;
    return { apps, recoveryCodes: codes, isEnrolled: hasPhone || apps.length + codes + passkeys.length > 0 };
  }

  const refused = (userId: string) =>
    audit.append({ action: loginEvents.refused, userId, outcome: "refused" });

  return {
    of,

    async proveOtp(userId, code) {
      const key = `totp:${userId}`;
      if (!(await lockout.take(key))) return "locked";
      if (!(await factors.spend(userId, readCode(code)))) {
        await refused(userId);
        return "wrong";
      }
      await lockout.clear(key);
      return "proven";
    },

    async proveRecoveryCode(userId, code) {
      const key = `recovery-code:${userId}`;
      if (!(await lockout.take(key))) return "locked";
      // They stand in for another factor, and are none by themselves.
      const hasFactor = (await factors.list(userId)).length > 0;
      if (!hasFactor || !(await recoveryCodes.spend(userId, code))) {
        await refused(userId);
        return "wrong";
      }
      await lockout.clear(key);
      return storage.transaction(async (tx) => {
        const { codes, hashes } = recoveryCodes.draft(1);
        await recoveryCodes.add(tx, userId, hashes);
        await audit.appendIn(tx, { action: loginEvents.recoveryCodeUsed, userId, outcome: "allowed" });
        return { next: codes[0] ?? "" };
      });
    },

    async begin(userId, label) {
      if ((await of(userId)).isEnrolled) return undefined;
      const id = await factors.begin(userId);
      const secret = id === undefined ? undefined : await factors.pendingSecret(userId, id);
      if (id === undefined || secret === undefined) return undefined;
      const issuer = new URL(deps.issuer).hostname;
      const uri = new TOTP({ issuer, label, secret: reveal(secret) }).toString();
      const { codes, hashes } = recoveryCodes.draft();
      return { id, secret, uri, recoveryCodes: codes, recoveryCodeHashes: hashes };
    },

    async confirm(userId, { factor, code, recoveryCodeHashes }) {
      const key = `totp-enroll:${userId}`;
      if (!(await lockout.take(key))) return "locked";
      // Whoever has got a factor meanwhile proves that one.
      const isEnrolled = (await of(userId)).isEnrolled;
      const confirmed =
        !isEnrolled &&
        (await storage.transaction(async (tx) => {
          if (!(await factors.confirm(tx, userId, factor, readCode(code)))) return false;
          await recoveryCodes.add(tx, userId, recoveryCodeHashes);
          const details = { method: "totp" };
          await audit.appendIn(tx, { action: loginEvents.methodAdded, userId, outcome: "done", details });
          return true;
        }));
      if (!confirmed) {
        await refused(userId);
        return "wrong";
      }
      await lockout.clear(key);
      return "proven";
    },

    // A factor that counts already is taken away on the profile page, by somebody who has proven it.
    async removePending(userId, id) {
      const isConfirmed = (await factors.list(userId)).some((factor) => factor.id === id);
      return !isConfirmed && (await factors.remove(storage, userId, id));
    },
  };
}
