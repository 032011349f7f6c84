import type { Migration } from "../migrate.ts";

/** Ways in which passwords that came from another system are hashed: each is tried at each log-in. */
export const importedPasswords: Migration = {
  name: "0030-imported-passwords",
  statements: ["create table imported_password_forms (form text primary key)"],
};
