/** From now on `name` is 127.0.0.1 in this process. */
export function resolveHere(name: string): void;
