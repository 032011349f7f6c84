import { currentRequest } from "../http/context.ts";
import { certificateThumbprint } from "../lib/certificates.ts";

/** `x5t#S256` of the certificate that this request came with; `undefined` when it came with none. */
export function shownThumbprint(): string | undefined {
  const shown = currentRequest()?.clientCertificate;
  return shown && certificateThumbprint(shown.certificate);
}
