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
      const rows = connections.map((one) => [
        one.name,
        one.displayName,
        one.kind,
        one.login ? "yes" : "no",
        one.vault ? Object.keys(one.scopes).join(" ") : "none: vault is false",
      ]);
      context.output.result(table(["NAME", "SHOWN AS", "KIND", "LOG-IN", "SCOPES"], rows), {
        issuer,
        connections: connections.map((one) => ({
          name: one.name,
          display_name: one.displayName,
          kind: one.kind,
          login: one.login !== undefined,
          vault: one.vault,
          client_id: one.clientId,
          scopes: Object.keys(one.scopes),
        })),
      });
      return 0;
    },
  },
];
