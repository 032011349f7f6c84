import type { IncomingMessage } from "node:http";
import { decodeJwt } from "jose";
import { currentRequest } from "../http/context.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Storage } from "../storage/index.ts";
import { whyNotProven } from "./certificate-authentication.ts";
import { ASSERTION_TYPE, AssertionError, verifyAssertion } from "./client-assertion.ts";
import type { ClientKeys } from "./client-keys.ts";
import type { ClientRegistry, StoredClient } from "./clients.ts";
import type { FormParams } from "./form.ts";

/** Proof of who a client is, by other means than a secret. */
export interface ClientAuthentication {
  /**
   * Judges the proof that a request brings. "none" when it brings no such proof: then a secret, or nothing, is
   * for whoever reads the request next.
   */
  prove(request: IncomingMessage, params: FormParams): Promise<"none" | "refused" | StoredClient>;
  /** Who the request was proven to come from. */
  provenClient(request: IncomingMessage): string | undefined;
}

export function createClientAuthentication(deps: {
  issuer: string;
  storage: Storage;
  clock: Clock;
  log: Log;
  clients: ClientRegistry;
  keys: ClientKeys;
}): ClientAuthentication {
  const { clients, log } = deps;
  const proven = new WeakMap<IncomingMessage, string>();
  const endpoint = `${deps.issuer}oauth/token`;
  // Published clients name the issuer or the token endpoint, and are not of one mind about a slash at the end.
  const audiences = new Set([deps.issuer, deps.issuer.slice(0, -1), endpoint, `${endpoint}/`]);

  async function judge(
    request: IncomingMessage,
    params: FormParams,
    assertion: string,
  ): Promise<StoredClient> {
    if (params["client_assertion_type"] !== ASSERTION_TYPE) throw new AssertionError("client_assertion_type");
    if (request.headers.authorization !== undefined || params["client_secret"] !== undefined)
      throw new AssertionError("two proofs at once");
    const id = subjectOf(assertion);
    if ((params["client_id"] ?? id) !== id) throw new AssertionError("another client_id");
    const client = await clients.find(id);
    if (!client || client.disabledAt !== undefined) throw new AssertionError("unknown client");
    if (client.authentication !== "keys") throw new AssertionError("the client has no keys");
    await verifyAssertion({ ...deps, audiences }, client, assertion);
    return client;
  }

  /** Whose the certificate of the connection has to be; "none" for clients that prove themselves otherwise. */
  async function judgeCertificate(
    request: IncomingMessage,
    params: FormParams,
  ): Promise<"none" | "refused" | StoredClient> {
    const id = params["client_id"];
    // A secret proves nothing of such a client either way; whoever reads it next says so.
    if (id === undefined || request.headers.authorization !== undefined) return "none";
    if (params["client_secret"] !== undefined) return "none";
    const client = await clients.find(id);
    if (client?.authentication !== "certificate" || client.disabledAt !== undefined) return "none";
    const reason = whyNotProven(client, currentRequest()?.clientCertificate, deps.clock.now());
    if (reason === undefined) return client;
    log.info("client not authenticated", { reason });
    return "refused";
  }

  return {
    provenClient: (request) => proven.get(request),
    async prove(request, params) {
      const assertion = params["client_assertion"];
      if (assertion === undefined && params["client_assertion_type"] === undefined) {
        const client = await judgeCertificate(request, params);
        if (typeof client === "object") proven.set(request, client.id);
        return client;
      }
      try {
        const client = await judge(request, params, assertion ?? "");
        proven.set(request, client.id);
        return client;
      } catch (error) {
        if (!(error instanceof AssertionError)) throw error;
        log.info("client not authenticated", { reason: error.message });
        return "refused";
      }
    },
  };
}

/** Whose assertion it says it is; believed only once it is verified with that client's key. */
function subjectOf(assertion: string): string {
  try {
    return String(decodeJwt(assertion).sub);
  } catch {
    throw new AssertionError("no JWT");
  }
}

/** What stands for the proof in a request that goes on to the core; it is good for nothing by itself. */
const PROVEN = "proven";

/** The request's parameters as the core reads them once the client is proven. */
export function withoutProof(params: FormParams, clientId: string): FormParams {
  const { client_assertion: _assertion, client_assertion_type: _type, ...rest } = params;
  return { ...rest, client_id: clientId, client_secret: PROVEN };
}
