import type { Hono } from "hono";
import type { Language } from "../../pages/languages/index.ts";
import type { Html } from "../../pages/layout.ts";
import type { Flow } from "../flows.ts";
import type { BrowserSession } from "../index.ts";
import type { Way } from "../kit.ts";
import {
  type ConnectionMethod,
  type ConnectionMethodDeps,
  createConnectionMethod,
} from "./connection/index.ts";
import { createEmailCodeMethod, type EmailCodeDeps } from "./email-code/index.ts";
import { createPasskeyMethod, type PasskeyMethod, type PasskeyMethodDeps } from "./passkey/index.ts";
import { createPasswordMethod, type PasswordMethod, type PasswordMethodDeps } from "./password/index.ts";
import { createRecoveryCodes } from "./recovery-code/codes.ts";
import { createRecoveryCodeMethod, type RecoveryCodeMethodDeps } from "./recovery-code/index.ts";
import { createSmsCodeMethod, type SmsCodeDeps } from "./sms-code/index.ts";
import { readPhone } from "./sms-code/phones.ts";
import { createTotpMethod, type TotpMethodDeps } from "./totp/index.ts";

/** A way to prove who one is. */
export interface LoginMethod {
  readonly name: string;
  /**
   * The method's page for a flow, as a link on the pages of the others. Absent, or `undefined`, when it is
   * not on offer: a first factor once `flow.userId` is known, a second one before. Must not
   * depend on who the user is before something was proven: that would tell strangers.
   */
  offer?(flow: Flow, language: Language): Way | undefined;
  /** Second factors alone: whether this user has it set up, and is asked for it after a first factor. */
  isEnrolled?(userId: string): Promise<boolean>;
  /** A second factor that helps only somebody who has lost another one. */
  readonly isBackup?: boolean;
  /** The page on which a second factor is set up in the middle of a log-in that needs it. */
  enroll?(flow: Flow, language: Language): Way | undefined;
  /** Its part of the profile page, with links or forms to set it up and to take it away. */
  profileSection?(session: BrowserSession, language: Language): Promise<Html>;
  /** Its pages. */
  routes(): Hono;
}

/** What the methods are made with. */
export type MethodDeps = ConnectionMethodDeps &
  PasswordMethodDeps &
  PasskeyMethodDeps &
  EmailCodeDeps &
  SmsCodeDeps &
  TotpMethodDeps &
  RecoveryCodeMethodDeps & { readonly enabled: EnabledMethods };

/** What the operator offers to log in with. */
export interface EnabledMethods {
  readonly password: boolean;
  readonly passkey: boolean;
  readonly emailCode: boolean;
  readonly smsCode: boolean;
}

/** Every method; and by their names those that may be used on the first page already. */
export interface Methods {
  readonly password: PasswordMethod;
  readonly passkey: PasskeyMethod;
  readonly connection: ConnectionMethod;
  /** In the order in which they are offered. */
  readonly all: readonly LoginMethod[];
}

/** Every method. A new one is a folder here and a line in this function. */
export function createMethods(deps: Omit<MethodDeps, "recoveryCodes" | "canReset" | "isOther">): Methods {
  const recoveryCodes = createRecoveryCodes(deps);
  const { enabled } = deps;
  const password = createPasswordMethod({
    ...deps,
    kit: deps.kit.only("password"),
    canReset: deps.messages.channels.mail,
    isOther: (identifier) => enabled.smsCode && readPhone(identifier) !== undefined,
  });
  const passkey = createPasskeyMethod({ ...deps, kit: deps.kit.only("passkey") });
  const totp = createTotpMethod({ ...deps, recoveryCodes });
  const recoveryCode = createRecoveryCodeMethod({ ...deps, recoveryCodes });
  const connection = createConnectionMethod(deps);
  const all = [
    ...(enabled.password ? [password] : []),
    ...(enabled.passkey ? [passkey] : []),
    ...(enabled.emailCode ? [createEmailCodeMethod({ ...deps, kit: deps.kit.only("email-code") })] : []),
    ...(enabled.smsCode ? [createSmsCodeMethod({ ...deps, kit: deps.kit.only("sms-code") })] : []),
    ...connection.ways,
    connection,
    totp,
    recoveryCode,
  ];
  return { password, passkey, connection, all };
}
