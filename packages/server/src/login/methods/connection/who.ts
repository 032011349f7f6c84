import { ApiError } from "../../../http/errors.ts";
import { loginError } from "../../errors.ts";
import type { Accounts, User } from "../../index.ts";
import type { IdentityStore } from "./store.ts";
import type { Arrival, LoginConnection } from "./upstream.ts";

/** Whom an account of a provider logs in here. */
export type Who =
  | { readonly kind: "known"; readonly userId: string }
  /** An account has this address: its owner must prove it is theirs before the two are linked. */
  | { readonly kind: "taken"; readonly user: User }
  | { readonly kind: "nobody"; readonly why: "no_email" | "no_sign_up" | "disabled" };

/**
 * Finds or makes the user. An address alone never logs anybody in: providers say many things, and an account here
 * may belong to somebody else by the same address.
 */
export function createWho(deps: { accounts: Accounts; identities: IdentityStore; signUp: boolean }) {
  const { accounts, identities } = deps;

  return async function who(
    connection: LoginConnection,
    arrival: Arrival,
    more: { mayCreate: boolean; locale: string },
  ): Promise<Who> {
    const known = await findKnown(connection, arrival);
    if (known) return known;
    const { email } = arrival;
    if (email === undefined) return { kind: "nobody", why: "no_email" };
    const existing = await accounts.findByEmail(email);
    // Another browser may have made both, account and identity, since the first look.
    if (existing) return (await findKnown(connection, arrival)) ?? { kind: "taken", user: existing };
    if (!more.mayCreate || !deps.signUp || !connection.login.signUp)
      return { kind: "nobody", why: "no_sign_up" };
    return create(connection, { ...arrival, email }, more);
  };

  async function findKnown(connection: LoginConnection, arrival: Arrival): Promise<Who | undefined> {
    const known = await identities.find(connection.name, arrival.externalId);
    if (!known) return undefined;
    const user = await accounts.find(known.user_id);
    if (!user || user.disabledAt !== undefined) return { kind: "nobody", why: "disabled" };
    await identities.markUsed(known.id, arrival.label);
    return { kind: "known", userId: user.id };
  }

  /** Account and identity, both or neither. Whoever comes second finds what the first one made. */
  async function create(
    connection: LoginConnection,
    arrival: Arrival & { readonly email: string },
    more: { locale: string },
  ): Promise<Who> {
    const { email, name } = arrival;
    try {
      const user = await accounts.create({ email, name, locale: more.locale }, async (tx, made) => {
        const named = {
          connection: connection.name,
          externalId: arrival.externalId,
          label: arrival.label,
        };
        if (!(await identities.add(tx, made.id, named))) throw loginError("login.email_taken");
        if (arrival.emailVerified) await accounts.confirmEmail(tx, made.id, email);
      });
      return { kind: "known", userId: user.id };
    } catch (error) {
      if (!ApiError.is(error)) throw error;
      if (error.code === "login.email_invalid") return { kind: "nobody", why: "no_email" };
      if (error.code !== "login.email_taken") throw error;
      const other = await identities.find(connection.name, arrival.externalId);
      if (other) return { kind: "known", userId: other.user_id };
      const owner = await accounts.findByEmail(email);
      return owner ? { kind: "taken", user: owner } : { kind: "nobody", why: "no_sign_up" };
    }
  }
}
