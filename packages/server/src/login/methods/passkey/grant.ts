import { ApiError } from "../../../http/errors.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { DirectGrant, DirectRefusal } from "../../../oauth/index.ts";
import { acrOf } from "../../amr.ts";
import { readRegistrationAnswer } from "./answers.ts";
import { defaultName } from "./names.ts";
import { PASSKEY_AMR, type Passkeys } from "./passkeys.ts";
import type { SignUpWithPasskey } from "./sign-up.ts";

export interface PasskeyGrantDeps {
  readonly passkeys: Passkeys;
  readonly signUpWithPasskey: SignUpWithPasskey;
  readonly clock: Clock;
}

/** An answer counts for the app that asked, with the `auth_session` that it was given. */
export const bindingOf = (authSession: string, clientId: string) =>
  `app:${JSON.stringify([authSession, clientId])}` as const;

/** The same for every reason; the log knows more. */
const REFUSED: DirectRefusal = { error: "invalid_grant", description: "the passkey was not accepted" };

/** Tokens for the answer of an authenticator that an app asked itself: a log-in, or a registration with sign-up. */
export function passkeyGrant(deps: PasskeyGrantDeps): DirectGrant {
  const { passkeys } = deps;

  async function signUp(answer: string, terms: Terms): Promise<string | undefined> {
    const { binding, origins } = terms;
    const registration = await passkeys.proveRegistration("sign_up", binding, answer, origins);
    if (!registration) return undefined;
    try {
      const keyName = defaultName(registration.credential.aaguid, undefined);
      return (await deps.signUpWithPasskey(registration, { keyName })).id;
    } catch (error) {
      // An address that is taken or malformed: the caller learns neither.
      if (ApiError.is(error)) return undefined;
      throw error;
    }
  }

  return {
    name: "passkey",
    grantType: "urn:okta:params:oauth:grant-type:webauthn",
    parameters: ["auth_session", "authn_response"],
    async prove({ client, params }) {
      const { auth_session: authSession, authn_response: answer } = params;
      if (!authSession || !answer)
        return { error: "invalid_request", description: "auth_session and authn_response are required" };
      const terms: Terms = { binding: bindingOf(authSession, client.id), origins: client.webOrigins };
      const isSignUp = readRegistrationAnswer(answer) !== undefined;
      const userId = await (isSignUp ? signUp(answer, terms) : passkeys.proveLogin(terms, answer));
      if (userId === undefined) return REFUSED;
      return {
        userId,
        amr: PASSKEY_AMR,
        acr: acrOf(PASSKEY_AMR),
        authenticatedAt: deps.clock.now(),
        connection: "passkey",
      };
    },
  };
}

interface Terms {
  readonly binding: ReturnType<typeof bindingOf>;
  /** Pages of the app, beside our own. */
  readonly origins: readonly string[];
}
