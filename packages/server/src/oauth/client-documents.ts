import { z } from "zod";
import { type Egress, EgressError } from "../http/egress.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { StoredClient } from "./clients.ts";
import { isSafeRedirect, strangerClient, visibleName } from "./strangers.ts";

/** Finds clients whose id is the address of a document about them. */
export interface ClientDocuments {
  find(id: string): Promise<StoredClient | undefined>;
}

/** The part of a document that is used. What a stranger says about its grants, keys and scopes is not. */
const document = z.object({
  client_id: z.string(),
  client_name: z.string().min(1).max(200).optional(),
  redirect_uris: z.array(z.string().max(2_048)).min(1).max(20),
  token_endpoint_auth_method: z.literal("none").default("none"),
});

const MAX_DOCUMENT_BYTES = 5 * 1_024;
const TIMEOUT_MS = 5_000;
const MIN_CACHE_MS = 30_000;
const MAX_CACHE_MS = 86_400_000;
const DEFAULT_CACHE_MS = 300_000;
/** A document that could not be had is not asked for again at once, whoever names it. */
const FAILURE_CACHE_MS = 30_000;
const MAX_CACHED = 1_000;
/** Anybody can name an address; more than this at once would make a tool of us against others. */
const MAX_LOADING = 16;

/**
 * Client ID metadata documents: a client id that is an https address names a document which says where the
 * client may be sent back to. Such a client is a stranger: it gets authorization codes after consent, and
 * nothing that the document asks for beyond that.
 * @see draft-ietf-oauth-client-id-metadata-document-02
 */
export function createClientDocuments(deps: { egress: Egress; clock: Clock; log: Log }): ClientDocuments {
  const { egress, clock, log } = deps;
  const cache = new Map<string, { client: StoredClient | undefined; until: number }>();
  const loading = new Map<string, Promise<StoredClient | undefined>>();

  async function load(id: string): Promise<{ client: StoredClient | undefined; cacheMs: number }> {
    try {
      const response = await egress.fetch(id, { timeoutMs: TIMEOUT_MS });
      const text = await response.text();
      if (response.status !== 200 || text.length > MAX_DOCUMENT_BYTES)
        return { client: undefined, cacheMs: FAILURE_CACHE_MS };
      return { client: toClient(id, JSON.parse(text)), cacheMs: cacheLife(response.headers) };
    } catch (error) {
      if (!(error instanceof EgressError) && !(error instanceof SyntaxError)) throw error;
      log.info("client document not taken", { host: URL.parse(id)?.host, reason: error.name });
      return { client: undefined, cacheMs: FAILURE_CACHE_MS };
    }
  }

  async function loadAndKeep(id: string): Promise<StoredClient | undefined> {
    const { client, cacheMs } = await load(id);
    if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value ?? "");
    cache.set(id, { client, until: clock.now() + cacheMs });
    return client;
  }

  return {
    async find(id) {
      if (!isDocumentAddress(id)) return undefined;
      const known = cache.get(id);
      if (known && known.until > clock.now()) return known.client;
      const running = loading.get(id);
      if (running) return running;
      if (loading.size >= MAX_LOADING) return undefined;
      const load = loadAndKeep(id).finally(() => loading.delete(id));
      loading.set(id, load);
      return load;
    },
  };
}

/** An address with a path, without credentials, fragment or dot segments, in its one normal form. */
function isDocumentAddress(id: string): boolean {
  const url = URL.parse(id);
  return (
    url !== null &&
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.href === id &&
    url.pathname !== "/" &&
    !url.username &&
    !url.password &&
    !url.hash
  );
}

function toClient(id: string, value: unknown): StoredClient | undefined {
  const parsed = document.safeParse(value);
  if (!parsed.success || parsed.data.client_id !== id) return undefined;
  const { client_name: name, redirect_uris: redirectUris } = parsed.data;
  if (!redirectUris.every(isSafeRedirect)) return undefined;
  return strangerClient({ id, name: visibleName(name ?? "") ?? new URL(id).host, redirectUris });
}

/** What the document's server allows, within our bounds. */
function cacheLife(headers: Headers): number {
  const maxAge = /(?:^|[,\s])max-age=(\d+)/i.exec(headers.get("cache-control") ?? "")?.[1];
  const wished = maxAge === undefined ? DEFAULT_CACHE_MS : Number(maxAge) * 1_000;
  return Math.min(Math.max(wished, MIN_CACHE_MS), MAX_CACHE_MS);
}
