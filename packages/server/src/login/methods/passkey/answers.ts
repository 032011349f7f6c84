import { z } from "zod";

/** Longest answers that are read; credential ids are at most 1023 bytes (Web Authentication section 5.8.3). */
export const MAX_ANSWER_CHARS = 32_768;
const base64url = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .regex(/^[A-Za-z0-9_-]+$/);

const TRANSPORTS = ["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"] as const;

const credentialId = base64url(1_364);
const common = { id: credentialId, rawId: credentialId, type: z.literal("public-key") };

/** What `PublicKeyCredential.toJSON()` gives after a log-in. @see Web Authentication Level 3 section 5.1 */
const loginAnswer = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url(8_192),
    authenticatorData: base64url(8_192),
    signature: base64url(8_192),
    userHandle: base64url(86).nullish(),
  }),
});

/** The same after a registration. */
const registrationAnswer = z.object({
  ...common,
  response: z.object({
    clientDataJSON: base64url(8_192),
    attestationObject: base64url(24_576),
    transports: z.array(z.string().max(64)).max(16).default([]),
  }),
});

export type LoginAnswer = z.infer<typeof loginAnswer>;
export type RegistrationAnswer = z.infer<typeof registrationAnswer>;

/** What the browser says it did; the authenticator signs its hash. */
const clientData = z.object({
  type: z.string(),
  challenge: base64url(86),
  origin: z.string().max(2_048),
  crossOrigin: z.boolean().optional(),
  topOrigin: z.string().optional(),
});

export type ClientData = z.infer<typeof clientData>;

/** `undefined` for what is no answer. */
export function readLoginAnswer(text: string): LoginAnswer | undefined {
  return loginAnswer.safeParse(parse(text)).data;
}

export function readRegistrationAnswer(text: string): RegistrationAnswer | undefined {
  const answer = registrationAnswer.safeParse(parse(text)).data;
  if (!answer) return undefined;
  const transports = answer.response.transports.filter((name) => TRANSPORTS.some((known) => known === name));
  return { ...answer, response: { ...answer.response, transports } };
}

export function readClientData(encoded: string): ClientData | undefined {
  return clientData.safeParse(parse(Buffer.from(encoded, "base64url").toString("utf8"))).data;
}

function parse(text: string): unknown {
  if (text.length > MAX_ANSWER_CHARS) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Refused as what it is: no answer.
  }
}
