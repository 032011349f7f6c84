import type { Clock } from "./store.ts";

/** Whole seconds since 1970, as OAuth and JWT claims count them. */
export function epochSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** RFC 3339 in UTC, of milliseconds since 1970. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

/** Resolves after so many milliseconds of real time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
