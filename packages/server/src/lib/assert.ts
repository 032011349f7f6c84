/** A broken promise of our own code. Never caught to go on; answered with 500 and logged. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Throws a {@link Bug} when `condition` does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}
