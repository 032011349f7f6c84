import type { Secret } from "../lib/secret.ts";

export { createLogin, type Login } from "./create.ts";

/** A person's login in one browser. */
export interface BrowserSession {
  /** Stable while the login lasts; not the cookie's value. */
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly name: string | undefined;
  /** When the person last proved who they are, in milliseconds. */
  readonly authenticatedAt: number;
  /** Goes into each form of this session as the field `csrf`. */
  readonly csrf: string;
}

/** Sessions, as pages of other slices see them. */
export interface BrowserSessions {
  /** The session of the request's cookie; `undefined` when there is none, or it ended. */
  current(request: Request): Promise<BrowserSession | undefined>;
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
  /** Starts a session for a person who just proved who they are; returns the `Set-Cookie` value. */
  start(request: Request, user: { readonly id: string }): Promise<string>;
  /** Ends the session of the request's cookie; returns the `Set-Cookie` value that clears it. */
  end(request: Request): Promise<string>;
  /** Ends every session of a user. */
  endAllOf(userId: string): Promise<void>;
  /** Removes a bounded number of sessions that ended by themselves; for background work. */
  sweep(): Promise<void>;
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

/** Makes and recognises users. */
export interface Accounts extends Users {
  /** @throws ApiError `login.email_invalid`, `login.email_taken`, `login.password_unfit` */
  create(account: {
    readonly email: string;
    readonly password?: Secret | undefined;
    readonly name?: string | undefined;
    readonly role?: User["role"];
    readonly locale?: string | undefined;
  }): Promise<User>;
  /** Answers alike, and as fast, for a wrong password and an unknown address. */
  authenticate(
    email: string,
    password: Secret,
  ): Promise<{ outcome: "ok"; user: User } | { outcome: "wrong" } | { outcome: "locked" }>;
  /** Forgets a bounded number of failed attempts that are a day old; for background work. */
  sweep(): Promise<void>;
}
