import type { DatabaseSync } from "node:sqlite";
import type { Session } from "@behalf/sdk/app";

/** Somebody who is logged in, as far as this app needs to know. */
export interface Person {
  id: string;
  name: string;
  email: string | undefined;
}

export function personOf(session: Session): Person {
  const claim = (name: string): string | undefined => {
    const value = session.user[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const email = claim("email");
  return { id: session.userId, name: claim("name") ?? claim("nickname") ?? email ?? "You", email };
}

/** Remembers the person; true the first time. */
export function rememberPerson(db: DatabaseSync, person: Person, nowMs: number): boolean {
  const known = db.prepare("SELECT 1 FROM users WHERE id = ?").get(person.id) !== undefined;
  db.prepare(
    `INSERT INTO users (id, name, email, seen_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, seen_at_ms = excluded.seen_at_ms`,
  ).run(person.id, person.name, person.email ?? null, nowMs);
  return !known;
}
