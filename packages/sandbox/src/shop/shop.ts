import type { Context, Hono } from "hono";
import { type BaseEnv, createBaseApp, note } from "../support/base-app.ts";
import { readJsonObject } from "../support/body.ts";
import { type Clock, systemClock } from "../support/clock.ts";
import { openDatabase } from "../support/database.ts";
import { listen } from "../support/listen.ts";
import { Refusal } from "../support/refusal.ts";
import { createRequestLog, type RequestEntry } from "../support/request-log.ts";
import { StartError } from "../support/start-error.ts";
import { type Caller, createTokenCheck } from "./access-token.ts";
import { CATALOGUE } from "./catalogue.ts";
import { createIssuerKeys } from "./issuer-keys.ts";
import { parsePurchase, requireApproved, requireCataloguePrice } from "./purchase.ts";
import { settingsOf } from "./settings.ts";
import { createShopStore, type PlacedOrder, SHOP_SCHEMA, type ShopStore } from "./store.ts";

/** The audience that tokens for the shop carry unless it is started with another one. */
export const SHOP_AUDIENCE = "https://shop.sandbox.example/";

/** How a shop is started. */
export type ShopOptions = {
  /** Whose tokens are accepted: compared byte for byte with `iss` and with the discovery document. */
  issuer: string;
  /** Default: `SHOP_AUDIENCE`. */
  audience?: string;
  /** Default: 0, a free port. */
  port?: number;
  /** A SQLite file, made when it is missing. Default: `:memory:`, gone when the shop is closed. */
  dataFile?: string;
  /** Reads the issuer's discovery document and keys. Default: the global one. */
  fetch?: typeof fetch;
  /** Default: the machine's. */
  clock?: Clock;
};

/** A shop that accepts requests. */
export type RunningShop = {
  /** Address without a trailing slash. */
  url: string;
  issuer: string;
  audience: string;
  /** Orders placed through the API since the start or, with `everyRun`, since the last reset. */
  orders(everyRun?: boolean): PlacedOrder[];
  /** Requests with a number above `after` (default 0), oldest first. */
  log(after?: number): RequestEntry[];
  /** Forgets every user, order and log entry. */
  reset(): void;
  /** Safe to call twice. */
  close(): Promise<void>;
};

/**
 * Starts a shop that takes access tokens of one issuer, on the loopback interface.
 *
 * @throws StartError when the port, the data file or the issuer cannot be used.
 */
export async function startShop(options: ShopOptions): Promise<RunningShop> {
  checkIssuer(options.issuer);
  const { issuer, audience = SHOP_AUDIENCE, clock = systemClock } = options;
  const keys = createIssuerKeys({ issuer, fetch: options.fetch ?? fetch, clock });
  const authorize = createTokenCheck({ issuer, audience, keys, clock });
  const db = openDatabase(options.dataFile ?? ":memory:", SHOP_SCHEMA);
  const log = createRequestLog(db, clock);
  const store = createShopStore(db, clock);
  try {
    const app = createBaseApp<BaseEnv>(log);
    addRoutes(app, store, authorize);
    const server = await listen(options.port ?? 0, () => (request, env) => app.fetch(request, env));
    let closing: Promise<void> | undefined;
    return {
      url: server.url,
      issuer,
      audience,
      orders: (everyRun = false) => store.placed(everyRun),
      log: (after = 0) => log.list(after),
      reset: () => store.reset(),
      close() {
        closing ??= server.close().then(() => db.close());
        return closing;
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

type Authorize = ReturnType<typeof createTokenCheck>;

function addRoutes(app: Hono<BaseEnv>, store: ShopStore, authorize: Authorize): void {
  const callerOf = async (c: Context<BaseEnv>, scope: string) => {
    const caller = await authorize(c.req.header("authorization"), scope);
    note(c, { user: caller.sub, clientId: caller.clientId });
    store.welcome(caller.sub);
    return caller;
  };

  app.get("/catalogue", (c) => c.json({ items: CATALOGUE }));

  app.get("/orders", async (c) => {
    const { sub } = await callerOf(c, "orders:read");
    return c.json({ orders: store.ordersOf(sub) });
  });

  app.get("/orders/:id", async (c) => {
    const { sub } = await callerOf(c, "orders:read");
    const order = store.orderOf(sub, c.req.param("id"));
    // Nothing in the answer tells an order of somebody else from one that does not exist.
    if (!order)
      throw new Refusal({ status: 404, error: "not_found", description: "There is no such order." });
    return c.json(order);
  });

  app.get("/settings", async (c) => {
    const { sub } = await callerOf(c, "settings:read");
    return c.json(settingsOf(sub));
  });

  app.post("/orders", async (c) => {
    const caller = await callerOf(c, "orders:create");
    return placeOrder(c, store, caller);
  });

  app.get("/_sandbox/orders", (c) => {
    const orders = store.placed(c.req.query("run") === "all");
    return c.json({ startedAt: store.startedAt, count: orders.length, orders });
  });

  app.post("/_sandbox/reset", (c) => {
    store.reset();
    return c.body(null, 204);
  });
}

async function placeOrder(c: Context<BaseEnv>, store: ShopStore, caller: Caller): Promise<Response> {
  const purchase = parsePurchase(await readJsonObject(c.req.raw));
  requireApproved(caller.authorizationDetails, purchase);
  requireCataloguePrice(purchase);
  const placed = store.place(caller.sub, caller.jti, purchase);
  if (placed.kind === "token_spent")
    throw new Refusal({
      status: 403,
      error: "token_already_spent",
      description: "This token was used for another order. Ask for a new approval.",
    });
  note(c, { order: placed.order.id });
  return c.json(placed.order, placed.kind === "made" ? 201 : 200);
}

function checkIssuer(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const loopback = url !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && loopback);
  if (secure && url.search === "" && url.hash === "") return;
  throw new StartError(
    `The issuer ${JSON.stringify(issuer)} is refused. Give an absolute https address (http on loopback only) ` +
      "without query and fragment, exactly as the issuer calls itself.",
    { exitCode: 2 },
  );
}
