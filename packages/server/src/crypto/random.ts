import { randomBytes as nodeRandomBytes } from "node:crypto";

/** Bytes from the operating system's generator. */
export const randomBytes = (length: number): Buffer => nodeRandomBytes(length);

const TOKEN_BYTES = 32;

/** A 256-bit bearer value: 43 characters of base64url. */
export function randomToken(): string {
  return nodeRandomBytes(TOKEN_BYTES).toString("base64url");
}
