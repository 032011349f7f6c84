import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig, type RunningServer, type StartOptions, startServer } from "@behalf/server";

/** A server of its own for one test, with everything it needs in a temporary folder. */
export interface TestServer extends RunningServer {
  readonly log: readonly string[];
}

/** 256 bits, as base64url: what a generated client secret looks like. */
export const TEST_SECRET = "test-secret-0123456789abcdefghijklmnopqrstuvw";
export const APP_URL = "http://localhost:3999";
export const SHOP = "https://shop.sandbox.example/";

/** Configuration of the test server: one agent, one public client, one shop. `port` decides the issuer. */
export function testConfig(port: number): Record<string, unknown> {
  return {
    issuer: `http://localhost:${port}/`,
    listen: { host: "127.0.0.1", port },
    storage: "sqlite::memory:",
    rootKey: { env: "ROOT_KEY" },
    log: { level: "warn" },
    apis: [
      {
        audience: SHOP,
        name: "Shop",
        scopes: {
          "orders:read": "See your orders",
          "orders:create": "Place orders",
          "settings:read": "See settings",
        },
        detailTypes: { purchase: { title: "Purchase" } },
        requireDetails: true,
      },
    ],
    clients: [
      {
        id: "assistant",
        name: "Assistant",
        secret: { env: "SECRET" },
        redirectUris: [`${APP_URL}/auth/callback`],
        postLogoutRedirectUris: [APP_URL],
        grantTypes: ["authorization_code", "refresh_token", "client_credentials", "ciba", "token_vault"],
        apis: { [SHOP]: { scopes: ["orders:read", "orders:create", "settings:read"] } },
        firstParty: true,
        agent: { owner: "Example team", purpose: "Helps with everyday tasks.", connections: {} },
      },
      {
        id: "other",
        name: "Other agent",
        secret: { env: "SECRET" },
        redirectUris: [`${APP_URL}/auth/callback`],
        grantTypes: ["authorization_code", "refresh_token", "ciba", "token_vault"],
        apis: { [SHOP]: { scopes: ["orders:create"] } },
        agent: { owner: "Another team", purpose: "Does something else.", connections: {} },
      },
      { id: "spa", name: "Public app", redirectUris: [`${APP_URL}/spa`] },
    ],
  };
}

const ROOT_KEY = Buffer.alloc(32, 7).toString("base64");

/** Starts a server on a free port; `change` edits the configuration before it is read. */
export async function startTestServer(
  change: (config: ReturnType<typeof testConfig>) => void = () => undefined,
  options: StartOptions & { env?: Record<string, string> } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "behalf-test-"));
  const log: string[] = [];
  const config = testConfig(await freePort());
  change(config);
  const env = { ROOT_KEY, SECRET: TEST_SECRET, ...options.env };
  const parsed = parseConfig(config, { env, baseDir: folder });
  const server = await startServer(parsed, { writeLog: (line) => void log.push(line), ...options });
  return {
    ...server,
    log,
    async close() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A loopback port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
