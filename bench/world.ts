import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProvider } from "@behalf/sandbox";
import * as yaml from "yaml";
import { answers, type RunningProcess, startProcess } from "../test/support/processes.ts";
import { freePort, TEST_SECRET, testConfig } from "../test/support/server.ts";

/** A server process of its own with a calendar provider beside it, as a small deployment has them. */
export interface World {
  readonly issuer: string;
  readonly server: RunningProcess;
  /** Milliseconds from starting the process until it answered its first request. */
  readonly startMs: number;
  /** Processor time the server has used so far, in seconds: what neighbours on the machine do not change. */
  cpuSeconds(): number;
  /** Resident memory of the server process, in MiB. */
  memoryMiB(): number;
  stop(): Promise<void>;
}

export const FGA_KEY = "bench-fga-key-0123456789abcdefghijklmnopqrstuv";

/** Starts a server on an empty database: SQLite, unless `storage` names another. `rotate`: also confidential clients' refresh tokens. */
export async function startWorld(options: { storage?: string; rotate?: boolean } = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "behalf-bench-"));
  const port = await freePort();
  const issuer = `http://localhost:${port}/`;
  const provider = await startProvider({
    clients: [{ clientId: "behalf", clientSecret: TEST_SECRET, redirectUris: [`${issuer}login/callback`] }],
  });
  const config = testConfig(port);
  config["storage"] = options.storage ?? "sqlite:./behalf.db";
  config["log"] = { level: "error" };
  config["fga"] = { presharedKeys: [{ env: "FGA_KEY" }] };
  config["egress"] = { allow: [new URL(provider.url).host] };
  config["connections"] = [calendarConnection(provider.url, provider.issuer)];
  const [assistant] = config["clients"] as { agent: { connections: Record<string, unknown> } }[];
  if (assistant) assistant.agent.connections = { calendar: { scopes: ["calendar.read"] } };
  if (assistant && options.rotate) Object.assign(assistant, { rotateRefreshTokens: true });
  const file = join(folder, "behalf.yaml");
  writeFileSync(file, yaml.stringify(config));
  const before = performance.now();
  const server = await startProcess("packages/server/dist/bin.js", ["serve", "--config", file], {
    fromSource: false,
    ready: () => answers(`${issuer}healthz`),
    env: { ROOT_KEY: Buffer.alloc(32, 7).toString("base64"), SECRET: TEST_SECRET, FGA_KEY },
  });
  const startMs = Math.round(performance.now() - before);
  return {
    issuer,
    server,
    startMs,
    cpuSeconds: () => processorSeconds(server.pid),
    memoryMiB: () => residentMiB(server.pid),
    async stop() {
      await server.stop();
      await provider.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The sandbox calendar as a connection. */
export function calendarConnection(url: string, issuer: string) {
  return {
    name: "calendar",
    displayName: "Calendar",
    issuer,
    authorizationEndpoint: `${url}/authorize`,
    tokenEndpoint: `${url}/token`,
    revocationEndpoint: `${url}/revoke`,
    userinfoEndpoint: `${url}/userinfo`,
    clientId: "behalf",
    clientSecret: { env: "SECRET" },
    scopes: {
      "calendar.read": "See your events",
      "calendar.write": "Add events",
      profile: "Name",
      email: "Address",
      offline_access: "While you are away",
    },
    authorizationParams: { access_type: "offline" },
    rotation: "none",
  };
}

function residentMiB(pid: number): number {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

const TICKS_PER_SECOND = 100;

/** User and system time of a process (proc(5): fields 14 and 15 of stat, in clock ticks). */
function processorSeconds(pid: number): number {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
