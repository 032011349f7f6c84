import type { Migration } from "../migrate.ts";

/** Fine-grained authorization: stores, models, tuples and the log of their changes. */
export const fga: Migration = {
  name: "0006-fga",
  statements: [
    // Updating last_seq takes the lock that orders all writes of a store, so seq order is commit order.
    `create table fga_stores (
      id text primary key,
      name text not null,
      created_at bigint not null,
      updated_at bigint not null,
      deleted_at bigint,
      last_seq bigint not null default 0,
      changed_at bigint not null default 0,
      latest_model_id text
    )`,
    "create index fga_stores_by_name on fga_stores (name, id)",
    `create table fga_models (
      store_id text not null,
      id text not null,
      model text not null,
      created_at bigint not null,
      primary key (store_id, id)
    )`,
    `create table fga_tuples (
      store_id text not null,
      object_type text not null,
      object_id text not null,
      relation text not null,
      user_text text not null,
      condition_json text,
      seq bigint not null,
      inserted_at bigint not null,
      primary key (store_id, object_type, object_id, relation, user_text)
    )`,
    "create unique index fga_tuples_by_seq on fga_tuples (store_id, seq)",
    "create index fga_tuples_by_user on fga_tuples (store_id, user_text, object_type, seq)",
    // occurred_at never falls with seq, so a time is found by halving.
    `create table fga_changes (
      store_id text not null,
      seq bigint not null,
      operation text not null,
      object_type text not null,
      object_id text not null,
      relation text not null,
      user_text text not null,
      condition_json text,
      occurred_at bigint not null,
      primary key (store_id, seq)
    )`,
    "create index fga_changes_by_type on fga_changes (store_id, object_type, seq)",
    `create table fga_assertions (
      store_id text not null,
      model_id text not null,
      assertions text not null,
      primary key (store_id, model_id)
    )`,
  ],
};
