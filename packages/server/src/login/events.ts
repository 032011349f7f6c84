/** Audit actions of the login slice. */
export const loginEvents = {
  userCreated: "login.user_created",
  loggedIn: "login.logged_in",
  refused: "login.refused",
  locked: "login.locked",
  passwordChanged: "login.password_changed",
  sessionEnded: "login.session_ended",
} as const;
