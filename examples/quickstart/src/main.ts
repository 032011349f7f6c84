import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { createMemoryStore, type InterruptData } from "@behalf/sdk";
import { runAgent } from "./agent.ts";
import { createOrdersApi } from "./api.ts";
import { createApp, createLogins, type LoggedIn } from "./app.ts";
import { checkOutcome } from "./check.ts";
import { createPerson } from "./person.ts";
import { connectSdk } from "./sdk.ts";
import { serve } from "./serve.ts";
import { readSettings, type Settings } from "./settings.ts";

const HELP = `An agent with two tools, in one terminal. It needs a running server.

  BEHALF_ISSUER, BEHALF_CLIENT_ID, BEHALF_CLIENT_SECRET   the server and the agent's client
  CALENDAR_URL   default http://127.0.0.1:4410, the sandbox provider
  APP_URL        default http://localhost:3000, where people log in
  ORDERS_URL     default http://127.0.0.1:3001, the API that takes orders

  --check        does what a person would do in the browser, and exits 0 when everything held
`;

/** A check that waits longer than this has broken. */
const CHECK_TIMEOUT_MS = 60_000;

const { values } = parseArgs({ options: { check: { type: "boolean" }, help: { type: "boolean" } } });
if (values.help) process.stdout.write(HELP);
else await main(values.check ?? false).catch(fail);

async function main(isCheck: boolean): Promise<void> {
  const behalf = connectSdk();
  const settings = readSettings(process.env);
  const logins = createLogins(behalf, { ...settings, secret: randomBytes(32).toString("base64url") });
  const login = Promise.withResolvers<LoggedIn>();
  const stops = [
    await serve(settings.appUrl, createApp(logins, login.resolve)),
    await serve(settings.ordersUrl, createOrdersApi({ ...settings, store: createMemoryStore() })),
  ];
  const answer = isCheck ? await personWhoAnswers(settings) : () => undefined;
  say(`Log in: ${settings.appUrl}/auth/login`);
  const user = await login.promise;
  const asked: InterruptData[] = [];
  const done = await runAgent(behalf, settings, user, (interrupt, address) => {
    asked.push(interrupt);
    say(`${JSON.stringify(interrupt, undefined, 2)}\nOpen ${address}`);
    answer(interrupt, address);
  });
  say(`Events: ${done.events.map(({ title }) => title).join(", ")}`);
  say(`Ordered: ${JSON.stringify(done.order)}`);
  if (isCheck) {
    await checkOutcome(settings, { user, done, asked });
    say("Everything held.");
  }
  for (const stop of stops) stop();
}

/** Logs in, and then does in the browser what the agent asks for. */
async function personWhoAnswers({ appUrl }: Settings) {
  setTimeout(() => fail(new Error("The check takes too long.")), CHECK_TIMEOUT_MS).unref();
  const person = createPerson();
  await person.signUp(appUrl);
  return (interrupt: InterruptData, address: string): void => {
    const forms = interrupt.approval
      ? [{ decision: "approve" }]
      : [{ decision: "allow" }, { decision: "confirm" }];
    person.answer(address, forms).catch(fail);
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
