import type { RunningProvider } from "@behalf/sandbox";
import { logIn, type Person, signUp } from "./person.ts";
import type { TestServer } from "./server.ts";
import {
  allowCalendar,
  type CalendarProvider,
  connectAccount,
  type ExchangeAnswer,
  exchange,
  startCalendar,
  startVaultServer,
} from "./vault.ts";

/** What people connect unless a test says otherwise. */
export const CALENDAR_SCOPES = ["calendar.read", "calendar.write"];
/** Life of an access token at the provider: short, so that many may expire while our own tokens live. */
const LIFE_SECONDS = 60;

/** A server, a provider that punishes reuse, and one clock for both. */
export interface VaultBench extends AsyncDisposable {
  readonly server: TestServer;
  readonly calendar: CalendarProvider;
  readonly provider: RunningProvider;
  /** Lets every access token expire that the provider has issued so far. */
  expireTokens(): void;
  /** Moves the clock on. */
  advance(ms: number): void;
  /** Turns a fault of the provider on; nothing turns it off. */
  switches(fault?: Record<string, unknown>): void;
  /** Somebody with a browser, logged in to the assistant. */
  newcomer(): Promise<{ person: Person; refreshToken: string }>;
  /** A newcomer who has connected the calendar. */
  connected(options?: {
    scopes?: readonly string[];
    account?: string;
  }): Promise<{ person: Person; refreshToken: string; account: { id: string; scopes: string[] } }>;
  /** Connects one more account. */
  connect(
    who: { person: Person; refreshToken: string },
    options?: { scopes?: readonly string[]; account?: string },
  ): Promise<{ id: string; connection: string; scopes: string[] }>;
  /** Asks for a token of the calendar as the assistant, or as `params` say. */
  ask(refreshToken: string, params?: Record<string, string>): Promise<ExchangeAnswer>;
  readCalendar(accessToken: string | undefined): Promise<Response>;
  /** Number of the newest request that the provider received. */
  seqNow(): number;
  /** Outcomes of the refreshes that the provider has received after the request of that number. */
  refreshesSince(seq: number): string[];
  /** A second server of the same deployment, on the same database. */
  join(): Promise<TestServer>;
}

/** Starts both. The agent `assistant` may do everything with the calendar, `other` may read it. */
export async function createVaultBench(storage: string): Promise<VaultBench> {
  let aheadMs = 0;
  const clock = { now: () => Date.now() + aheadMs };
  const env: Record<string, string> = {};
  const started: CalendarProvider[] = [];
  const options = {
    storage,
    clock,
    env,
    async connect(callback: string) {
      const calendar = started[0] ?? (await startCalendar(callback, { clock: clock.now }));
      started[0] = calendar;
      Object.assign(env, calendar.env);
      return [calendar.connection];
    },
    policies: {
      assistant: { calendar: [...CALENDAR_SCOPES, "email"] },
      other: { calendar: ["calendar.read"] },
    },
    change(config: Record<string, unknown>) {
      config["log"] = { level: "debug" };
    },
  };
  const server = await startVaultServer(options);
  const [calendar] = started;
  if (!calendar) throw new Error("the provider was not started");
  const { provider } = calendar;
  const others: TestServer[] = [];

  const bench: VaultBench = {
    server,
    calendar,
    provider,
    expireTokens: () => bench.advance((LIFE_SECONDS + 1) * 1_000),
    advance(ms) {
      aheadMs += ms;
    },
    switches: (fault = {}) =>
      provider.switches.set({ rotation: "strict", accessTokenLifeSeconds: LIFE_SECONDS, ...fault }),
    async newcomer() {
      const person = await signUp(server.url);
      const tokens = await logIn(server.url, person.agent);
      return { person, refreshToken: tokens.refresh_token ?? "" };
    },
    async connected(choice) {
      const who = await bench.newcomer();
      return { ...who, account: await bench.connect(who, choice) };
    },
    connect: ({ person, refreshToken }, { scopes = CALENDAR_SCOPES, account } = {}) =>
      connectAccount(server.url, person, refreshToken, {
        connection: "calendar",
        scopes,
        atProvider: allowCalendar(account),
      }),
    ask: (refreshToken, params = {}) => exchange(server.url, refreshToken, params),
    readCalendar: (token = "") =>
      fetch(`${provider.url}/calendar/v1/events`, { headers: { authorization: `Bearer ${token}` } }),
    seqNow: () => provider.log().at(-1)?.seq ?? 0,
    refreshesSince: (seq) =>
      provider
        .log(seq)
        .filter((entry) => entry["grantType"] === "refresh_token")
        .map(({ outcome }) => outcome),
    async join() {
      const other = await startVaultServer({ ...options, issuer: server.url });
      others.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      for (const other of others) await other.close();
      await server.close();
      await provider.close();
    },
  };
  bench.switches();
  return bench;
}

/** Waits until `check` is truthy, at most ten seconds: for what the server does in the background. */
export async function until(check: () => unknown): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error("it did not happen within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
