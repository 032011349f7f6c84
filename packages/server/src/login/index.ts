import type { Secret } from "../lib/secret.ts";
import type { Queryable } from "../storage/index.ts";
import type { Provider } from "../vault/index.ts";
import type { Acr, Amr, MethodName } from "./amr.ts";
import type { PasswordOwner } from "./breached.ts";

export { ACR, type Acr, type Amr, acrOf, type MethodName } from "./amr.ts";
export { breachedFileProblem } from "./breached.ts";
export { createLogin, type Login } from "./create.ts";
export type { ImportAccounts, ImportedAccount, ImportOutcome } from "./import-accounts.ts";

/** The vault's words with a provider, as far as a log-in needs them. */
export type LoginProvider = Pick<Provider, "requestTokens" | "userinfo" | "believeAccount">;

/** A person's login in one browser. */
export interface BrowserSession {
  /** Stable while the login lasts; not the cookie's value. */
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly name: string | undefined;
  /** When the person last proved who they are, in milliseconds. */
  readonly authenticatedAt: number;
  /** When they last proved anything, a second factor alone too, in milliseconds. */
  readonly renewedAt: number;
  /** How they proved it. */
  readonly amr: readonly Amr[];
  /** By what they proved it, in the order of the proofs. */
  readonly methods: readonly MethodName[];
  /** The authentication context that these proofs reach. */
  readonly acr: Acr;
  /** Goes into each form of this session as the field `csrf`. */
  readonly csrf: string;
}

/** Sessions, as pages of other slices see them. */
export interface BrowserSessions {
  /** The session of the request's cookie; `undefined` when there is none, or it ended. */
  current(request: Request): Promise<BrowserSession | undefined>;
  /** Authentication contexts that a log-in here can reach, the weakest first. */
  readonly acrValues: readonly string[];
  /** Whether a session reaches what `acr_values` asks for; anything reaches values that are not known here. */
  reaches(session: BrowserSession, acrValues: string): boolean;
  /** Where to send somebody who must log in first; afterwards they come back to `returnTo`, a path of ours. */
  loginAddress(returnTo: string): string;
  /**
   * Checks a posted form: it must come from our own origin and carry the session's `csrf`.
   * @throws ApiError `login.form_forged`
   */
  checkForm(request: Request, session: BrowserSession, form: FormData): void;
}

/** Sessions, as the login slice itself and logging out see them. */
export interface Sessions extends BrowserSessions {
  isSameOrigin(request: Request): boolean;
  /**
   * Starts a session for a person who just proved who they are, or goes on with the one they have here, under a
   * new cookie; returns the `Set-Cookie` value.
   */
  start(
    request: Request,
    user: { readonly id: string },
    proof: {
      readonly amr: readonly Amr[];
      /** Default: none, as an organization that takes some methods alone refuses. */
      readonly methods?: readonly MethodName[];
      /** In milliseconds; default now. */
      readonly authenticatedAt?: number | undefined;
    },
  ): Promise<string>;
  /** Ends the session of the request's cookie; returns the `Set-Cookie` value that clears it. */
  end(request: Request): Promise<string>;
  /** A user's live sessions, the one used last first. */
  list(userId: string): Promise<readonly SessionSummary[]>;
  /** Ends one session of a user; false when they have no such session. */
  endOne(userId: string, id: string): Promise<boolean>;
  /** Ends every session of a user, except the one with the id `except`. */
  endAllOf(userId: string, except?: string, on?: Queryable): Promise<void>;
  /** Removes a bounded number of sessions that ended by themselves; for background work. */
  sweep(): Promise<void>;
}

/** Ends what a user's clients hold, but for what was issued in the browser session `except`; the OAuth slice's. */
export type EndTokens = (on: Queryable, userId: string, except?: string) => Promise<void>;

/** One log-in of a person in one browser, as they see it in a list. Times in milliseconds. */
export interface SessionSummary {
  /** As in `BrowserSession.id`. */
  readonly id: string;
  readonly startedAt: number;
  readonly lastSeenAt: number;
  /** What the browser said it was; untrusted text. */
  readonly userAgent: string | undefined;
}

