/** Audit actions of the administrator's API. Making a user is the login slice's event. */
export const adminEvents = {
  userDisabled: "admin.user_disabled",
  userEnabled: "admin.user_enabled",
  clientCreated: "admin.client_created",
  clientChanged: "admin.client_changed",
  clientDisabled: "admin.client_disabled",
  clientEnabled: "admin.client_enabled",
} as const;
