import { logIn, signUp } from "../test/support/person.ts";
import { TEST_SECRET } from "../test/support/server.ts";
import { allowCalendar, connectAccount } from "../test/support/vault.ts";
import { closedLoop } from "./load.ts";
import { startWorld } from "./world.ts";

/** Token exchange with a fresh token at 64 connections; each answer has its audit row committed. */
export async function bench() {
  const world = await startWorld();
  try {
    const person = await signUp(world.issuer);
    const tokens = await logIn(world.issuer, person.agent);
    await connectAccount(world.issuer, person, tokens.refresh_token ?? "", {
      connection: "calendar",
      scopes: ["calendar.read"],
      atProvider: allowCalendar(),
    });
    const body = new URLSearchParams({
      grant_type: "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
      requested_token_type: "http://auth0.com/oauth/token-type/federated-connection-access-token",
      subject_token_type: "urn:ietf:params:oauth:token-type:refresh_token",
      subject_token: tokens.refresh_token ?? "",
      connection: "calendar",
      client_id: "assistant",
      client_secret: TEST_SECRET,
    }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const request = () => ({ url: `${world.issuer}oauth/token`, headers, body });
    const exchange = await closedLoop(request, { connections: 64, seconds: 6, cpuSeconds: world.cpuSeconds });
    return { exchange, memory_mib: world.memoryMiB() };
  } finally {
    await world.stop();
  }
}
