/** Ways of proving who one is, as RFC 8176 section 2 names them; `fed`, another provider's word, is not in it. */
export type Amr = "pwd" | "otp" | "sms" | "pop" | "user" | "mfa" | "fed";

/** By what something was proven: a method's name, or the connection that vouched for it. */
export type MethodName =
  | "password"
  | "passkey"
  | "email-code"
  | "sms-code"
  | "totp"
  | "recovery-code"
  | `connection:${string}`;

/**
 * Authentication contexts that a log-in can reach, the weakest first. Apps ask for them by `acr_values`.
 * @see OpenID Provider Authentication Policy Extension section 4, OpenID Connect EAP ACR Values section 2
 */
export const ACR = {
  /** Any log-in. */
  single: "urn:behalf:acr:single",
  /** Two factors, or a passkey whose user was verified. */
  multiFactor: "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
  /** A passkey: nothing a look-alike page could pass on. */
  phishingResistant: "phr",
} as const;

export type Acr = (typeof ACR)[keyof typeof ACR];

const RANK: readonly Acr[] = [ACR.single, ACR.multiFactor, ACR.phishingResistant];

/** The context that these proofs reach. */
export function acrOf(amr: readonly string[]): Acr {
  if (amr.includes("pop") && amr.includes("mfa")) return ACR.phishingResistant;
  return amr.includes("mfa") ? ACR.multiFactor : ACR.single;
}

/** Whether `reached` is at least `wanted`; anything reaches what nobody asked for. */
export function satisfies(reached: Acr, wanted: Acr | undefined): boolean {
  return wanted === undefined || RANK.indexOf(reached) >= RANK.indexOf(wanted);
}

/**
 * The context that a request asks for: the first of `acr_values` that is known here, as they come in order of
 * preference (OpenID Connect Core section 3.1.2.1). `undefined` when none is.
 */
export function wantedAcr(acrValues: string | undefined): Acr | undefined {
  return acrValues
    ?.split(" ")
    .map((value) => RANK.find((acr) => acr === value))
    .find((acr) => acr !== undefined);
}
