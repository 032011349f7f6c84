import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { newSecret } from "./support/secrets.ts";
import { StartError } from "./support/start-error.ts";

/**
 * The secret of this file, which is made on first use and readable by its owner alone. Of several processes that
 * start together, all get the same one.
 *
 * @throws StartError when the file cannot be read or is empty.
 */
export function keptSecret(file: string): string {
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, `${newSecret("")}\n`, { mode: 0o600 });
    // A link appears whole or not at all, and not over a file that exists.
    linkSync(draft, file);
  } catch (error) {
    if (!isCode(error, "EEXIST"))
      throw new StartError(`The client secret cannot be written to ${file}. Give one: --client-secret.`, {
        cause: error,
      });
  } finally {
    rmSync(draft, { force: true });
  }
  const secret = readFileSync(file, "utf8").trim();
  if (secret !== "") return secret;
  throw new StartError(`The file ${file} holds no client secret. Delete it, or write one into it.`);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
