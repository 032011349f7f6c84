/** Where the parts of the quickstart are. */
export interface Settings {
  /** The authorization server; ends in `/`. */
  readonly issuer: string;
  /** This app, without a slash at its end. */
  readonly appUrl: string;
  readonly calendarUrl: string;
  /** The API that takes orders. */
  readonly ordersUrl: string;
}

/** Reads the environment; every variable but `BEHALF_ISSUER` has a default. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const issuer = env["BEHALF_ISSUER"];
  if (!issuer)
    throw new Error("BEHALF_ISSUER is missing: the address of the server, such as http://localhost:4000/");
  return {
    issuer,
    appUrl: env["APP_URL"] ?? "http://localhost:3000",
    calendarUrl: env["CALENDAR_URL"] ?? "http://127.0.0.1:4410",
    ordersUrl: env["ORDERS_URL"] ?? "http://127.0.0.1:3001",
  };
}
