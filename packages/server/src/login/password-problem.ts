import type { Language } from "../pages/languages/index.ts";
import { MAX_PASSWORD_LENGTH } from "./accounts.ts";

/** Why a new password was refused, for the person; `undefined` when the code says something else. */
export function passwordProblem({ texts }: Language, code: string, password: string): string | undefined {
  const t = texts.signUp;
  if (code === "login.password_breached") return t.passwordKnown;
  if (code !== "login.password_unfit") return undefined;
  return password.length > MAX_PASSWORD_LENGTH ? t.passwordLong : t.passwordShort;
}
