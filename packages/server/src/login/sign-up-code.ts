import type { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import { ApiError } from "../http/errors.ts";
import type { Messages } from "../messages/index.ts";
import type { Queryable, Storage } from "../storage/index.ts";
import { emailKey } from "./accounts.ts";
import { codeRoutes } from "./code-routes.ts";
import type { Codes } from "./codes.ts";
import type { Flow } from "./flows.ts";
import type { Accounts, PasswordHash, User } from "./index.ts";
import type { LoginKit } from "./kit.ts";
import type { Sending } from "./sending.ts";

/** An account that is made once its address was shown to be the person's. */
export interface PendingAccount {
  readonly email: string;
  readonly name: string | undefined;
  readonly locale: string;
  /** Absent: an account without a password. */
  readonly passwordHash: PasswordHash | undefined;
}

/** Signing up with an address that has to be confirmed first. */
export interface SignUpByCode {
  /**
   * Sends the code, or to an address that has an account the news that it has one; both in the same time. False
   * when that was too often.
   */
  begin(flow: Flow, account: PendingAccount): Promise<boolean>;
  /** Tells the owner of an address that somebody tried to sign up with it. */
  tellOwner(email: string, language: string): Promise<void>;
  routes(): Hono;
}

export interface SignUpByCodeDeps {
  readonly kit: LoginKit;
  readonly accounts: Accounts;
  readonly storage: Storage;
  readonly audit: Audit;
  readonly codes: Codes;
  readonly sending: Sending;
  readonly messages: Pick<Messages, "mail">;
}

export const SIGN_UP_CODE_PATH = "/login/sign-up-code";

export function createSignUpByCode(deps: SignUpByCodeDeps): SignUpByCode {
  const { kit, accounts, storage, codes, sending, messages } = deps;

  async function begin(flow: Flow, account: PendingAccount): Promise<boolean> {
    if (!(await sending.mayMail(emailKey(account.email), flow.id))) return false;
    const owner = await accounts.findByEmail(account.email);
    await storage.transaction(async (tx) => {
      const binding = { purpose: "sign-up", to: flow.id } as const;
      // Of an address that has an account nobody gets the code.
      const { code, token, expiresAt } = await codes.issue(tx, binding, account);
      const link = `${SIGN_UP_CODE_PATH}/link?${new URLSearchParams({ flow: flow.id, token })}`;
      if (owner) await mailOwner(tx, owner, account.locale);
      else
        await messages.mail(tx, {
          to: account.email,
          language: account.locale,
          template: "verify_email",
          values: { path: link, code, ...(account.name ? { name: account.name } : {}) },
          expiresAt,
        });
    });
    return true;
  }

  async function tellOwner(email: string, language: string): Promise<void> {
    const owner = (await sending.mayMail(emailKey(email))) ? await accounts.findByEmail(email) : undefined;
    if (owner) await storage.transaction((tx) => mailOwner(tx, owner, language));
  }

  const mailOwner = (tx: Queryable, owner: User, language: string): Promise<void> =>
    messages.mail(tx, {
      to: owner.email,
      language: owner.locale ?? language,
      template: "email_in_use",
      values: { path: "/login", ...(owner.name === undefined ? {} : { name: owner.name }) },
    });

  return {
    begin,
    tellOwner,
    routes: () =>
      codeRoutes(deps, {
        name: "sign-up-code",
        path: SIGN_UP_CODE_PATH,
        purpose: "sign-up",
        channel: "mail",
        fits: async (flow) =>
          flow.userId === undefined &&
          (await codes.waiting({ purpose: "sign-up", to: flow.id })) !== undefined,
        async send(_request, flow) {
          // As `begin` was given it.
          const waiting = (await codes.waiting({ purpose: "sign-up", to: flow.id })) as PendingAccount;
          return begin(flow, waiting);
        },
        async use(request, flow, payload) {
          const { passwordHash, ...account } = payload as PendingAccount;
          try {
            const user = await accounts.create({ ...account, passwordHash, emailVerified: true });
            return passwordHash
              ? await kit.prove(request, flow, user.id, ["pwd", "otp"], "password", "email-code")
              : await kit.prove(request, flow, user.id, ["otp"], "email-code");
          } catch (error) {
            // Somebody else has it by now.
            if (ApiError.is(error) && error.code === "login.email_taken") return undefined;
            throw error;
          }
        },
      }),
  };
}
