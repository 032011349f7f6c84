import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import type { ClientData, LoginAnswer, RegistrationAnswer } from "./answers.ts";
import type { PasskeyRow } from "./store.ts";

/** Where answers may come from. */
export interface RelyingParty {
  /** The issuer's host. */
  readonly id: string;
  /** Origins of pages that may ask, exactly. */
  readonly origins: readonly string[];
}

/** Ed25519, P-256, RSA with SHA-256: what authenticators have. @see IANA COSE Algorithms */
export const ALGORITHMS = [-8, -7, -257];

/** A key that an authenticator has made. */
export interface NewCredential {
  readonly credentialId: string;
  readonly publicKey: string;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly backedUp: boolean;
  readonly aaguid: string;
}

/**
 * Judges a registration whose challenge was ours and has been used up: type, origin, relying party, user presence
 * and verification, algorithm. `undefined` when it does not hold.
 * @see Web Authentication Level 3 section 7.1
 */
export async function verifyRegistration(
  party: RelyingParty,
  answer: RegistrationAnswer,
  client: ClientData,
): Promise<NewCredential | undefined> {
  if (client.crossOrigin === true) return undefined;
  const result = await verifyRegistrationResponse({
    // Parsed by answers.ts; the library's type has members that nobody reads.
    response: { ...answer, clientExtensionResults: {} } as RegistrationResponseJSON,
    expectedChallenge: client.challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.id,
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(refused);
  const info = result?.verified ? result.registrationInfo : undefined;
  // The library does not compare the two names that the answer has for one key.
  if (!info || info.credential.id !== answer.id) return undefined;
  return {
    credentialId: info.credential.id,
    publicKey: Buffer.from(info.credential.publicKey).toString("base64url"),
    counter: info.credential.counter,
    transports: answer.response.transports,
    backedUp: info.credentialBackedUp,
    aaguid: info.aaguid,
  };
}

/**
 * Judges a log-in as above, and its signature by the key that was registered. The counter is left to the
 * statement that keeps it.
 * @see Web Authentication Level 3 section 7.2
 */
export async function verifyLogin(
  party: RelyingParty,
  answer: LoginAnswer,
  client: ClientData,
  row: PasskeyRow,
): Promise<{ counter: number; backedUp: boolean } | undefined> {
  if (client.crossOrigin === true) return undefined;
  const result = await verifyAuthenticationResponse({
    // As above.
    response: { ...answer, clientExtensionResults: {} } as unknown as AuthenticationResponseJSON,
    expectedChallenge: client.challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.id,
    requireUserVerification: true,
    credential: {
      id: row.credential_id,
      publicKey: new Uint8Array(Buffer.from(row.public_key, "base64url")),
      // Any counter passes here.
      counter: 0,
    },
  }).catch(refused);
  if (!result?.verified) return undefined;
  const { newCounter, credentialBackedUp } = result.authenticationInfo;
  return { counter: newCounter, backedUp: credentialBackedUp };
}

/** The library throws for every answer that does not hold; its sentences quote the answer and go nowhere. */
function refused(): undefined {
  return undefined;
}
