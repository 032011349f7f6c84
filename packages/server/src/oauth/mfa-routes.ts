import { Hono } from "hono";
import { z } from "zod";
import { readText } from "../http/limits.ts";
import { reveal } from "../lib/secret.ts";
import type { SecondFactors, Users } from "../login/index.ts";
import type { MfaTokens, WaitingRequest } from "./mfa-tokens.ts";

const MAX_BODY_BYTES = 8 * 1_024;
const HEADERS = { "cache-control": "no-store", pragma: "no-cache" };
const BEARER = /^Bearer ([A-Za-z0-9_-]{43})$/i;

const associateBody = z.object({ authenticator_types: z.array(z.string().max(32)).min(1).max(8) });
const challengeBody = z.object({
  mfa_token: z.string().max(128),
  client_id: z.string().max(2_048),
  challenge_type: z.string().max(64).default("otp"),
  authenticator_id: z.string().max(128).optional(),
});

/**
 * What an app with an `mfa_token` can ask about its user's second factors: which there are, to set a first one up, and
 * to be asked for one. None of it proves anything; the grants do that.
 */
export function mfaRoutes(deps: { mfaTokens: MfaTokens; secondFactors: SecondFactors; users: Users }): Hono {
  const { mfaTokens, secondFactors, users } = deps;
  const app = new Hono();

  const bearer = async (request: Request): Promise<WaitingRequest | undefined> => {
    const [, value] = BEARER.exec(request.headers.get("authorization") ?? "") ?? [];
    return value === undefined ? undefined : mfaTokens.find(value);
  };

  app.get("/mfa/authenticators", async (c) => {
    const waiting = await bearer(c.req.raw);
    if (!waiting) return INVALID_TOKEN();
    const { apps, recoveryCodes } = await secondFactors.of(waiting.userId);
    return Response.json(
      [
        ...apps.map(({ id }) => ({ id, authenticator_type: "otp", active: true })),
        ...(apps.length > 0 && recoveryCodes > 0
          ? [{ id: "recovery-code", authenticator_type: "recovery-code", active: true }]
          : []),
      ],
      { headers: HEADERS },
    );
  });

  app.delete("/mfa/authenticators/:id", async (c) => {
    const waiting = await bearer(c.req.raw);
    if (!waiting) return INVALID_TOKEN();
    const id = c.req.param("id");
    const isOwn = waiting.pendingFactor === id && (await secondFactors.removePending(waiting.userId, id));
    if (!isOwn) return refuse(403, "access_denied", "a factor that counts is removed in the user's profile");
    await mfaTokens.remember(waiting.hash, undefined, []);
    return new Response(null, { status: 204, headers: HEADERS });
  });

  app.post("/mfa/associate", async (c) => {
    const waiting = await bearer(c.req.raw);
    if (!waiting) return INVALID_TOKEN();
    const body = await readJson(c.req.raw, associateBody);
    if (!body) return refuse(400, "invalid_request", "authenticator_types is missing");
    if (!body.authenticator_types.includes("otp"))
      return refuse(400, "unsupported_challenge_type", "authenticator_types must have otp");
    const user = await users.find(waiting.userId);
    if (!user || user.disabledAt !== undefined) return INVALID_TOKEN();
    const begun = await secondFactors.begin(user.id, user.email);
    if (!begun) return refuse(403, "access_denied", "the user has a second factor: prove that one");
    await mfaTokens.remember(waiting.hash, begun.id, begun.recoveryCodeHashes);
    return Response.json(
      {
        id: begun.id,
        authenticator_type: "otp",
        secret: reveal(begun.secret),
        barcode_uri: begun.uri,
        recovery_codes: begun.recoveryCodes,
      },
      { headers: HEADERS },
    );
  });

  app.post("/mfa/challenge", async (c) => {
    const body = await readJson(c.req.raw, challengeBody);
    if (!body) return refuse(400, "invalid_request", "mfa_token and client_id are needed");
    const waiting = await mfaTokens.find(body.mfa_token);
    if (!waiting || waiting.clientId !== body.client_id) return INVALID_TOKEN();
    const { apps } = await secondFactors.of(waiting.userId);
    const { authenticator_id: id = waiting.pendingFactor ?? apps[0]?.id } = body;
    const isKnown = apps.some((known) => known.id === id) || (id && id === waiting.pendingFactor);
    if (!isKnown) return refuse(403, "invalid_grant", "the user has no such authenticator");
    if (!body.challenge_type.split(" ").includes("otp"))
      return refuse(400, "unsupported_challenge_type", "challenge_type must be otp");
    return Response.json({ challenge_type: "otp" }, { headers: HEADERS });
  });

  return app;
}

function refuse(status: number, error: string, description: string): Response {
  return Response.json({ error, error_description: description }, { status, headers: HEADERS });
}

const INVALID_TOKEN = () => refuse(401, "invalid_grant", "invalid mfa_token");

/** JSON, or a form as some clients send it. */
async function readJson<T>(request: Request, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readText(request, MAX_BODY_BYTES);
  try {
    const isForm = request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded");
    const value: unknown = isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text);
    return schema.safeParse(value).data;
  } catch {
    return undefined; // No JSON: answered like a member that is missing.
  }
}
