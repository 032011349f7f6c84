import type { Hono } from "hono";
import type { Audit } from "../audit/index.ts";
import type { Keyring } from "../crypto/keyring.ts";
import type { Sealer } from "../crypto/seal.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Messages } from "../messages/index.ts";
import type { Clients, Cors, DirectGrant, Interactions } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import { createAccounts } from "./accounts.ts";
import { type AttemptLimits, DEFAULT_LIMITS, limitAttempts } from "./attempts.ts";
import { createBreachedPasswords } from "./breached.ts";
import { createBrowserToken } from "./browser-token.ts";
import { createChangePassword } from "./change-password.ts";
import { createCodes } from "./codes.ts";
import { createConfirmEmail } from "./email/index.ts";
import { createFlows } from "./flows.ts";
import { createHomeRealm, type LoginOrganizations } from "./home-realm.ts";
import { createImportAccounts, type ImportAccounts } from "./import-accounts.ts";
import { createImportedForms } from "./imported-forms.ts";
import type { Accounts, EndTokens, SecondFactors, Sessions } from "./index.ts";
import { createLoginKit } from "./kit.ts";
import { createLockout } from "./lockout.ts";
import { type ConnectionUse, createFederation } from "./methods/connection/create.ts";
import { createMethods, type EnabledMethods, type LoginMethod } from "./methods/index.ts";
import { passkeyGrant } from "./methods/passkey/grant.ts";
import { createManagePasskeys } from "./methods/passkey/manage.ts";
import { createPasskeys } from "./methods/passkey/passkeys.ts";
import { createSignUpWithPasskey } from "./methods/passkey/sign-up.ts";
import { createRecoveryCodes } from "./methods/recovery-code/codes.ts";
import { createPhones } from "./methods/sms-code/phones.ts";
import { createTotpFactors } from "./methods/totp/factors.ts";
import { createPasswords } from "./passwords.ts";
import { createPasswordReset } from "./reset/index.ts";
import { createResets } from "./reset/resets.ts";
import { loginRoutes } from "./routes.ts";
import { createSecondFactors } from "./second-factors.ts";
import { createSending, DEFAULT_SENDING, type SendingLimits } from "./sending.ts";
import { createSessions, type SessionLifetime } from "./sessions.ts";
import { createSignUpByCode } from "./sign-up-code.ts";

/** People, their sessions, and the pages on which they log in and consent. */
export interface Login {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly secondFactors: SecondFactors;
  /** Makes users that another system had. */
  readonly importAccounts: ImportAccounts;
  /** The pages; built once the OAuth core exists, whose interactions they end. */
  routes(deps: LateDeps): Hono;
  /** Grants in which a user proves who they are to an app itself. */
  readonly grants: readonly DirectGrant[];
  /** Removes bounded numbers of rows that are over; for background work. */
  sweep(): Promise<void>;
}

/** What exists once the OAuth core does. */
export interface LateDeps {
  readonly interactions: Interactions;
  readonly clients: Clients;
  readonly formTargets: () => readonly string[];
  readonly organizations: LoginOrganizations;
  readonly cors: Pick<Cors, "preflightHeaders" | "answerHeaders">;
}

