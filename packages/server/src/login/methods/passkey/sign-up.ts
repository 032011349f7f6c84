import { z } from "zod";
import { ApiError } from "../../../http/errors.ts";
import type { Messages } from "../../../messages/index.ts";
import type { Storage } from "../../../storage/index.ts";
import { loginError } from "../../errors.ts";
import type { Accounts, User } from "../../index.ts";
import type { Passkeys, Registration } from "./passkeys.ts";
import { saveHandle } from "./store.ts";

/** What a sign-up's challenge was given out with. */
const profile = z.object({ email: z.string(), name: z.string(), handle: z.string() });

/**
 * Makes the account that a registration was for, with its passkey: both or neither. Whoever owns an address that
 * is taken gets a mail that says so; the one who asked learns no more than from any failure.
 * @throws ApiError `login.email_invalid`, `login.email_taken`
 */
export type SignUpWithPasskey = (
  registration: Registration,
  more: { readonly keyName: string; readonly locale?: string | undefined },
) => Promise<User>;

export function createSignUpWithPasskey(deps: {
  storage: Storage;
  accounts: Accounts;
  passkeys: Passkeys;
  messages: Pick<Messages, "mail"> | undefined;
}): SignUpWithPasskey {
  const { storage, accounts, passkeys } = deps;

  async function tellOwner(email: string): Promise<void> {
    const owner = await accounts.findByEmail(email);
    if (!owner) return;
    await storage.transaction(async (tx) =>
      deps.messages?.mail(tx, {
        to: owner.email,
        language: owner.locale,
        template: "email_in_use",
        values: { path: "/login", ...(owner.name === undefined ? {} : { name: owner.name }) },
      }),
    );
  }

  return async ({ credential, request }, { keyName, locale }) => {
    const { email, name, handle } = profile.parse(request);
    try {
      return await accounts.create({ email, name, locale }, async (tx, user) => {
        await saveHandle(tx, user.id, handle);
        // A credential id is random: one that is taken was copied, and makes no account.
        if (!(await passkeys.add(tx, user.id, credential, keyName))) throw loginError("login.email_taken");
      });
    } catch (error) {
      if (ApiError.is(error) && error.code === "login.email_taken") await tellOwner(email);
      throw error;
    }
  };
}
