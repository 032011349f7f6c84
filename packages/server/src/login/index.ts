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
   * @throws ApiError `request.forbidden`
   */
  checkForm(request: Request, session: BrowserSession, form: FormData): void;
}

/** A user, as other slices see them. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string | undefined;
  readonly locale: string | undefined;
  readonly role: "user" | "admin";
  readonly disabledAt: number | undefined;
}

/** Looks users up. */
export interface Users {
  find(id: string): Promise<User | undefined>;
}
