import type { Provider } from "oidc-provider";
import type { Audit } from "../audit/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { BrowserSession } from "../login/index.ts";
import type { Organization, Organizations } from "../organizations/index.ts";
import type { Storage } from "../storage/index.ts";
import { countWithin } from "../storage/rate.ts";
import type { ClientRegistry } from "./clients.ts";
import { organizationOfDevice } from "./device-organization.ts";
import { bindOpener, decideOnce, findByUserCode } from "./device-store.ts";
import { oauthEvents } from "./events.ts";
import type { Client } from "./index.ts";
import type { Resources } from "./resources.ts";
import { joinSession } from "./session-clients.ts";
import type { OAuthModelRow, OAuthTables } from "./store.ts";

/** A device's request, as the person who entered its code sees it. */
export interface DeviceRequest {
  /** As the device shows it. */
  readonly userCode: string;
  readonly client: Client;
  /** The organization it will act for; absent for none. */
  readonly organization: Organization | undefined;
  readonly oidcScopes: readonly string[];
  readonly api:
    | { readonly name: string; readonly scopes: readonly { name: string; title: string }[] }
    | undefined;
}

export interface DeviceFlow {
  /**
   * What waits under a code. From then on it is this person's in this browser: `unknown` for everybody else, as for
   * a code that does not exist. Each call counts, found or not.
   */
  open(
    entered: string,
    session: BrowserSession,
  ): Promise<
    | { outcome: "found"; request: DeviceRequest }
    /** The app acts for organizations, and this person may not log it in for one. */
    | { outcome: "no_organization"; client: Client }
    | { outcome: "unknown" }
    | { outcome: "too_many" }
  >;
  /** Answers a request that `open` showed; false when it is gone, answered, or another's. At most once. */
  decide(entered: string, session: BrowserSession, allow: boolean): Promise<boolean>;
}

const WINDOW_MS = 600_000;
/** Of 20^8 codes, a few thousand of which wait at once, these find none. */
const MAX_ENTRIES_PER_SESSION = 10;
const MAX_ENTRIES_PER_USER = 20;

/** What the core keeps of a request. */
interface StoredRequest {
  readonly clientId: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly accountId?: string;
  readonly error?: string;
}

/**
 * The person's side of device authorization. The core keeps the requests and issues the tokens; who may answer, and
 * what is given, is decided here.
 * @see RFC 8628 sections 3.3, 5.1 and 5.4
 */
