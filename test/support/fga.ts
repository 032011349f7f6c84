import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CredentialsMethod, OpenFgaClient, type UserClientConfigurationParams } from "@openfga/sdk";
import * as yaml from "yaml";
import { answers, type RunningProcess, startProcess } from "./processes.ts";
import { freePort, TEST_SECRET, testConfig } from "./server.ts";

export const FGA_KEY = "test-fga-key-0123456789abcdefghijklmnopqrstuv";

/** A document is seen by its viewers, members of viewing groups, and who sees its folder. */
export const MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "group",
      relations: { member: { this: {} } },
      metadata: { relations: { member: { directly_related_user_types: [{ type: "user" }] } } },
    },
    {
      type: "document",
      relations: { viewer: { this: {} } },
      metadata: {
        relations: {
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "group", relation: "member" }] },
        },
      },
    },
  ],
};

/** Lets the server of a configuration take {@link FGA_KEY}, and the agent ask tokens for the FGA API. */
export function allowFga(config: Record<string, unknown>): void {
  config["fga"] = { presharedKeys: [{ env: "FGA_KEY" }] };
  // The test configuration's first client is the agent.
  const [assistant] = config["clients"] as { apis: Record<string, unknown> }[];
  if (assistant) assistant.apis[`${config["issuer"]}fga/`] = { scopes: [] };
}

type Credentials = NonNullable<UserClientConfigurationParams["credentials"]>;

const preshared: Credentials = { method: CredentialsMethod.ApiToken, config: { token: FGA_KEY } };

/** The ways to authenticate that OpenFGA's SDK has, as this server takes them. */
export const credentials: Readonly<Record<string, (url: string) => Credentials>> = {
  "a preshared key": () => preshared,
  "client credentials": (url) => ({
    method: CredentialsMethod.ClientCredentials,
    config: {
      clientId: "assistant",
      clientSecret: TEST_SECRET,
      apiTokenIssuer: `${url}oauth/token`,
      apiAudience: `${url}fga/`,
    },
  }),
};

/** OpenFGA's published client against the server at `url`; failed requests are not tried again. */
export function fgaClient(url: string, options: UserClientConfigurationParams = {}): OpenFgaClient {
  return new OpenFgaClient({
    apiUrl: url.replace(/\/$/, ""),
    credentials: preshared,
    retryParams: { maxRetry: 0 },
    ...options,
  });
}

/** A server process of its own. */
export interface FgaProcess extends RunningProcess {
  readonly url: string;
}

/** Starts `behalf serve` on a database, which it shares with whoever else was given it. */
export async function startFgaProcess(storage: string): Promise<FgaProcess> {
  const folder = mkdtempSync(join(tmpdir(), "behalf-fga-"));
  const port = await freePort();
  const config = testConfig(port);
  config["storage"] = storage;
  allowFga(config);
  const file = join(folder, "behalf.yaml");
  writeFileSync(file, yaml.stringify(config));
  const url = `http://localhost:${port}/`;
  const running = await startProcess("packages/server/src/bin.ts", ["serve", "--config", file], {
    ready: () => answers(`${url}healthz`),
    env: { ROOT_KEY: Buffer.alloc(32, 7).toString("base64"), SECRET: TEST_SECRET, FGA_KEY },
  });
  return {
    ...running,
    url,
    async stop(signal) {
      await running.stop(signal);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