export async function createLogin(deps: {
  storage: Storage;
  audit: Audit;
  clock: Clock;
  ids: Ids;
  keyring: Keyring;
  sealer: Sealer;
  issuer: string;
  signUp: boolean;
  endTokens: EndTokens;
  /** Providers that people may log in with, and how they are talked to. Default: none. */
  connections?: ConnectionUse | undefined;
  /** Absent: nothing is sent, and nobody logs in by code. */
  messages?: Pick<Messages, "mail" | "text" | "channels">;
  /** What is on offer. Default: all that can be sent. */
  methods?: Partial<EnabledMethods>;
  /** Whether an address has to be confirmed before it makes an account. Default: optional. */
  confirmEmail?: "optional" | "required";
  /** A larger list of known passwords; see breached.ts. */
  breachedPasswordsFile?: string | undefined;
  /** Default: 100 messages an hour for one network, 1,000 texts a day. */
  sending?: SendingLimits;
  /** What one network may try. Default: 100 failures in ten minutes, 100 sign-ups an hour. */
  limits?: AttemptLimits;
  /** Whether everybody needs a second factor. Default: those who have one, and where an app asks for it. */
  requireSecondFactor?: boolean;
  /** Default: 3 days without use, 14 days at most. */
  session?: SessionLifetime;
}): Promise<Login> {
  const { storage, clock, issuer, audit } = deps;
  const importedForms = createImportedForms(deps);
  await importedForms.forgetUnused();
  const passwords = await createPasswords(undefined, importedForms);
  const lockout = createLockout({ storage, clock });
  const breached = createBreachedPasswords({ file: deps.breachedPasswordsFile });
  const accounts = createAccounts({ ...deps, passwords, lockout, breached });
  const sessions = createSessions({
    storage,
    clock,
    issuer,
    ids: deps.ids,
    csrfKey: deps.keyring.derive("csrf"),
    lifetime: deps.session ?? DEFAULT_LIFETIME,
  });
  const flows = createFlows({ storage, clock });
  const messages = deps.messages ?? SILENT;
  const enabled: EnabledMethods = {
    password: true,
    passkey: true,
    ...deps.methods,
    emailCode: messages.channels.mail && (deps.methods?.emailCode ?? true),
    smsCode: messages.channels.sms && (deps.methods?.smsCode ?? true),
  };
  const codes = createCodes(deps);
  const resets = createResets({ storage, clock });
  const sending = createSending({ storage, clock, limits: deps.sending ?? DEFAULT_SENDING });
  const phones = createPhones({ storage, clock });
  const byMessage = { storage, audit, accounts, sessions, flows, codes, resets, sending, phones, messages };
  const confirmEmail = createConfirmEmail(byMessage);
  const reset = createPasswordReset({ ...byMessage, endTokens: deps.endTokens });
  const passkeys = createPasskeys({ ...deps, users: accounts });
  const withPasskeys = { storage, audit, accounts, users: accounts, passkeys, messages: deps.messages };
  const managePasskeys = createManagePasskeys(withPasskeys);
  const federation = createFederation({ ...deps, accounts });
  const signUpWithPasskey = createSignUpWithPasskey(withPasskeys);
  return {
    accounts,
    sessions,
    secondFactors: createSecondFactors({
      ...{ storage, audit, issuer, lockout, passkeys, phones },
      factors: createTotpFactors(deps),
      recoveryCodes: createRecoveryCodes(deps),
    }),
    grants: [passkeyGrant({ passkeys, signUpWithPasskey, clock })],
    importAccounts: createImportAccounts(deps),
    sweep: async () =>
      void (await Promise.all([
        sessions.sweep(),
        lockout.sweep(),
        flows.sweep(),
        passkeys.sweep(),
        federation.identities.sweep(),
        codes.sweep(),
        resets.sweep(),
      ])),
    routes(late) {
      const browser = createBrowserToken(issuer);
      let methods: readonly LoginMethod[] = [];
      const home = createHomeRealm(late.organizations);
      const kit = createLoginKit({
        ...late,
        flows,
        sessions,
        browser,
        audit,
        clock,
        methods: () => methods,
        proven: (flow, userId) => federation.manageIdentities.addParked(flow.id, userId),
        home,
        requireSecondFactor: deps.requireSecondFactor ?? false,
      });
      const made = createMethods({
        ...deps,
        ...federation,
        ...byMessage,
        enabled,
        kit,
        lockout,
        passkeys,
        managePasskeys,
        browser,
      });
      methods = made.all;
      return loginRoutes({
        ...late,
        accounts,
        sessions,
        issuer,
        browser,
        flows,
        kit,
        home,
        methods,
        password: made.password,
        passkey: made.passkey,
        connection: made.connection,
        passkeys,
        signUpWithPasskey,
        audit,
        changePassword: createChangePassword({ ...byMessage, endTokens: deps.endTokens }),
        enabled,
        hasMail: messages.channels.mail,
        mustConfirmEmail: deps.confirmEmail === "required",
        signUpByCode: createSignUpByCode({ ...byMessage, kit }),
        confirmEmail,
        codes,
        resets,
        reset,
        signUp: deps.signUp,
        limit: limitAttempts({ storage, clock, limits: deps.limits ?? DEFAULT_LIMITS }),
      });
    },
  };
}

const SILENT: Pick<Messages, "mail" | "text" | "channels"> = {
  channels: { mail: false, sms: false },
  mail: async () => undefined,
  text: async () => undefined,
};

const DAY_SECONDS = 86_400;
const DEFAULT_LIFETIME: SessionLifetime = { idleSeconds: 3 * DAY_SECONDS, absoluteSeconds: 14 * DAY_SECONDS };
