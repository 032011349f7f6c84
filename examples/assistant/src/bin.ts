#!/usr/bin/env node
import { BehalfError } from "@behalf/sdk";
import { startAssistant } from "./server.ts";
import { helpText, readSettings, SettingsError } from "./settings.ts";

if (process.argv.includes("--help")) process.stdout.write(helpText());
else await main();

async function main(): Promise<void> {
  try {
    const assistant = await startAssistant(readSettings(process.argv.slice(2), process.env));
    const { url, model, documents } = assistant;
    process.stdout.write(`${JSON.stringify({ ready: true, name: "assistant", url, model, documents })}\n`);
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => void assistant.close().then(() => process.exit(0)));
  } catch (error) {
    const sentence = sentenceOf(error);
    if (sentence === undefined) throw error;
    process.stderr.write(`${sentence}\n`);
    process.exitCode = 1;
  }
}

/** What the operator can do something about, as a sentence; undefined for a fault of this program. */
function sentenceOf(error: unknown): string | undefined {
  if (error instanceof SettingsError || BehalfError.is(error)) return error.message;
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
    return "The port is taken. Choose another with --port or PORT.";
  return undefined;
}
