import { type Context, Hono } from "hono";
import { z } from "zod";
import { randomToken } from "../../../crypto/random.ts";
import { ApiError } from "../../../http/errors.ts";
import { readJson } from "../../../http/limits.ts";
import type { Client, Clients, Cors } from "../../../oauth/index.ts";
import { bindingOf } from "./grant.ts";
import { type Passkeys, randomHandle } from "./passkeys.ts";

export interface PasskeyAppRouteDeps {
  readonly clients: Clients;
  readonly cors: Pick<Cors, "preflightHeaders" | "answerHeaders">;
  readonly passkeys: Passkeys;
  readonly signUp: boolean;
}

/** Members that nobody reads here may come along: SDKs send more. */
const challengeRequest = z.object({ client_id: z.string().min(1).max(2_048) });
const registerRequest = challengeRequest.extend({
  user_profile: z.object({
    email: z.string().min(1).max(254),
    name: z.string().max(200).optional(),
  }),
});

/**
 * Where an app that asks for passkeys itself gets what it hands to the platform; the answer goes to the token
 * endpoint. Client and grant are checked, nobody is named: the challenge alone gives nothing.
 */
export function passkeyAppRoutes(deps: PasskeyAppRouteDeps): Hono {
  const { clients, passkeys } = deps;
  const app = new Hono();

  app.options("/passkey/:verb", async (c) => {
    const headers = await deps.cors.preflightHeaders(c.req.header("origin"), "POST");
    return new Response(null, { status: 204, headers: { vary: "Origin", ...headers } });
  });

  /** Reads a request of a client that may use passkeys; every failure is an OAuth error. */
  async function read<T extends z.infer<typeof challengeRequest>>(c: Context, schema: z.ZodType<T>) {
    c.header("cache-control", "no-store");
    c.header("vary", "Origin");
    const body = await readJson(c.req.raw).catch((error) => {
      if (ApiError.is(error)) return undefined;
      throw error;
    });
    const request = schema.safeParse(body).data;
    if (!request) return refuse(c, 400, "invalid_request", "the body is not what this endpoint takes");
    const cors = await deps.cors.answerHeaders(c.req.header("origin"), request.client_id);
    for (const [name, value] of Object.entries(cors)) c.header(name, value);
    const client = await clients.find(request.client_id);
    return mayUsePasskeys(client)
      ? { request, client }
      : refuse(c, 403, "unauthorized_client", "the client may not use this grant");
  }

  app.post("/passkey/challenge", async (c) => {
    const asked = await read(c, challengeRequest);
    if (asked instanceof Response) return asked;
    const authSession = randomToken();
    const options = await passkeys.askLogin({ binding: bindingOf(authSession, asked.client.id) });
    return c.json({ auth_session: authSession, authn_params_public_key: options });
  });

  app.post("/passkey/register", async (c) => {
    const asked = await read(c, registerRequest);
    if (asked instanceof Response) return asked;
    if (!deps.signUp) return refuse(c, 403, "access_denied", "nobody can sign up here");
    const { email, name = "" } = asked.request.user_profile;
    const authSession = randomToken();
    const profile = { email, name, handle: randomHandle() };
    const options = await passkeys.askRegistration(
      "sign_up",
      bindingOf(authSession, asked.client.id),
      { ...profile, name: name || email },
      { request: profile },
    );
    return c.json({ auth_session: authSession, authn_params_public_key: options });
  });

  return app;
}

function mayUsePasskeys(client: Client | undefined): client is Client {
  return client !== undefined && client.disabledAt === undefined && client.grantTypes.includes("passkey");
}

function refuse(c: Context, status: 400 | 403, error: string, description: string): Response {
  return c.json({ error, error_description: description }, status);
}
