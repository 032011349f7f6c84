import { CONFIG_OPTION, type Command } from "./command.ts";
import { table } from "./output.ts";
import { readConfig } from "./services.ts";

export const connectionCommands: readonly Command[] = [
  {
    name: "connections list",
    summary: "List the connections of the configuration file.",
    options: CONFIG_OPTION,
    async run(args, context) {
      const { connections, issuer } = readConfig(args, context);
      const rows = connections.map((one) => [one.name, one.displayName, Object.keys(one.scopes).join(" ")]);
      context.output.result(table(["NAME", "SHOWN AS", "SCOPES"], rows), {
        issuer,
        connections: connections.map((one) => ({
          name: one.name,
          display_name: one.displayName,
          client_id: one.clientId,
          scopes: Object.keys(one.scopes),
        })),
      });
      return 0;
    },
  },
];
