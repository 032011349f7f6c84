// #region sdk
import { type Behalf, createBehalf } from "@behalf/sdk";
import { createSqliteStore } from "@behalf/sdk/stores/sqlite";

/** Reads `BEHALF_ISSUER`, `BEHALF_CLIENT_ID` and `BEHALF_CLIENT_SECRET`. */
export function connectSdk(): Behalf {
  return createBehalf({ store: createSqliteStore({ path: "quickstart.db" }) });
}
// #endregion
