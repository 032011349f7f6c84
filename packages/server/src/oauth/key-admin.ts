import type { Audit } from "../audit/index.ts";
import { oauthEvents } from "./events.ts";
import { type KeyAlgorithm, type KeyInfo, type KeyStoreDeps, listKeys, makeSuccessors } from "./key-store.ts";

/** Signing keys as the operator sees and rotates them; running servers take a change up within a minute. */
export interface KeyAdmin {
  /** Every key there ever was, oldest first. */
  list(): Promise<readonly KeyInfo[]>;
  /**
   * Makes a successor for each of the algorithms, all that have a key when none is named. It is published at
   * once and signs after 15 minutes. The kids of the new keys.
   */
  rotate(algorithm?: KeyAlgorithm): Promise<readonly string[]>;
}

export function createKeyAdmin(deps: KeyStoreDeps & { audit: Audit }): KeyAdmin {
  const list = () => listKeys(deps);
  return {
    list,
    async rotate(algorithm) {
      const live = (await list()).filter(({ state }) => state !== "retired");
      // Written by this server: one of the algorithms.
      const used = [...new Set(live.map((key) => key.algorithm as KeyAlgorithm))];
      const kids = await makeSuccessors(deps, algorithm ? [algorithm] : used, 0);
      for (const kid of kids)
        await deps.audit.append({ action: oauthEvents.keyMade, objectId: kid, outcome: "done" });
      return kids;
    },
  };
}
