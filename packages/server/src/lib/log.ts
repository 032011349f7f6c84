import type { Clock } from "./clock.ts";

/** What a log line may carry beside its message: flat values only, so that no object brings a secret along. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured log, one JSON object a line. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Lowest level written. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

export function createLog(deps: { write: (line: string) => void; clock: Clock; level: LogLevel }): Log {
  const least = ORDER.indexOf(deps.level);
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (ORDER.indexOf(level) < least) return;
      const time = new Date(deps.clock.now()).toISOString();
      deps.write(`${JSON.stringify({ time, level, message, ...fields })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
