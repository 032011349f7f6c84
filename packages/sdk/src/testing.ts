import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type Behalf, createBehalf } from "./behalf.ts";
import type { BehalfOptions } from "./config.ts";
import { runWithContext } from "./context.ts";
import { type Clock, createMemoryStore } from "./store.ts";

/** One answer of a peer. A `body` that is not a text is sent as JSON. */
export interface PeerAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** A request as a peer saw it. */
export interface PeerRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
  form: URLSearchParams;
}

type Answerer = PeerAnswer | ((request: PeerRequest) => PeerAnswer | Promise<PeerAnswer>);

/** An HTTP server on loopback that answers as it is told, to test what the SDK makes of answers. */
export interface Peer {
  issuer: string;
  requests: PeerRequest[];
  /** The requests to one path. */
  to(path: string): PeerRequest[];
  /** Replaces the answer of a path. */
  answer(path: string, answer: Answerer): void;
}

/** Starts a peer that serves discovery and ends with the test. */
export async function startPeer(t: TestContext, answers: Record<string, Answerer> = {}): Promise<Peer> {
  const requests: PeerRequest[] = [];
  const routes = new Map(Object.entries(answers));
  const server = createServer(async (incoming, outgoing) => {
    const request = await readRequest(incoming);
    requests.push(request);
    const found = routes.get(request.path) ?? { status: 404, body: { error: "not_found" } };
    const {
      status = 200,
      headers = {},
      body = {},
    } = typeof found === "function" ? await found(request) : found;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    outgoing.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // a TCP server has one
  if (!routes.has(DISCOVERY)) routes.set(DISCOVERY, { body: discovery(issuer) });
  return {
    issuer,
    requests,
    to: (path) => requests.filter((request) => request.path === path),
    answer: (path, answer) => routes.set(path, answer),
  };
}

export const DISCOVERY = "/.well-known/openid-configuration";
export const TOKEN = "/oauth/token";
export const BACKCHANNEL = "/bc-authorize";

/** The discovery document of the server that this SDK is for, as far as the SDK reads it. */
export function discovery(issuer: string): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${issuer}authorize`,
    token_endpoint: `${issuer}oauth/token`,
    jwks_uri: `${issuer}.well-known/jwks.json`,
    backchannel_authentication_endpoint: `${issuer}bc-authorize`,
    device_authorization_endpoint: `${issuer}oauth/device/code`,
    end_session_endpoint: `${issuer}oidc/logout`,
    revocation_endpoint: `${issuer}oauth/revoke`,
  };
}

async function readRequest(incoming: IncomingMessage): Promise<PeerRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  const url = new URL(incoming.url ?? "/", "http://peer");
  return {
    method: incoming.method ?? "",
    path: url.pathname,
    query: url.searchParams,
    headers: incoming.headers,
    body,
    form: new URLSearchParams(body),
  };
}

/** A clock that moves only when it is told to. */
export function manualClock(): Clock & { advance(seconds: number): void } {
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  return {
    now: () => nowMs,
    advance(seconds) {
      nowMs += seconds * 1000;
    },
  };
}

export const CLIENT_SECRET = "test-client-secret-with-more-than-256-bits-of-it";

/** An SDK of the peer's client. */
export function behalfOf(peer: { issuer: string }, options: Partial<BehalfOptions> = {}): Behalf {
  return createBehalf({
    issuer: peer.issuer,
    clientId: "agent",
    clientSecret: CLIENT_SECRET,
    store: createMemoryStore(),
    ...options,
  });
}

/** Runs something for user:anne in a thread of hers. */
export function asAnne<T>(fn: () => T): T {
  return runWithContext({ userId: "user:anne", threadId: "thread-1" }, fn);
}
