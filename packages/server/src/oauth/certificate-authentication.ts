import type { ClientCertificate } from "../http/client-certificate.ts";
import { carriesName, certificateThumbprint, isCurrent } from "../lib/certificates.ts";
import type { StoredClient } from "./clients.ts";

/**
 * Why the certificate of a connection does not prove that it is this client's; `undefined` when it does.
 * @see RFC 8705 section 2
 */
export function whyNotProven(
  client: StoredClient,
  shown: ClientCertificate | undefined,
  now: number,
): string | undefined {
  if (!shown) return "no certificate";
  const { certificate } = shown;
  // Also looked at here: a connection may outlive the certificate it began with.
  if (!isCurrent(certificate, now)) return "the certificate is not valid now";
  const { tlsClientAuth, certificateThumbprints } = client;
  if (!tlsClientAuth)
    return certificateThumbprints.has(certificateThumbprint(certificate)) ? undefined : "another certificate";
  if (!shown.isFromAuthority) return "the authority does not vouch for the certificate";
  return carriesName(certificate, tlsClientAuth) ? undefined : "the certificate has another name";
}
