import {
  type AuthenticatorTransport,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
} from "@simplewebauthn/server";
import type { Audit } from "../../../audit/index.ts";
import { randomBytes } from "../../../crypto/random.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Ids } from "../../../lib/ids.ts";
import type { Queryable, Storage } from "../../../storage/index.ts";
import type { Amr } from "../../amr.ts";
import { loginEvents } from "../../events.ts";
import type { Users } from "../../index.ts";
import { type LoginAnswer, readClientData, readLoginAnswer, readRegistrationAnswer } from "./answers.ts";
import { type Binding, CHALLENGE_MS, createChallenges, type Purpose } from "./challenges.ts";
import { findRow, handleOf, hasHandle, insertRow, listRows, markUsed, type PasskeyRow } from "./store.ts";
import {
  ALGORITHMS,
  type NewCredential,
  type RelyingParty,
  verifyLogin,
  verifyRegistration,
} from "./verify.ts";

/** Somebody a passkey is made for. */
export interface PasskeyOwner {
  /** 64 random bytes as base64url: what authenticators know the user by. */
  readonly handle: string;
  readonly email: string;
  readonly name: string;
}

/** A registration that holds, and what its challenge was given out with. */
export interface Registration {
  readonly credential: NewCredential;
  readonly request: object;
}

/** How often and for whom a log-in counts. */
export interface LoginTerms {
  readonly binding: Binding;
  /** Only a passkey of this user counts: the second step of a log-in. */
  readonly userId?: string | undefined;
  /** Origins beside the issuer's, for apps that ask on their own pages. */
  readonly origins?: readonly string[];
}

/** Passkeys without their pages. */
export interface Passkeys {
  /** Options of a log-in for whoever has a passkey here; with `userId` for that user alone. */
  askLogin(terms: LoginTerms): Promise<PublicKeyCredentialRequestOptionsJSON>;
  /** Whose passkey answered; `undefined`, and a record, when it does not count. At most once a challenge. */
  proveLogin(terms: LoginTerms, answer: string): Promise<string | undefined>;
  /** Options of a registration; `request` comes back with the answer. */
  askRegistration(
    purpose: Exclude<Purpose, "login">,
    binding: Binding,
    owner: PasskeyOwner,
    more?: { request?: object; userId?: string },
  ): Promise<PublicKeyCredentialCreationOptionsJSON>;
  /** Judges the answer; at most once a challenge. */
  proveRegistration(
    purpose: Exclude<Purpose, "login">,
    binding: Binding,
    answer: string,
    origins?: readonly string[],
  ): Promise<Registration | undefined>;
  /** Keeps a key that was registered; false when it is somebody's already. */
  add(on: Queryable, userId: string, credential: NewCredential, name: string): Promise<boolean>;
  list(userId: string): Promise<readonly PasskeyRow[]>;
  /** The user's handle; made at the first call. */
  handleOf(userId: string): Promise<string>;
  sweep(): Promise<void>;
}

export interface PasskeysDeps {
  readonly storage: Storage;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly users: Users;
  readonly issuer: string;
}

/** A key that only its keeper has, and a person that the keeper recognised (RFC 8176). */
export const PASSKEY_AMR: readonly Amr[] = ["pop", "user", "mfa"];

/** 64 bytes, as the specification asks for; nothing about the user can be read from them. */
export const randomHandle = (): string => randomBytes(64).toString("base64url");

