import { lookup } from "node:dns/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isPrivateAddress } from "./addresses.ts";

/**
 * The one way out of the server. Resolves the name once, refuses private addresses unless the operator
 * allowed that `host:port`, connects to the address it checked, follows no redirect, and reads at most
 * 256 KiB within 20 seconds.
 */
export interface Egress {
  fetch(url: string | URL, init?: EgressRequest): Promise<Response>;
}

/** The part of `fetch`'s options that leaves the server. */
export interface EgressRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whole exchange, body included. Default 20 000 (20 seconds). */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Why a request did not go out, or its answer was not taken. */
export class EgressError extends Error {
  override readonly name = "EgressError";
  readonly code: "egress.refused" | "egress.unreachable" | "egress.timeout" | "egress.too_large";

  constructor(code: EgressError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Some providers refuse a caller that does not say what it is. */
const USER_AGENT = "Behalf";
const DEFAULT_TIMEOUT_MS = 20_000;
const MAX_RESPONSE_BYTES = 256 * 1024;

/** `allow` lists `host:port` pairs that may be private, exactly as they appear in the URL. */
export function createEgress(deps: { allow: readonly string[] }): Egress {
  const allowed = new Set(deps.allow);

  async function fetch(input: string | URL, init: EgressRequest = {}): Promise<Response> {
    const url = new URL(input);
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    const trusted = allowed.has(`${url.hostname}:${port}`);
    if (url.username || url.password) throw refused(url, "it carries credentials");
    if (url.protocol !== "https:" && !(url.protocol === "http:" && trusted))
      throw refused(url, "it is not https");
    const deadline = AbortSignal.timeout(init.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const address = await inTime(resolve(url, trusted), deadline, url);
    return send(url, address, init, deadline);
  }

  return { fetch };
}

async function resolve(url: URL, trusted: boolean): Promise<{ address: string; family: number }> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  let addresses: { address: string; family: number }[];
  try {
    addresses = await lookup(host, { all: true, verbatim: true });
  } catch (cause) {
    throw new EgressError("egress.unreachable", `${url.hostname} does not resolve`, { cause });
  }
  const refusal = addresses.find(({ address }) => isPrivateAddress(address));
  if (refusal && !trusted) throw refused(url, "it is a private address; add it to egress.allow to permit it");
  // A server that listens on one of two families is common on loopback; IPv4 first.
  const first = addresses.find(({ family }) => family === 4) ?? addresses[0];
  if (!first) throw new EgressError("egress.unreachable", `${url.hostname} does not resolve`);
  return first;
}

/** A name server that keeps silent must not hold the caller longer than a provider would. */
function inTime<T>(work: Promise<T>, deadline: AbortSignal, url: URL): Promise<T> {
  return new Promise((fulfil, reject) => {
    deadline.addEventListener("abort", () => reject(timedOut(url)), { once: true });
    work.then(fulfil, reject);
  });
}

function timedOut(url: URL, cause?: unknown): EgressError {
  return new EgressError("egress.timeout", `${url.host} did not answer in time`, { cause });
}

function refused(url: URL, why: string): EgressError {
  return new EgressError("egress.refused", `refused to connect to ${url.host}: ${why}`);
}

function send(
  url: URL,
  pinned: { address: string; family: number },
  init: EgressRequest,
  deadline: AbortSignal,
): Promise<Response> {
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  const signal = init.signal ? AbortSignal.any([deadline, init.signal]) : deadline;
  return new Promise((fulfil, reject) => {
    const fail = (error: Error) => {
      if (error instanceof EgressError) return reject(error);
      if (deadline.aborted) return reject(timedOut(url, error));
      reject(new EgressError("egress.unreachable", `${url.host} cannot be reached`, { cause: error }));
    };
    const outgoing = request(
      url,
      {
        method: init.method ?? "GET",
        headers: {
          accept: "application/json",
          "user-agent": USER_AGENT,
          ...init.headers,
          ...lengthOf(init.body),
        },
        // The address that was checked is the one connected to, whatever the name resolves to by now.
        lookup: (_name, options, callback) => {
          if (options.all) callback(null, [pinned]);
          else callback(null, pinned.address, pinned.family);
        },
        // A connection of its own: a kept one that the peer closes meanwhile fails after the request was
        // sent, and nobody knows then whether a one-time refresh token was used.
        agent: false,
        signal,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_RESPONSE_BYTES)
            incoming.destroy(
              new EgressError("egress.too_large", `${url.host} answered with too large a body`),
            );
          chunks.push(chunk);
        });
        incoming.on("error", fail);
        incoming.on("end", () => {
          try {
            fulfil(toResponse(incoming.statusCode ?? 0, incoming.headers, Buffer.concat(chunks)));
          } catch (cause) {
            reject(
              new EgressError("egress.unreachable", `${url.host} answered with no valid HTTP`, { cause }),
            );
          }
        });
      },
    );
    outgoing.on("error", fail);
    outgoing.end(init.body);
  });
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
}

const BODYLESS = new Set([204, 205, 304]);

/** @throws RangeError for a status outside 200 to 599, which the wire allows and a `Response` does not. */
function toResponse(status: number, headers: NodeJS.Dict<string | string[]>, body: Buffer): Response {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? ""]).map((item): [string, string] => [name, item]),
  );
  return new Response(BODYLESS.has(status) ? null : new Uint8Array(body), { status, headers: entries });
}
