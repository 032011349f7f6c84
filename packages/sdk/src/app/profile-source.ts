import type { JsonObject } from "../http.ts";

/** What is known of the user at a moment. One object for one state, so that React compares by identity. */
export interface ProfileState {
  /** Undefined while it is not known, and when nobody is logged in. */
  user: JsonObject | undefined;
  isLoading: boolean;
  /** The profile could not be fetched; nothing is known then. */
  error: Error | undefined;
}

/** The profile of this browser's user, for any number of readers; fetched once. */
export interface ProfileSource {
  state(): ProfileState;
  /** @returns what ends the subscription */
  subscribe(listener: () => void): () => void;
  /** Fetches it anew, after a login in another tab for instance. */
  refresh(): Promise<void>;
}

export const LOADING: ProfileState = { user: undefined, isLoading: true, error: undefined };

export function createProfileSource(
  path = "/auth/profile",
  fetchProfile: (path: string) => Promise<Response> = (url) => fetch(url, { cache: "no-store" }),
): ProfileSource {
  const listeners = new Set<() => void>();
  let state = LOADING;
  let started = 0;

  async function refresh(): Promise<void> {
    started += 1;
    const mine = started;
    const next = await read(() => fetchProfile(path));
    if (mine !== started) return; // a later one is under way, and knows better
    state = next;
    for (const listener of listeners) listener();
  }

  return {
    state: () => state,
    refresh,
    subscribe(listener) {
      listeners.add(listener);
      if (started === 0) void refresh(); // `read` never fails
      return () => listeners.delete(listener);
    },
  };
}

async function read(send: () => Promise<Response>): Promise<ProfileState> {
  try {
    const response = await send();
    if (response.status === 401) return { ...LOADING, isLoading: false };
    if (!response.ok) throw new Error(`The profile was answered with status ${response.status}.`);
    return { user: (await response.json()) as JsonObject, isLoading: false, error: undefined }; // our own route
  } catch (error) {
    return {
      user: undefined,
      isLoading: false,
      error: error instanceof Error ? error : new Error(String(error)),
    };
  }
}
