import { join } from "node:path";
import { type Host, startHost } from "../../../support/host.ts";
import { ensureInstalled } from "../../../support/install.ts";
import { FEATURES, type Feature, featureNames } from "./features.ts";
import type { Breakage } from "./proxy.ts";
import { startWorld, type World } from "./world.ts";

/** One feature of one package, driven as its documentation says. */
export interface Cell {
  /** What the package itself must have asked the server, as `METHOD /path`. */
  readonly requests: readonly string[];
  /** Ways to break the server, by a sentence; each must turn the run red. */
  readonly broken: Readonly<Record<string, Breakage>>;
  /** The package sends the person's browser to the server, and what it asks there counts. */
  readonly watchBrowser?: true;
  run(world: World, driver: Driver): Promise<void>;
  /** Why it fails, where what is seen says too little; printed only while it fails. */
  readonly knownFailure?: string;
}

/** Why there is nothing to run. */
export type Absent =
  | { readonly notOffered: true }
  /** Nobody has driven it; why not is printed. */
  | { readonly notRun: string };

export const notOffered: Absent = { notOffered: true };

/** Does what a command of the package's driver says. */
export type Driver = Host["ask"] & {
  /** What the driver told without being asked, oldest first. */
  readonly notices: Host["notices"];
};

/** A published package, and what there is to say of each feature. */
export interface Subject {
  readonly package: string;
  readonly version: string;
  /** Folder beside this one, with the package's manifest and its driver. */
  readonly folder: string;
  readonly driver: string;
  /** Installs and runs in a few seconds, so that every test run has it. */
  readonly quick: boolean;
  /** What the table says below itself about this package. */
  readonly note?: string;
  env?(world: World): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly features: Readonly<Record<Feature, Cell | Absent>>;
}

export type Verdict =
  | { readonly kind: "works"; readonly brokenWays: number }
  | { readonly kind: "not offered" }
  | { readonly kind: "fails" | "not run"; readonly reason: string };

export type Verdicts = Readonly<Record<Feature, Verdict>>;

/** A cell says "works" when it ran, the package made the requests, and every broken server turned it red. */
export async function judge(world: World, driver: Driver, entry: Cell | Absent): Promise<Verdict> {
  if ("notOffered" in entry) return { kind: "not offered" };
  if ("notRun" in entry) return { kind: "not run", reason: entry.notRun };
  const { watchBrowser = false } = entry;
  world.proxy.start({ watchBrowser });
  const failure = await attempt(entry, world, driver);
  if (failure !== undefined) return { kind: "fails", reason: entry.knownFailure ?? failure };
  const missing = entry.requests.filter((request) => !world.proxy.requests.includes(request));
  if (missing.length > 0) return { kind: "fails", reason: `the package never asked ${missing.join(", ")}` };
  for (const [how, breakage] of Object.entries(entry.broken)) {
    world.proxy.start({ breakage, watchBrowser });
    const red = (await attempt(entry, world, driver)) !== undefined;
    const { altered } = world.proxy;
    world.proxy.start();
    if (altered === 0) return { kind: "fails", reason: `not proven: nothing was asked where ${how}` };
    if (!red) return { kind: "fails", reason: `not proven: it stays green where ${how}` };
  }
  return { kind: "works", brokenWays: Object.keys(entry.broken).length };
}

const MAX_REASON_LENGTH = 240;

/** What went wrong, in one line; nothing when it went well. */
async function attempt(cell: Cell, world: World, driver: Driver): Promise<string | undefined> {
  try {
    await cell.run(world, driver);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replace(/\s+/g, " ").trim().slice(0, MAX_REASON_LENGTH) || "failed without a word";
  }
}

/** Runs one package's cells in a world of their own. */
export async function withSubject<T>(
  subject: Subject,
  work: (world: World, driver: Driver) => Promise<T>,
  options: Parameters<typeof startWorld>[0] = {},
): Promise<T> {
  const folder = ensureInstalled(`test/conformance/auth0/${subject.folder}`);
  const world = await startWorld(options);
  let host: Host | undefined;
  try {
    const own = await world.proxy.aside(async () => subject.env?.(world));
    host = startHost(join(folder, subject.driver), { ...world.env, ...own });
    return await work(world, Object.assign(host.ask, { notices: host.notices }));
  } finally {
    await host?.stop();
    await world.close();
  }
}

/** The verdict on each feature of a package. `tell` hears of each as it falls. */
export function judgeAll(
  subject: Subject,
  tell: (feature: string, verdict: Verdict) => void = () => undefined,
  options: Parameters<typeof startWorld>[0] = {},
): Promise<Verdicts> {
  return withSubject(
    subject,
    async (world, driver) => {
      const verdicts: Partial<Record<Feature, Verdict>> = {};
      for (const feature of featureNames) {
        const verdict = await judge(world, driver, subject.features[feature]);
        verdicts[feature] = verdict;
        tell(FEATURES[feature], verdict);
      }
      await proveAlive(subject, verdicts, (cell) => attempt(cell, world, driver));
      return verdicts as Verdicts;
    },
    options,
  );
}

/**
 * A driver that has died fails every run, on a broken server or not: the last cell that works must do so once
 * more. Of those before it the next one's success is the proof.
 */
async function proveAlive(
  subject: Subject,
  verdicts: Partial<Record<Feature, Verdict>>,
  run: (cell: Cell) => Promise<string | undefined>,
): Promise<void> {
  const last = featureNames.findLast((feature) => verdicts[feature]?.kind === "works");
  const entry = last && subject.features[last];
  if (!last || !entry || !("run" in entry)) return;
  const failure = await run(entry);
  if (failure !== undefined)
    verdicts[last] = { kind: "fails", reason: `not proven: the whole server stays red: ${failure}` };
}
