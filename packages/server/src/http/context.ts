import { AsyncLocalStorage } from "node:async_hooks";
import type { ClientCertificate } from "./client-certificate.ts";

/** What is known of the request being served; for logs and the audit trail. */
export interface RequestContext {
  /** Sent back as `X-Request-Id`. */
  readonly requestId: string;
  /** Where the request comes from: the peer, or what a trusted proxy says of it. */
  readonly ip: string | undefined;
  /** What the peer showed on the port for certificates; never anything that a header says. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /** Who acts when it is not the user an event is about: an administrator, a service, the command line. */
  readonly actorId?: string | undefined;
}

const current = new AsyncLocalStorage<RequestContext>();

/** Runs `work` with `context` as the current request. */
export function withRequestContext<T>(context: RequestContext, work: () => T): T {
  return current.run(context, work);
}

/** The request being served; `undefined` in background work. */
export function currentRequest(): RequestContext | undefined {
  return current.getStore();
}
