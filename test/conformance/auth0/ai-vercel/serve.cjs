// The host's end of the IPC channel: takes a command, answers with what came of it.
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { runWithAIContext } = require("@auth0/ai-vercel");

const login = new AsyncLocalStorage();

/** Who is logged in to the host while a command runs: `{ userId, refreshToken, loginHint }`. */
const current = () => login.getStore();

/** Answers commands until the channel closes. A message is `{ id, command, session, threadID, ... }`. */
function serve(commands) {
  process.on("message", async ({ id, command, session, threadID, ...params }) => {
    try {
      const run = () => commands[command](params);
      const answer = await login.run(session, () => runWithAIContext({ threadID }, run));
      process.send({ id, answer });
    } catch (error) {
      process.send({ id, problem: error.stack ?? String(error) });
    }
  });
  process.on("disconnect", () => process.exit(0));
}

module.exports = { current, serve };
