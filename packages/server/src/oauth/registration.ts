import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Audit } from "../audit/index.ts";
import { currentRequest } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { readBody } from "../http/limits.ts";
import { networkOf } from "../http/networks.ts";
import type { Clock } from "../lib/clock.ts";
import type { Ids } from "../lib/ids.ts";
import type { Storage } from "../storage/index.ts";
import { countWithin } from "../storage/rate.ts";
import { oauthEvents } from "./events.ts";
import type { OAuthTables } from "./store.ts";
import { isSafeRedirect, STRANGER_GRANTS, STRANGER_PREFIX, visibleName } from "./strangers.ts";

/** Members of a registration that are used; others are ignored, as RFC 7591 section 2 asks. */
const request = z.object({
  client_name: z.string().min(1).max(200).optional(),
  redirect_uris: z.array(z.string().max(2_048)).min(1).max(20),
});

const MAX_REGISTRATION_BYTES = 16 * 1_024;
const PER_HOUR_AND_ADDRESS = 20;
const HOUR_MS = 3_600_000;

/**
 * Dynamic registration, when the operator switched it on. Whatever the request asks for, the client that
 * comes out is a stranger: public, two grants, no API.
 * @see RFC 7591 section 3
 */
export function createRegistration(deps: { storage: Storage; audit: Audit; clock: Clock; ids: Ids }) {
  const { storage, audit, clock, ids } = deps;

  async function register(body: Buffer, ip: string | undefined): Promise<{ status: number; body: object }> {
    const allowed = await countWithin(
      storage,
      `register:${networkOf(ip)}`,
      clock.now(),
      HOUR_MS,
      PER_HOUR_AND_ADDRESS,
    );
    if (!allowed) return refuse(429, "temporarily_unavailable", "too many registrations from this address");
    const parsed = request.safeParse(parseJson(body));
    if (!parsed.success)
      return refuse(400, "invalid_client_metadata", "send redirect_uris, and client_name if you like");
    const { redirect_uris: redirectUris } = parsed.data;
    const name = visibleName(parsed.data.client_name ?? "") ?? "Unnamed app";
    if (!redirectUris.every(isSafeRedirect))
      return refuse(400, "invalid_redirect_uri", "redirect_uris must be https, or http on loopback");
    const id = ids.prefixed(STRANGER_PREFIX);
    const now = clock.now();
    const metadata = { name, redirectUris, grantTypes: STRANGER_GRANTS };
    await storage.transaction(async (tx) => {
      await tx
        .db<OAuthTables>()
        .insertInto("clients")
        .values({
          id,
          metadata: JSON.stringify(metadata),
          secret_hash: null,
          disabled_at: null,
          created_at: now,
          updated_at: now,
        })
        .execute();
      await audit.appendIn(tx, { action: oauthEvents.clientRegistered, clientId: id, outcome: "done" });
    });
    return {
      status: 201,
      body: {
        client_id: id,
        client_id_issued_at: Math.floor(now / 1_000),
        client_name: name,
        redirect_uris: redirectUris,
        grant_types: STRANGER_GRANTS,
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      },
    };
  }

  return {
    async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
      const answer = await readBody(incoming, MAX_REGISTRATION_BYTES).then(
        (body) => register(body, currentRequest()?.ip ?? incoming.socket.remoteAddress),
        (error: unknown) => {
          if (!ApiError.is(error)) throw error;
          return refuse(error.status, "invalid_client_metadata", error.message);
        },
      );
      outgoing.writeHead(answer.status, {
        "content-type": "application/json",
        "cache-control": "no-store",
        // A body that is too long is not read to its end, so the connection cannot be used again.
        ...(answer.status === 413 ? { connection: "close" } : {}),
      });
      outgoing.end(JSON.stringify(answer.body));
    },
  };
}

function refuse(status: number, error: string, description: string) {
  return { status, body: { error, error_description: description } };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined; // The schema then says what is missing.
  }
}
