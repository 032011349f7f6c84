import type { Migration } from "../migrate.ts";
import { foundation } from "./0001-foundation.ts";
import { login } from "./0002-login.ts";
import { oauth } from "./0003-oauth.ts";
import { vault } from "./0004-vault.ts";
import { approvals } from "./0005-approvals.ts";
import { fga } from "./0006-fga.ts";
import { loginFlows } from "./0007-login-flows.ts";
import { passkeys } from "./0008-passkeys.ts";
import { sessionIds } from "./0009-session-ids.ts";
import { organizations } from "./0010-organizations.ts";
import { roles } from "./0011-roles.ts";
import { wire } from "./0012-wire.ts";
import { secondFactors } from "./0014-second-factors.ts";
import { loginCodes } from "./0015-login-codes.ts";
import { phones } from "./0016-phones.ts";
import { identities } from "./0017-identities.ts";
import { sessionMethods } from "./0018-session-methods.ts";
import { importedPasswords } from "./0030-imported-passwords.ts";
import { mfaTokens } from "./0031-mfa-tokens.ts";

/** Every step of the schema, in order. A new one is a file here and a line at the end. */
export const migrations: readonly Migration[] = [
  foundation,
  login,
  oauth,
  vault,
  approvals,
  fga,
  loginFlows,
  passkeys,
  sessionIds,
  organizations,
  roles,
  wire,
  secondFactors,
  loginCodes,
  phones,
  identities,
  sessionMethods,
  importedPasswords,
  mfaTokens,
];
