#!/usr/bin/env node
// `npm run demo`: the server, the sandbox third parties and the assistant on this machine, with an offline
// model and no account anywhere. `-- --check` runs the whole story as a user would and stops. Starts under
// any Node from 20 on; what it starts runs under the pinned one.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { buildWhatIsStale } from "./demo/build.mjs";
import { writeConfiguration } from "./demo/configuration.mjs";
import { DEFAULT_PORTS, freePorts, portsFrom, requireFree } from "./demo/ports.mjs";
import { createPrograms } from "./demo/programs.mjs";
import { runStory } from "./demo/story.mjs";
import { ensureInstalled, pinnedEnv, pinnedNode, root, run } from "./runtime.mjs";

const HELP = `usage: npm run demo [-- options]

Starts the authorization server, a calendar provider, a shop, a mailbox and the assistant, and prints the address to open.

  --check          run the whole story as a user would, on free ports with data that is thrown away
  --port-base N    use the ports N (assistant), N+1 (server), N+2 (calendar), N+3 (shop),
                   N+4 (mailbox), N+5 (SMTP)
                   default: ${DEFAULT_PORTS.assistant}, ${DEFAULT_PORTS.server}, ${DEFAULT_PORTS.calendar}, ${DEFAULT_PORTS.shop}, ${DEFAULT_PORTS.mailbox}, ${DEFAULT_PORTS.smtp}
  --data DIR       where everything is kept (default .behalf/demo); delete it to begin anew
  --join-finance EMAIL   let a person of the running demo read the documents of the group finance
  --help           print this

ASSISTANT_MODEL=<provider>/<model> answers with a model of the AI SDK instead of the scripted offline one.
`;

const options = readOptions(process.argv.slice(2));
if (options.help) process.stdout.write(HELP);
else if (options.joinFinance) await joinFinance();
else await (options.check ? check() : demo());

async function demo() {
  ensureInstalled(root, say);
  const ports = options.portBase === undefined ? DEFAULT_PORTS : portsFrom(options.portBase);
  const dataDir = resolve(options.data ?? join(root, ".behalf", "demo"));
  await requireFree(ports, fail);
  await buildWhatIsStale(say, fail);
  const programs = await start(ports, dataDir);
  stopOnSignals(programs);
  const { configuration } = programs;
  process.stdout.write(`
Open  ${configuration.assistantUrl}

  1. Create an account; any name and address will do, nothing leaves this machine.
  2. Ask: Who am I?  ·  Show my past orders  ·  What is on my calendar this week?
  3. Say: Buy a kettle. Then approve it, or not.
  4. Ask: How many days of leave do I have left?  Then ask the same as somebody else.
  5. Ask: What is the salary band of level 4?  Nobody may read that document, until you say:
     npm run demo -- --join-finance <your address>

Approvals and accounts  ${configuration.issuer}approvals
Mail and texts          ${configuration.mailboxUrl}/mailbox
Logs                    ${relative(process.cwd(), programs.logs) || "."}
Stop with Ctrl-C.
`);
}

async function check() {
  const startedAt = Date.now();
  ensureInstalled(root, say);
  await buildWhatIsStale(say, fail);
  const dataDir = options.data ? resolve(options.data) : mkdtempSync(join(tmpdir(), "behalf-demo-"));
  const ports = options.portBase === undefined ? await freePorts() : portsFrom(options.portBase);
  await requireFree(ports, fail);
  const programs = await start(ports, dataDir);
  stopOnSignals(programs);
  const code = await runStory(programs, say);
  await programs.stop();
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  if (code === 0) {
    say(`The whole story works (${seconds} s).`);
    if (!options.data) rmSync(dataDir, { recursive: true, force: true });
  } else {
    say(`The story broke; the step is named above. Logs and data are in ${dataDir}`);
  }
  process.exit(code);
}

async function start(ports, dataDir) {
  const configuration = await writeConfiguration({ ports, dataDir });
  const programs = createPrograms({ configuration, dataDir, say, onDeath: fail });
  await programs.start();
  return programs;
}

/** The first signal ends everything in order; a second one at once. */
function stopOnSignals(programs) {
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, async () => {
      if (stopping) programs.kill();
      else {
        stopping = true;
        say("stopping …");
        await programs.stop();
      }
      process.exit(options.check ? 1 : 0);
    });
  }
}

/** Under the pinned runtime, whose SQLite reads the assistant's data whatever Node the host has. */
async function joinFinance() {
  ensureInstalled(root, say);
  const dataDir = resolve(options.data ?? join(root, ".behalf", "demo"));
  const script = `import { joinFinance } from ${JSON.stringify(new URL("demo/finance.mjs", import.meta.url).href)};
    const [dataDir, email] = process.argv.slice(1);
    process.exitCode = await joinFinance({ dataDir, email, say: console.log });`;
  const { code } = await run(
    pinnedNode(),
    ["--input-type=module", "-e", script, dataDir, options.joinFinance],
    {
      env: pinnedEnv({ NODE_NO_WARNINGS: "1" }),
    },
  );
  process.exit(code);
}

function readOptions(args) {
  const found = {};
  for (let i = 0; i < args.length; i += 1) {
    const [name, inline] = args[i].split(/=(.*)/s);
    const value = () => inline ?? args[++i] ?? usage(`${name} needs a value`);
    if (name === "--help" || name === "-h") found.help = true;
    else if (name === "--check") found.check = true;
    else if (name === "--data") found.data = value();
    else if (name === "--join-finance") found.joinFinance = value();
    else if (name === "--port-base") found.portBase = portBase(value());
    else usage(`${name} is not an option`);
  }
  return found;
}

function portBase(text) {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port >= 1024 && port <= 65_530 ? port : usage("--port-base must be a port from 1024 to 65530");
}

function usage(message) {
  process.stderr.write(`${message}; --help prints what there is\n`);
  process.exit(2);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
