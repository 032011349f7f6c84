import { constants, type X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { TLSSocket, type TlsOptions } from "node:tls";

/** A certificate whose key the peer of a connection has proven to hold. */
export interface ClientCertificate {
  readonly certificate: X509Certificate;
  /** Whether the configured authority vouches for it, for use by clients. */
  readonly isFromAuthority: boolean;
}

/**
 * Asks for a certificate and takes any, or none: what it is good for depends on the client, which is not known yet.
 * Only the configured authority is believed, and none of those that the system trusts.
 */
export function certificateRequest({ caFile }: { readonly caFile?: string | undefined }): TlsOptions {
  return {
    requestCert: true,
    rejectUnauthorized: false,
    ca: caFile === undefined ? [] : [readFileSync(caFile)],
    // Nobody becomes somebody else in the middle of a connection.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** What the peer showed; `undefined` when it showed none. */
export function clientCertificateOf(socket: Socket): ClientCertificate | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate && { certificate, isFromAuthority: (socket as TLSSocket).authorized };
}