/** A user, as other slices see them. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name: string | undefined;
  readonly locale: string | undefined;
  readonly role: "user" | "admin";
  readonly disabledAt: number | undefined;
}

/** Looks users up. */
export interface Users {
  find(id: string): Promise<User | undefined>;
}

/** Second factors, as grants without pages use them. */
export interface SecondFactors {
  /** What a user has set up; `isEnrolled` also when that is a passkey or a telephone. */
  of(userId: string): Promise<{
    readonly apps: readonly { readonly id: string }[];
    readonly recoveryCodes: number;
    readonly isEnrolled: boolean;
  }>;
  /** Uses up a code of an authenticator app. Wrong ones lock it, together with those on the pages. */
  proveOtp(userId: string, code: string): Promise<"proven" | "wrong" | "locked">;
  /** Uses up a recovery code of a user who has an authenticator app, and makes a new one in its place. */
  proveRecoveryCode(userId: string, code: string): Promise<{ readonly next: string } | "wrong" | "locked">;
  /** A first authenticator app, with recovery codes; neither counts before `confirm`. `undefined` for a user who has a factor. */
  begin(
    userId: string,
    label: string,
  ): Promise<
    | {
        readonly id: string;
        readonly secret: Secret;
        /** `otpauth:` with the secret, for a picture. */
        readonly uri: string;
        readonly recoveryCodes: readonly string[];
        readonly recoveryCodeHashes: readonly string[];
      }
    | undefined
  >;
  /** Takes the first code of an app that was begun, while the user has no other factor. */
  confirm(
    userId: string,
    begun: {
      readonly factor: string;
      readonly code: string;
      readonly recoveryCodeHashes: readonly string[];
    },
  ): Promise<"proven" | "wrong" | "locked">;
  /** Takes away an app that does not count yet. */
  removePending(userId: string, id: string): Promise<boolean>;
}

/** A hash in the form `$argon2id$…`, of a password that was found fit. */
export type PasswordHash = string & { readonly fit: true };

/** Makes and recognises users. */
export interface Accounts extends Users {
  /** By e-mail address, in any spelling of it; also a user who was switched off. */
  findByEmail(email: string): Promise<User | undefined>;
  /**
   * Checks a new password and hashes it; hashing takes too long to be done inside a transaction.
   * `owner` is whose it will be: it must not say who they are.
   * @throws ApiError `login.password_unfit`, `login.password_breached`
   */
  hashPassword(password: Secret, owner: PasswordOwner): Promise<PasswordHash>;
  setPassword(on: Queryable, userId: string, hash: PasswordHash): Promise<void>;
  /** Changes the name that is shown; one without anything to show changes nothing. */
  rename(userId: string, name: string): Promise<void>;
  hasPassword(userId: string): Promise<boolean>;
  /** The person has shown that mail to `email` reaches them; false when that is not their address any more. */
  confirmEmail(on: Queryable, userId: string, email: string): Promise<boolean>;
  /** Makes an address the user's that they have shown to be theirs; false when it is somebody else's. */
  changeEmail(on: Queryable, userId: string, email: string): Promise<boolean>;
  /** @throws ApiError `login.email_invalid`, `login.email_taken`, `login.password_unfit`, `login.password_breached` */
  create(
    account: {
      readonly email: string;
      readonly password?: Secret | undefined;
      /** A hash in place of the password. */
      readonly passwordHash?: PasswordHash | undefined;
      /** The person has shown that mail reaches them there. Default: false. */
      readonly emailVerified?: boolean;
      readonly name?: string | undefined;
      readonly role?: User["role"];
      readonly locale?: string | undefined;
    },
    /** Runs in the same transaction; when it throws there is no account. */
    also?: (tx: Queryable, user: User) => Promise<void>,
  ): Promise<User>;
  /** Answers alike, and as fast, for a wrong password and an unknown address. */
  authenticate(
    email: string,
    password: Secret,
  ): Promise<{ outcome: "ok"; user: User } | { outcome: "wrong" } | { outcome: "locked" }>;
}
