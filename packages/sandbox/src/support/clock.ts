/** Milliseconds since the epoch. Passed in wherever time matters, so that a test can move it. */
export type Clock = () => number;

/** The machine's clock: the only place in this package that reads the time. */
export const systemClock: Clock = () => Date.now();