export function createDeviceFlow(deps: {
  provider: Provider;
  storage: Storage;
  clock: Clock;
  clients: ClientRegistry;
  resources: Resources;
  audit: Audit;
  acrOf: (amr: readonly string[]) => string;
  organizations: Organizations;
}): DeviceFlow {
  const { provider, storage, clock, clients, resources, audit } = deps;

  async function find(entered: string) {
    const userCode = normalize(entered);
    const row = userCode === undefined ? undefined : await findByUserCode(storage, userCode, clock.now());
    if (!row || userCode === undefined) return undefined;
    const stored = JSON.parse(row.payload) as StoredRequest; // Written by the core.
    const client = await clients.find(stored.clientId);
    if (!client || client.disabledAt !== undefined || stored.accountId || stored.error) return undefined;
    return { row, stored, client, userCode };
  }

  /** What the client asked for and may have; the rest is neither shown nor given. */
  function wanted({ stored, client }: NonNullable<Awaited<ReturnType<typeof find>>>) {
    const scopes = String(stored.params["scope"] ?? "")
      .split(" ")
      .filter(Boolean);
    const oidcScopes = scopes.filter((scope) => OIDC_SCOPES.has(scope));
    const audience = stored.params["resource"];
    const resource = typeof audience === "string" ? resources.find(audience) : undefined;
    const allowed = resource?.scopesFor(client);
    if (!resource || !allowed) return { oidcScopes, api: undefined };
    return { oidcScopes, api: { resource, scopes: scopes.filter((scope) => allowed.includes(scope)) } };
  }

  const organizationFor = (
    { client, stored }: NonNullable<Awaited<ReturnType<typeof find>>>,
    session: BrowserSession,
  ) => organizationOfDevice(deps.organizations, { client, asked: stored.params["organization"], session });

  return {
    async open(entered, session) {
      const now = clock.now();
      const limits = [
        countWithin(storage, `device:ses:${session.id}`, now, WINDOW_MS, MAX_ENTRIES_PER_SESSION),
        countWithin(storage, `device:usr:${session.userId}`, now, WINDOW_MS, MAX_ENTRIES_PER_USER),
      ];
      if ((await Promise.all(limits)).includes(false)) return { outcome: "too_many" };
      const found = await find(entered);
      if (!found) return { outcome: "unknown" };
      const opener = { sessionId: session.id, userId: session.userId };
      const owner = await bindOpener(storage, requestOf(found.row), opener);
      if (owner?.session_id !== session.id || owner.user_id !== session.userId || owner.decided_at !== null)
        return { outcome: "unknown" };
      const organization = await organizationFor(found, session);
      if (organization === "refused") return { outcome: "no_organization", client: found.client };
      const { oidcScopes, api } = wanted(found);
      return {
        outcome: "found",
        request: {
          organization: organization === "none" ? undefined : organization,
          userCode: `${found.userCode.slice(0, 4)}-${found.userCode.slice(4)}`,
          client: found.client,
          oidcScopes,
          api: api && {
            name: api.resource.name,
            scopes: api.scopes.map((name) => ({ name, title: api.resource.scopes[name] ?? name })),
          },
        },
      };
    },

    async decide(entered, session, allow) {
      const found = await find(entered);
      if (!found) return false;
      const organization = await organizationFor(found, session);
      if (allow && organization === "refused") return false;
      const { oidcScopes, api } = wanted(found);
      const { userId } = session;
      const grant = new provider.Grant({ accountId: userId, clientId: found.client.id });
      grant.addOIDCScope(oidcScopes.join(" "));
      if (api) grant.addResourceScope(api.resource.audience, api.scopes.join(" "));
      const grantId = allow ? await grant.save() : undefined;
      if (grantId !== undefined && typeof organization === "object")
        await deps.organizations.bindGrant(grantId, organization.id, userId);
      const answer = allow
        ? {
            accountId: userId,
            grantId,
            scope: [...new Set([...oidcScopes, ...(api?.scopes ?? [])])].join(" "),
            resource: api?.resource.audience,
            authTime: Math.floor(session.authenticatedAt / 1_000),
            amr: session.amr,
            acr: deps.acrOf(session.amr),
            sid: session.id,
          }
        : { error: "access_denied", errorDescription: "the user denied the request" };
      const opener = { sessionId: session.id, userId };
      const now = clock.now();
      const decided = await storage.transaction(async (tx) => {
        if (!(await decideOnce(tx, found.row.id_hash, opener, now))) return false;
        await tx
          .db<OAuthTables>()
          .updateTable("oauth_models")
          .set({
            payload: JSON.stringify({ ...found.stored, ...answer }),
            grant_id: grantId ?? null,
            account_id: allow ? userId : null,
          })
          .where("model", "=", "DeviceCode")
          .where("id_hash", "=", found.row.id_hash)
          .execute();
        if (allow && found.client.backchannelLogoutUri)
          await joinSession(tx, { sid: session.id, clientId: found.client.id, userId }, now);
        await audit.appendIn(tx, {
          action: oauthEvents.deviceDecided,
          userId,
          clientId: found.client.id,
          outcome: allow ? "allowed" : "refused",
        });
        return true;
      });
      if (!decided && allow) await grant.destroy();
      return decided;
    },
  };
}

const OIDC_SCOPES = new Set(["openid", "profile", "email", "offline_access"]);

const requestOf = (row: OAuthModelRow) => ({ idHash: row.id_hash, expiresAt: row.expires_at ?? 0 });

/** Letters as people type them; `undefined` for what can be no code. @see RFC 8628 section 6.1 */
function normalize(entered: string): string | undefined {
  const code = entered
    .slice(0, 64)
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "");
  return /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/.test(code) ? code : undefined;
}
