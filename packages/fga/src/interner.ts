import { UNKNOWN } from "./reader.ts";

/** Numbers for the ids of one type, given while at least one tuple uses them. */
export interface Interner {
  /** Number of the id, or -1. */
  find(id: string): number;
  /** Number of the id, new if it has none, and one more use of it. */
  retain(id: string): number;
  /** One use less; a number without uses is given to another id later. */
  release(number: number): void;
  /** Id of a number in use. */
  name(number: number): string;
}

/** Numbers from here on belong to an overlay, the ones below to the reader under it. */
export const OVERLAY_START = 2 ** 30;

/** Numbers from 0 on. */
export function createInterner(): Interner {
  const numbers = new Map<string, number>();
  const names: string[] = [];
  const uses: number[] = [];
  const free: number[] = [];
  return {
    find: (id) => numbers.get(id) ?? UNKNOWN,
    retain(id) {
      let number = numbers.get(id);
      if (number === undefined) {
        number = free.pop() ?? names.length;
        numbers.set(id, number);
        names[number] = id;
        uses[number] = 0;
      }
      uses[number]!++;
      return number;
    },
    release(number) {
      if (--uses[number]! > 0) return;
      numbers.delete(names[number]!);
      names[number] = "";
      free.push(number);
    },
    name: (number) => names[number]!,
  };
}

/** Numbers of `base` for what it knows, own ones from {@link OVERLAY_START} on for the rest. `base` is not changed. */
export function extendInterner(base: Pick<Interner, "find" | "name">): Interner {
  const own = createInterner();
  const shifted = (number: number): number => (number < 0 ? number : number + OVERLAY_START);
  const find = (id: string): number => {
    const below = base.find(id);
    return below >= 0 ? below : shifted(own.find(id));
  };
  return {
    find,
    retain(id) {
      const below = base.find(id);
      return below >= 0 ? below : shifted(own.retain(id));
    },
    release(number) {
      if (number >= OVERLAY_START) own.release(number - OVERLAY_START);
    },
    name: (number) => (number >= OVERLAY_START ? own.name(number - OVERLAY_START) : base.name(number)),
  };
}
