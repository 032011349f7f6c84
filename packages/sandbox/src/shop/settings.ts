import { createHash } from "node:crypto";

/** A user's settings at the shop. */
export type Settings = {
  user: string;
  delivery: { street: string; city: string };
  newsletter: boolean;
  /** The shop asks again above this amount; it is a wish of the user, not a permission. */
  spending_limit: { amount: string; currency: string };
};

const STREETS = ["1 Example Street", "22 Harbour Road", "7 Orchard Way", "140 Station Avenue"];
const CITIES = ["Northport", "Eastfield", "Westbridge", "Southmere"];
const LIMITS = ["100.00", "150.00", "250.00", "500.00"];

/** Settings that are always the same for a user, and differ from one user to the next. */
export function settingsOf(sub: string): Settings {
  const seed = createHash("sha256").update(`settings of ${sub}`).digest();
  const pick = (list: readonly string[], index: number) => list[(seed[index] ?? 0) % list.length]!;
  return {
    user: sub,
    delivery: { street: pick(STREETS, 0), city: pick(CITIES, 1) },
    newsletter: (seed[2] ?? 0) % 2 === 0,
    spending_limit: { amount: pick(LIMITS, 3), currency: "EUR" },
  };
}
