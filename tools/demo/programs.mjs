// The demo's programs as processes of their own. Only these are ever stopped.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pinnedNode, root } from "../runtime.mjs";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 60;
const LOG_LINES_SHOWN = 15;

/**
 * @param onDeath called with a sentence when a program cannot start or ends by itself
 */
export function createPrograms({ configuration, dataDir, say, onDeath }) {
  const logs = join(dataDir, "logs");
  mkdirSync(logs, { recursive: true });
  const programs = describe(configuration, dataDir);
  const running = new Map();
  let stopping = false;

  async function start(name) {
    const program = programs[name];
    const log = join(logs, `${name}.log`);
    const out = openSync(log, "a", 0o600);
    const child = spawn(pinnedNode(), program.args, {
      cwd: root,
      env: { ...cleanEnv(), ...program.env },
      stdio: ["ignore", out, out],
      // A group of its own, so that Ctrl-C reaches the demo alone and it stops its programs in order.
      detached: process.platform !== "win32",
    });
    closeSync(out);
    running.set(name, child);
    child.once("exit", (code, signal) => {
      if (running.get(name) !== child) return;
      running.delete(name);
      if (!stopping) died(name, log, signal ?? `exit code ${code}`);
    });
    await ready(name, program.health, child);
  }

  async function ready(name, health, child) {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline && running.get(name) === child) {
      const answer = await fetch(health, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    if (running.get(name) === child) died(name, join(logs, `${name}.log`), "no answer within a minute");
    // Whoever hears of a death ends this process; nothing may go on as if the program were there.
    await new Promise(() => {});
  }

  function died(name, log, why) {
    kill();
    const tail = readFileSync(log, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN).join("\n  ");
    onDeath(`${programs[name].title} ended (${why}). The end of ${log}:\n  ${tail}`);
  }

  function signal(child, name) {
    try {
      child.kill(name);
    } catch {
      // It has ended already.
    }
  }

  /** Ends everything at once. */
  function kill() {
    stopping = true;
    for (const child of running.values()) signal(child, "SIGKILL");
  }

  async function stopOne(name, how) {
    const child = running.get(name);
    if (!child) return;
    running.delete(name);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    signal(child, how);
    const timer = setTimeout(() => signal(child, "SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  return {
    configuration,
    dataDir,
    logs,
    /** In the order in which they need each other. */
    async start() {
      for (const name of ["mailbox", "server", "calendar", "shop", "assistant"]) {
        const before = Date.now();
        await start(name);
        const seconds = ((Date.now() - before) / 1000).toFixed(1);
        say(`${programs[name].title.padEnd(24)} ${programs[name].url}  (${seconds} s)`);
      }
    },
    /** Kills a program as a crash would, and starts it again on the same data. */
    async crashAndRestart(name) {
      await stopOne(name, "SIGKILL");
      await start(name);
    },
    async stop() {
      stopping = true;
      await Promise.all([...running.keys()].map((name) => stopOne(name, "SIGTERM")));
    },
    kill,
  };
}

function describe(configuration, dataDir) {
  const { issuer, ports, secrets, assistantUrl, calendarUrl, shopUrl, shopAudience, mailboxUrl, file } =
    configuration;
  const sandbox = join(root, "packages", "sandbox", "src", "bin.ts");
  return {
    server: {
      title: "Authorization server",
      url: issuer,
      health: `${issuer}healthz`,
      args: [
        "-C",
        "@behalf/source",
        join(root, "packages", "server", "src", "bin.ts"),
        "serve",
        "--config",
        file,
      ],
      env: {},
    },
    calendar: {
      title: "Calendar provider",
      url: calendarUrl,
      health: `${calendarUrl}/.well-known/oauth-authorization-server`,
      args: [
        sandbox,
        "provider",
        ...["--port", String(ports.calendar), "--data", join(dataDir, "calendar.sqlite")],
        ...["--issuer", calendarUrl, "--client-name", "Behalf demo"],
        ...["--redirect-uri", `${issuer}login/callback`],
      ],
      env: { BEHALF_SANDBOX_CLIENT_SECRET: secrets.calendar },
    },
    shop: {
      title: "Shop",
      url: shopUrl,
      health: `${shopUrl}/catalogue`,
      args: [
        sandbox,
        "shop",
        ...["--port", String(ports.shop), "--data", join(dataDir, "shop.sqlite")],
        ...["--issuer", issuer, "--audience", shopAudience],
      ],
      env: {},
    },
    mailbox: {
      title: "Mailbox",
      url: `${mailboxUrl}/mailbox`,
      health: `${mailboxUrl}/mailbox`,
      args: [
        sandbox,
        "mailbox",
        ...["--port", String(ports.mailbox), "--smtp-port", String(ports.smtp)],
        ...["--data", join(dataDir, "mailbox.sqlite")],
      ],
      env: {},
    },
    assistant: {
      title: "Assistant",
      url: assistantUrl,
      health: `${assistantUrl}/healthz`,
      args: [join(root, "examples", "assistant", "src", "bin.ts")],
      env: {
        PORT: String(ports.assistant),
        APP_URL: assistantUrl,
        BEHALF_ISSUER: issuer,
        BEHALF_CLIENT_ID: "assistant",
        BEHALF_CLIENT_SECRET: secrets.assistant,
        BEHALF_FGA_URL: issuer,
        BEHALF_FGA_TOKEN: secrets.fga,
        SHOP_URL: shopUrl,
        SHOP_AUDIENCE: shopAudience,
        CALENDAR_URL: calendarUrl,
        DATA_DIR: join(dataDir, "assistant"),
        SESSION_SECRET: secrets.session,
      },
    },
  };
}

/** The environment without what would override the demo's own settings. */
function cleanEnv() {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(BEHALF_|NODE_OPTIONS$|PORT$|APP_URL$|SHOP_|CALENDAR_|DATA_DIR$|SESSION_SECRET$)/.test(name),
  );
  return { ...Object.fromEntries(kept), NODE_NO_WARNINGS: "1" };
}
