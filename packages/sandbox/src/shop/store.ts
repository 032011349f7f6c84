import { createHash } from "node:crypto";
import type { Clock } from "../support/clock.ts";
import type { Database } from "../support/database.ts";
import { REQUEST_LOG_TABLE } from "../support/request-log.ts";
import { newId } from "../support/secrets.ts";
import { CATALOGUE, totalOf } from "./catalogue.ts";
import type { Purchase } from "./purchase.ts";

/** The tables of the shop's file. Times are epoch milliseconds. */
export const SHOP_SCHEMA = {
  version: 1,
  tables: `${REQUEST_LOG_TABLE};
  CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, started_at INTEGER NOT NULL) STRICT;
  CREATE TABLE users (sub TEXT PRIMARY KEY, seen_at INTEGER NOT NULL) STRICT;
  CREATE TABLE orders (id TEXT PRIMARY KEY, sub TEXT NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL,
    amount TEXT NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, placed_at INTEGER NOT NULL,
    token_jti TEXT UNIQUE, run_id INTEGER REFERENCES runs) STRICT;
  CREATE INDEX orders_of_user ON orders (sub, placed_at)`,
};

/** An order as the API tells it. */
export type Order = Purchase & {
  id: string;
  status: string;
  /** ISO 8601, UTC. */
  placed_at: string;
};

/** An order that was placed through the API, as `/_sandbox/orders` tells it. */
export type PlacedOrder = Order & { user: string };

/** What became of a token that was presented with an order. */
export type Placed = { kind: "made" | "made_before"; order: Order } | { kind: "token_spent" };

/** The shop's orders. */
export type ShopStore = {
  /** Gives a user their past orders the first time they are seen. Safe to call twice. */
  welcome(sub: string): void;
  /** Newest first. */
  ordersOf(sub: string): Order[];
  /** Undefined when there is no such order, and when it is somebody else's. */
  orderOf(sub: string, id: string): Order | undefined;
  /** Spends the token and makes the order in one statement: of many callers with one token, one makes an order. */
  place(sub: string, jti: string, purchase: Purchase): Placed;
  /** Orders placed through the API since this process started, or (`everyRun`) since the last reset. */
  placed(everyRun: boolean): PlacedOrder[];
  startedAt: string;
  reset(): void;
};

type Row = Purchase & { id: string; sub: string; status: string; placed_at: number };

const DAY_MS = 86_400_000;
const PAST_STATUS = ["delivered", "delivered", "on its way"];

/** The orders over the shop's file; one call is one run of the program. */
export function createShopStore(db: Database, clock: Clock): ShopStore {
  const startedAt = clock();
  const newRun = () => {
    db.run("INSERT INTO runs (started_at) VALUES (?)", startedAt);
    return db.first<{ id: number }>("SELECT max(id) AS id FROM runs")?.id ?? 0;
  };
  let run = newRun();
  return {
    welcome(sub) {
      db.transaction(() => {
        const isNew = db.run(
          "INSERT INTO users (sub, seen_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
          sub,
          clock(),
        );
        if (isNew === 1) for (const order of pastOrders(sub, clock())) insertPast(db, sub, order);
      });
    },
    ordersOf: (sub) =>
      db.all<Row>("SELECT * FROM orders WHERE sub = ? ORDER BY placed_at DESC, id", sub).map(tell),
    orderOf(sub, id) {
      const row = db.first<Row>("SELECT * FROM orders WHERE id = ? AND sub = ?", id, sub);
      return row && tell(row);
    },
    place: (sub, jti, purchase) => place(db, clock, run, { sub, jti, purchase }),
    placed(everyRun) {
      const sql =
        "SELECT * FROM orders WHERE token_jti IS NOT NULL AND run_id >= ? ORDER BY placed_at, rowid";
      return db.all<Row>(sql, everyRun ? 0 : run).map((row) => ({ ...tell(row), user: row.sub }));
    },
    startedAt: new Date(startedAt).toISOString(),
    reset() {
      db.transaction(() => {
        for (const table of ["orders", "users", "runs", "requests"]) db.run(`DELETE FROM ${table}`);
        run = newRun();
      });
    },
  };
}

function place(
  db: Database,
  clock: Clock,
  run: number,
  { sub, jti, purchase }: { sub: string; jti: string; purchase: Purchase },
): Placed {
  const made = db.first<Row>(
    `INSERT INTO orders (id, sub, item, quantity, amount, currency, status, placed_at, token_jti, run_id)
     VALUES (?, ?, ?, ?, ?, ?, 'placed', ?, ?, ?) ON CONFLICT (token_jti) DO NOTHING RETURNING *`,
    newId("ord_"),
    sub,
    purchase.item,
    purchase.quantity,
    purchase.amount,
    purchase.currency,
    clock(),
    jti,
    run,
  );
  if (made) return { kind: "made", order: tell(made) };
  const before = db.first<Row>("SELECT * FROM orders WHERE token_jti = ? AND sub = ?", jti, sub);
  const same =
    before && (["item", "quantity", "amount", "currency"] as const).every((m) => before[m] === purchase[m]);
  return same ? { kind: "made_before", order: tell(before) } : { kind: "token_spent" };
}

/** Two to four orders that are always the same for a user, and differ from one user to the next. */
function pastOrders(sub: string, now: number): Order[] {
  const seed = createHash("sha256").update(`past orders of ${sub}`).digest();
  const count = 2 + ((seed[0] ?? 0) % 3);
  return Array.from({ length: count }, (_, index) => {
    const item = CATALOGUE[((seed[1] ?? 0) + index * 3) % CATALOGUE.length]!;
    const quantity = 1 + ((seed[index + 2] ?? 0) % 3);
    const daysAgo = 2 + index * 9 + ((seed[index + 8] ?? 0) % 7);
    return {
      id: `ord_${seed.toString("hex").slice(16, 26)}${index}`,
      item: item.id,
      quantity,
      amount: totalOf(item.price, quantity),
      currency: item.currency,
      status: index === 0 ? PAST_STATUS[(seed[15] ?? 0) % PAST_STATUS.length]! : "delivered",
      placed_at: new Date(now - daysAgo * DAY_MS).toISOString(),
    };
  });
}

function insertPast(db: Database, sub: string, order: Order): void {
  db.run(
    `INSERT INTO orders (id, sub, item, quantity, amount, currency, status, placed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    order.id,
    sub,
    order.item,
    order.quantity,
    order.amount,
    order.currency,
    order.status,
    Date.parse(order.placed_at),
  );
}

function tell({ id, item, quantity, amount, currency, status, placed_at }: Row): Order {
  return { id, item, quantity, amount, currency, status, placed_at: new Date(placed_at).toISOString() };
}
