/** An account at the sandbox calendar. There is no password: whoever sits at this machine may pick one. */
export type Account = { id: string; name: string; email: string; label: string };

/** The accounts that exist. The first is selected when no login hint says otherwise. */
export const ACCOUNTS: readonly Account[] = [
  { id: "acc_personal", name: "Anne Lee", email: "anne.lee@calendar.example", label: "Personal" },
  { id: "acc_work", name: "Anne Lee", email: "anne.lee@work.example", label: "Work" },
  { id: "acc_household", name: "Household", email: "household@calendar.example", label: "Shared" },
];

/** The account with this id or address, or undefined. Addresses are compared without regard to case. */
export function findAccount(idOrEmail: string): Account | undefined {
  const wanted = idOrEmail.toLowerCase();
  return ACCOUNTS.find((account) => account.id === idOrEmail || account.email === wanted);
}

/** A permission that an application may ask for, and the words in which a person is asked. */
export type Scope = { name: string; says: string };

/** Every scope of the provider; any other is refused with `invalid_scope`. */
export const SCOPES: readonly Scope[] = [
  { name: "openid", says: "Know which account is yours" },
  { name: "calendar.read", says: "See the events in your calendar" },
  { name: "calendar.write", says: "Add events to your calendar" },
  { name: "profile", says: "See your name" },
  { name: "email", says: "See your email address" },
  { name: "offline_access", says: "Keep this access while you are away, until you remove it" },
];

/** What `access_type=offline` and the scope of that name both ask for. */
export const OFFLINE_SCOPE = "offline_access";

/** The scopes of a space-separated string, each once, in its order (RFC 6749 section 3.3). */
export function splitScope(scope: string): string[] {
  return [...new Set(scope.split(" ").filter((name) => name !== ""))];
}
