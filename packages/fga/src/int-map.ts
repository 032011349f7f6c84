/**
 * A map from numbers (0 to 2^31-1) to 32-bit numbers other than -1, in two typed arrays:
 * 8 bytes a slot and nothing for the collector to walk.
 */
export interface IntMap {
  readonly size: number;
  keys(): Iterable<number>;
  /** Value of `key`, or -1; also for a negative key. */
  get(key: number): number;
  set(key: number, value: number): void;
  delete(key: number): void;
}

const EMPTY = -1;
const MIN_SLOTS = 8;
/** Past this share of used slots the arrays double. */
const MAX_LOAD = 0.7;
/** 2^32 divided by the golden ratio: spreads consecutive numbers over the slots (Knuth, TAOCP 6.4). */
const SPREAD = 0x9e3779b1;

/** An empty {@link IntMap}: open addressing, linear probing, deletion by shifting back, so that it never fills with dead slots. */
export function createIntMap(): IntMap {
  let keys = new Int32Array(MIN_SLOTS).fill(EMPTY);
  let values = new Int32Array(MIN_SLOTS);
  let mask = MIN_SLOTS - 1;
  let shift = Math.clz32(mask);
  let size = 0;

  const home = (key: number): number => Math.imul(key, SPREAD) >>> shift;

  /** Slot of the key, or the free slot where it would go. */
  function slotOf(key: number): number {
    let slot = home(key);
    for (let found = keys[slot]; found !== key && found !== EMPTY; found = keys[slot])
      slot = (slot + 1) & mask;
    return slot;
  }

  function grow(): void {
    const [oldKeys, oldValues] = [keys, values];
    const slots = oldKeys.length * 2;
    keys = new Int32Array(slots).fill(EMPTY);
    values = new Int32Array(slots);
    mask = slots - 1;
    shift = Math.clz32(mask);
    for (let i = 0; i < oldKeys.length; i++) {
      const key = oldKeys[i]!;
      if (key === EMPTY) continue;
      const slot = slotOf(key);
      keys[slot] = key;
      values[slot] = oldValues[i]!;
    }
  }

  return {
    get size() {
      return size;
    },
    keys: () => keys.filter((key) => key !== EMPTY),
    get(key) {
      if (key < 0) return EMPTY;
      const slot = slotOf(key);
      return keys[slot] === key ? values[slot]! : EMPTY;
    },
    set(key, value) {
      let slot = slotOf(key);
      if (keys[slot] !== key) {
        if (size + 1 > keys.length * MAX_LOAD) {
          grow();
          slot = slotOf(key);
        }
        keys[slot] = key;
        size++;
      }
      values[slot] = value;
    },
    delete(key) {
      let gap = slotOf(key);
      if (keys[gap] !== key) return;
      size--;
      for (let slot = (gap + 1) & mask; keys[slot] !== EMPTY; slot = (slot + 1) & mask) {
        const candidate = keys[slot]!;
        // The entry may move into the gap unless its home lies between the gap and where it is now.
        if (((slot - home(candidate)) & mask) < ((slot - gap) & mask)) continue;
        keys[gap] = candidate;
        values[gap] = values[slot]!;
        gap = slot;
      }
      keys[gap] = EMPTY;
    },
  };
}
