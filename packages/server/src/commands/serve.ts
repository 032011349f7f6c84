import { CONFIG_OPTION, type Command } from "./command.ts";
import { readConfig } from "./services.ts";

export const serve: Command = {
  name: "serve",
  summary: "Run the server until SIGTERM or SIGINT; running requests may end first.",
  options: CONFIG_OPTION,
  notes: "BEHALF_ISSUER, BEHALF_STORAGE and BEHALF_PORT override the configuration file.",
  async run(args, context) {
    const server = await context.startServer(readConfig(args, context));
    context.output.result(`Behalf serves ${server.url} on port ${server.port}.`, {
      url: server.url,
      port: server.port,
    });
    const signal = await context.untilSignal();
    context.output.note(`${signal}: closing. Running requests may end first.`);
    await server.close();
    return 0;
  },
};
