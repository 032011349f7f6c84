/**
 * Joins concurrent callers inside this process: those who ask for the same thing share one run, and runs for
 * one account follow each other, because they spend the same refresh token.
 */
export function createFlights() {
  const flights = new Map<string, Promise<unknown>>();
  const tails = new Map<string, Promise<unknown>>();
  const background = new Set<Promise<unknown>>();

  return {
    /** Runs `work`, or joins the run of the same account and purpose that has not ended. */
    join<T>(accountId: string, purpose: string, work: () => Promise<T>): Promise<T> {
      const key = `${accountId} ${purpose}`;
      const running = flights.get(key);
      // One purpose is always asked for with one result type.
      if (running) return running as Promise<T>;
      const before = tails.get(accountId) ?? Promise.resolve();
      // The run before may fail: that is its callers' business.
      const run = before.catch(() => undefined).then(work);
      flights.set(key, run);
      tails.set(accountId, run);
      const settled = () => {
        flights.delete(key);
        if (tails.get(accountId) === run) tails.delete(accountId);
      };
      run.then(settled, settled);
      return run;
    },

    /** Work that nobody waits for; `idle` does. It must not reject. */
    detach(work: Promise<unknown>): void {
      background.add(work);
      void work.finally(() => background.delete(work));
    },

    /** Resolves when everything that runs now has ended. */
    async idle(): Promise<void> {
      await Promise.allSettled([...flights.values(), ...background]);
    },
  };
}

/** @see createFlights */
export type Flights = ReturnType<typeof createFlights>;
