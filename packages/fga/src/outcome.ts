/**
 * The outcome at one relation of one object. A cycle is a "no" that also makes the exclusion it is subtracted in
 * say "no" (OpenFGA's rule). From 3 on the number names an error: it yields to "yes" in a union and to "no" in an
 * intersection or exclusion.
 */
export type Outcome = number;
export const NO = 0;
export const YES = 1;
export const CYCLE = 2;
export const FIRST_ERROR = 3;

/** True for an outcome that names an error. */
export function isError(outcome: Outcome): boolean {
  return outcome >= FIRST_ERROR;
}

/** Union of two outcomes: yes over error over cycle over no. */
export function either(a: Outcome, b: Outcome): Outcome {
  if (a === YES || b === YES) return YES;
  if (isError(a)) return a;
  return isError(b) ? b : Math.max(a, b);
}

/** Intersection of two outcomes: cycle over no over error over yes. */
export function both(a: Outcome, b: Outcome): Outcome {
  if (a === CYCLE || b === CYCLE) return CYCLE;
  if (a === NO || b === NO) return NO;
  return isError(a) ? a : b;
}

/** A subtracted outcome: a cycle subtracts too, and stays known as one. */
export function negate(outcome: Outcome): Outcome {
  if (outcome === YES) return NO;
  return outcome === NO ? YES : outcome;
}
