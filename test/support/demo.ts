import { buildWhatIsStale } from "../../tools/demo/build.mjs";
import { writeConfiguration } from "../../tools/demo/configuration.mjs";
import { freePorts } from "../../tools/demo/ports.mjs";
import { createPrograms } from "../../tools/demo/programs.mjs";

/** The demo's programs, running on free ports. */
export interface DemoPrograms {
  readonly assistantUrl: string;
  readonly issuer: string;
  readonly shopUrl: string;
  readonly calendarUrl: string;
  /** Kills a program as a crash would and starts it again on the same data. */
  crashAndRestart(program: "server" | "assistant"): Promise<void>;
  stop(): Promise<void>;
}

/** Starts what `npm run demo` starts, with its data in `dataDir`. */
export async function startDemo(dataDir: string): Promise<DemoPrograms> {
  const quiet = () => undefined;
  let failure = "";
  const onDeath = (sentence: string) => {
    failure = sentence;
    throw new Error(sentence);
  };
  await buildWhatIsStale(quiet, onDeath);
  const configuration = await writeConfiguration({ ports: await freePorts(), dataDir });
  const programs = createPrograms({ configuration, dataDir, say: quiet, onDeath });
  await programs.start();
  if (failure) throw new Error(failure);
  return {
    assistantUrl: configuration.assistantUrl,
    issuer: configuration.issuer,
    shopUrl: configuration.shopUrl,
    calendarUrl: configuration.calendarUrl,
    crashAndRestart: programs.crashAndRestart,
    stop: programs.stop,
  };
}