export function createPasskeys(deps: PasskeysDeps): Passkeys {
  const { storage, audit, clock, ids } = deps;
  const challenges = createChallenges(deps);
  const { hostname, origin } = new URL(deps.issuer);
  const partyOf = (origins: readonly string[] = []): RelyingParty => ({
    id: hostname,
    origins: [origin, ...origins],
  });

  /** The answer's client data, once its challenge has been found ours and used up. */
  async function takeChallenge(purpose: Purpose, binding: Binding, encoded: string) {
    const client = readClientData(encoded);
    const request = client && (await challenges.consume(purpose, binding, client.challenge));
    return request && { client, request };
  }

  /** Why an answer does not count, or whose it is. */
  async function judge(terms: LoginTerms, answer: LoginAnswer): Promise<Verdict> {
    const taken = await takeChallenge("login", terms.binding, answer.response.clientDataJSON);
    if (!taken) return { reason: "challenge" };
    const row = await findRow(storage, answer.id);
    if (!row) return { reason: "unknown_credential" };
    const userId = row.user_id;
    if (terms.userId !== undefined && terms.userId !== userId) return { reason: "other_user", userId };
    const { userHandle } = answer.response;
    // Without a handle the answer does not say whose it is: only enough when that was known before.
    if (!userHandle && terms.userId === undefined) return { reason: "user_handle", userId };
    if (userHandle && !(await hasHandle(storage, userId, userHandle)))
      return { reason: "user_handle", userId };
    const use = await verifyLogin(partyOf(terms.origins), answer, taken.client, row);
    if (!use) return { reason: "proof", userId };
    const user = await deps.users.find(userId);
    if (!user || user.disabledAt !== undefined) return { reason: "user_off", userId };
    if (!(await markUsed(storage, row.id, { ...use, at: clock.now() }))) return { reason: "counter", userId };
    return { userId };
  }

  return {
    async askLogin({ binding, userId }) {
      const challenge = await challenges.issue("login", binding);
      const known = userId === undefined ? [] : await listRows(storage, userId);
      return generateAuthenticationOptions({
        rpID: hostname,
        challenge: bytesOf(challenge),
        allowCredentials: known.map(descriptorOf),
        userVerification: "required",
        timeout: CHALLENGE_MS,
      });
    },

    async proveLogin(terms, text) {
      const answer = readLoginAnswer(text);
      const verdict: Verdict = answer ? await judge(terms, answer) : { reason: "malformed" };
      if (!verdict.reason) return verdict.userId;
      await audit.append({
        action: verdict.reason === "counter" ? loginEvents.passkeyCopied : loginEvents.refused,
        userId: verdict.userId,
        outcome: "refused",
        details: { method: "passkey", reason: verdict.reason },
      });
      return undefined;
    },

    async askRegistration(purpose, binding, owner, { request, userId } = {}) {
      const challenge = await challenges.issue(purpose, binding, request);
      const known = userId === undefined ? [] : await listRows(storage, userId);
      return generateRegistrationOptions({
        rpName: "Behalf",
        rpID: hostname,
        userName: owner.email,
        userDisplayName: owner.name,
        userID: bytesOf(owner.handle),
        challenge: bytesOf(challenge),
        attestationType: "none",
        excludeCredentials: known.map(descriptorOf),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        supportedAlgorithmIDs: ALGORITHMS,
        timeout: CHALLENGE_MS,
      });
    },

    async proveRegistration(purpose, binding, text, origins) {
      const answer = readRegistrationAnswer(text);
      const taken = answer && (await takeChallenge(purpose, binding, answer.response.clientDataJSON));
      const credential = taken && (await verifyRegistration(partyOf(origins), answer, taken.client));
      return credential && { credential, request: taken.request };
    },

    add: (on, userId, credential, name) =>
      insertRow(on, {
        id: ids.prefixed("pky"),
        credential_id: credential.credentialId,
        user_id: userId,
        public_key: credential.publicKey,
        counter: credential.counter,
        transports: JSON.stringify(credential.transports),
        backed_up: credential.backedUp ? 1 : 0,
        name,
        created_at: clock.now(),
        last_used_at: null,
      }),
    list: (userId) => listRows(storage, userId),
    handleOf: (userId) => handleOf(storage, userId, randomHandle()),
    sweep: challenges.sweep,
  };
}

type Verdict =
  | { readonly userId: string; readonly reason?: undefined }
  | { readonly reason: string; readonly userId?: string };

const bytesOf = (encoded: string) => new Uint8Array(Buffer.from(encoded, "base64url"));

function descriptorOf(row: PasskeyRow) {
  // Written by add().
  const transports = JSON.parse(row.transports) as AuthenticatorTransport[];
  return { id: row.credential_id, transports };
}
