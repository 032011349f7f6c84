import { honest, VERIFIER } from "../test/security/attack.ts";
import { CALLBACK, logIn, type Person, signUp } from "../test/support/person.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { SHOP, TEST_SECRET } from "../test/support/server.ts";
import { closedLoop, type LoadRequest, oneByOne } from "./load.ts";
import { startWorld, type World } from "./world.ts";

const CONNECTIONS = 32;
/** Codes live for a minute: as many as are made and redeemed well within it. */
const CODES = 2_000;
const SECONDS = 6;
const headers = { "content-type": "application/x-www-form-urlencoded" };
const CREDENTIALS = { client_id: "assistant", client_secret: TEST_SECRET };

/** The token endpoint by grant, on each engine: client credentials, refresh with rotation, code exchange. */
export async function bench({ seconds = SECONDS, codes = CODES } = {}) {
  const sqlite = await measure(await startWorld({ rotate: true }), { seconds, codes });
  const postgres = await startPostgres();
  try {
    return {
      sqlite,
      postgresql: await measure(await startWorld({ rotate: true, storage: postgres.url }), {
        seconds,
        codes,
      }),
    };
  } finally {
    await postgres.stop();
  }
}

async function measure(world: World, { seconds, codes }: { seconds: number; codes: number }) {
  try {
    const person = await signUp(world.issuer);
    const load = { connections: CONNECTIONS, seconds, cpuSeconds: world.cpuSeconds };
    const machine = post(world, { grant_type: "client_credentials", audience: SHOP });
    const clientCredentials = await closedLoop(() => machine, load);
    const refresh = await closedLoop(await refreshes(world, person), load);
    const made = await makeCodes(world, person, codes);
    const codeExchange = await oneByOne(
      made.map((code) =>
        post(world, {
          grant_type: "authorization_code",
          code,
          redirect_uri: CALLBACK,
          code_verifier: VERIFIER,
        }),
      ),
      { connections: CONNECTIONS, cpuSeconds: world.cpuSeconds },
    );
    return {
      client_credentials: clientCredentials,
      refresh_with_rotation: refresh,
      code_exchange: codeExchange,
      memory_mib: world.memoryMiB(),
    };
  } finally {
    await world.stop();
  }
}

function post(world: World, params: Record<string, string>): LoadRequest {
  return {
    url: `${world.issuer}oauth/token`,
    headers,
    body: new URLSearchParams({ ...CREDENTIALS, ...params }).toString(),
  };
}

/** A family of refresh tokens for each connection; every request sends the newest one of its family. */
async function refreshes(world: World, person: Person): Promise<() => LoadRequest> {
  const newest: string[] = [];
  for (let i = 0; i < CONNECTIONS; i++)
    newest.push((await logIn(world.issuer, person.agent)).refresh_token ?? "");
  return () => {
    // A caller takes one and brings its successor back before its next request.
    const refresh_token = newest.shift() ?? "";
    return {
      ...post(world, { grant_type: "refresh_token", refresh_token }),
      onAnswer: (body) => void newest.push(JSON.parse(body).refresh_token),
    };
  };
}

async function makeCodes(world: World, person: Person, count: number): Promise<string[]> {
  const codes: string[] = [];
  const address = `${world.issuer}authorize?${new URLSearchParams(honest())}`;
  const lane = async () => {
    while (codes.length < count) {
      const response = await person.agent.fetch(address);
      const code = new URL(response.headers.get("location") ?? "", world.issuer).searchParams.get("code");
      if (!code) throw new Error(`no code: ${response.status} ${response.headers.get("location")}`);
      codes.push(code);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  return codes.slice(0, count);
}
