import type { BehalfConfig } from "./config.ts";
import type { OAuthClient } from "./oauth.ts";
import type { Sealer } from "./seal.ts";

/** What every part of a configured SDK shares. */
export interface Runtime {
  config: BehalfConfig;
  oauth: OAuthClient;
  sealer: Sealer;
}
