/** Audit actions of the login slice. */
export const loginEvents = {
  userCreated: "login.user_created",
  /** Made, or completed, from the export of another system. */
  userImported: "login.user_imported",
  loggedIn: "login.logged_in",
  refused: "login.refused",
  locked: "login.locked",
  passwordChanged: "login.password_changed",
  methodAdded: "login.method_added",
  methodRemoved: "login.method_removed",
  recoveryCodesMade: "login.recovery_codes_made",
  recoveryCodeUsed: "login.recovery_code_used",
  /** A code went to an address or a number; without a user it went to nobody. */
  codeSent: "login.code_sent",
  resetAsked: "login.reset_asked",
  emailConfirmed: "login.email_confirmed",
  sessionEnded: "login.session_ended",
  identityLinked: "login.identity_linked",
  identityUnlinked: "login.identity_unlinked",
  passkeyAdded: "login.passkey_added",
  passkeyRenamed: "login.passkey_renamed",
  passkeyRemoved: "login.passkey_removed",
  /** A passkey's counter did not grow: somebody has a copy of the key. */
  passkeyCopied: "login.passkey_copied",
} as const;
