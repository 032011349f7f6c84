import type { Database } from "../support/database.ts";
import { isJsonObject } from "../support/json.ts";
import {
  ANSWER_FAULTS,
  type AnswerFault,
  type Counted,
  DEFAULT_SWITCHES,
  type Endpoint,
  parseSwitches,
  SHAPES,
  type Shape,
  type Switches,
} from "./switches.ts";

/** What will happen to one request: decided, and counted down, when it arrives. */
export type Plan = {
  slow: Switches["slow"];
  /** The fault that replaces the answer, with its name. */
  fault: { name: AnswerFault; when: "before" | "after" } | null;
  /** The switches as they stood at that moment; changes to the answer that do not apply are null. */
  switches: Switches;
};

/** The provider's switches, kept in its file. */
export type Switchboard = {
  get(): Switches;
  /** Sets all of them: what is not named goes back to its default. Answers the problems, if any. */
  set(input: unknown): string[];
  /** Decides about one request. Two requests never share the last one of `times`. */
  plan(endpoint: Endpoint): Plan;
};

/** The switches over the table `settings` of the provider's file. */
export function createSwitchboard(db: Database): Switchboard {
  const save = (switches: Switches) =>
    db.run(
      "INSERT INTO settings (name, value) VALUES ('switches', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      JSON.stringify(switches),
    );
  const get = (): Switches => {
    const row = db.first<{ value: string }>("SELECT value FROM settings WHERE name = 'switches'");
    // Written by `save` alone.
    return row ? (JSON.parse(row.value) as Switches) : DEFAULT_SWITCHES;
  };
  return {
    get,
    set(input) {
      if (!isJsonObject(input)) return ["the switches must be a JSON object"];
      const result = parseSwitches(input);
      if ("problems" in result) return result.problems;
      save(result.switches);
      return [];
    },
    plan: (endpoint) => db.transaction(() => decide(get(), endpoint, save)),
  };
}

function decide(switches: Switches, endpoint: Endpoint, save: (switches: Switches) => void): Plan {
  const meets = (name: "slow" | AnswerFault) => switches[name]?.endpoints.includes(endpoint) === true;
  const slow = meets("slow") ? switches.slow : null;
  const name = ANSWER_FAULTS.find(meets) ?? null;
  const when = name === null ? null : (switches[name]?.when ?? null);
  const answers = endpoint === "token" && when !== "before";
  const shapes = answers ? SHAPES.filter((shape) => switches[shape] !== null) : [];
  const met: Counted[] = [...(slow ? ["slow" as const] : []), ...(name ? [name] : []), ...shapes];
  const left = countDown(switches, met);
  if (left) save(left);
  return {
    slow,
    fault: name && when ? { name, when } : null,
    switches: keepShapes(switches, shapes),
  };
}

/** The switches after these were met once, or null when nothing changes. */
function countDown(switches: Switches, met: readonly Counted[]): Switches | null {
  const counted = met.filter((name) => typeof switches[name]?.times === "number");
  if (counted.length === 0) return null;
  const left = counted.map((name) => {
    const value = switches[name];
    const times = (value?.times ?? 1) - 1;
    return [name, value && times > 0 ? { ...value, times } : null];
  });
  return { ...switches, ...Object.fromEntries(left) };
}

function keepShapes(switches: Switches, kept: readonly Shape[]): Switches {
  const off = SHAPES.filter((shape) => !kept.includes(shape)).map((shape) => [shape, null]);
  return { ...switches, ...Object.fromEntries(off) };
}
