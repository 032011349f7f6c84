import { AsyncLocalStorage } from "node:async_hooks";

// The driver's end of the IPC channel: takes a command with its parameters, answers with what came of it.

const login = new AsyncLocalStorage();

/** Who is logged in to the host while a command runs: the `session` of the message. */
export const current = () => login.getStore();

/** Answers commands until the channel closes. A message is `{ id, command, session, ...params }`. */
export function serve(commands) {
  process.on("message", async ({ id, command, session, ...params }) => {
    try {
      const answer = await login.run(session, () => commands[command](params));
      process.send({ id, answer: answer ?? null });
    } catch (error) {
      process.send({ id, problem: tell(error) });
    }
  });
  process.on("disconnect", () => process.exit(0));
}

/** An error with what it says of its causes: the packages wrap the server's answer in errors of their own. */
function tell(error) {
  if (!(error instanceof Error)) return typeof error === "object" ? JSON.stringify(error) : String(error);
  const code = error.error ?? error.code;
  const own = `${error.name}${code ? ` ${code}` : ""}: ${error.error_description ?? error.message}`;
  return error.cause ? `${own} <- ${tell(error.cause)}` : own;
}
