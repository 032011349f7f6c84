import { useSyncExternalStore } from "react";
import { createProfileSource, LOADING, type ProfileSource, type ProfileState } from "./profile-source.ts";

export type { ProfileState } from "./profile-source.ts";

/** Made in the browser alone: on a server it would be shared by everybody's requests. */
let shared: ProfileSource | undefined;

function profileSource(): ProfileSource {
  shared ??= createProfileSource();
  return shared;
}

/**
 * Who is logged in, from `/auth/profile`, fetched once for all components. While a page is rendered on the
 * server it is loading.
 */
export function useUser(): ProfileState & { refresh(): Promise<void> } {
  const state = useSyncExternalStore(
    (listener) => profileSource().subscribe(listener),
    () => profileSource().state(),
    () => LOADING,
  );
  return { ...state, refresh: () => profileSource().refresh() };
}
