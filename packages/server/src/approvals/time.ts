const UNITS = [
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
] as const;

/** A span of time in its two-or-more largest unit, rounded down so that it never promises too much: "4 minutes". */
export function duration(ms: number, tag: string): string {
  const fitting = UNITS.find((candidate) => ms >= 2 * candidate.ms) ?? { unit: "second", ms: 1_000 };
  const count = Math.max(0, Math.floor(ms / fitting.ms));
  return new Intl.NumberFormat(tag, { style: "unit", unit: fitting.unit, unitDisplay: "long" }).format(count);
}

/** A point in time. In UTC and saying so: a page without script does not know where the reader is. */
export function pointInTime(ms: number, tag: string): string {
  return new Intl.DateTimeFormat(tag, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: "UTC",
  })
    .format(ms)
    .concat(" UTC");
}
