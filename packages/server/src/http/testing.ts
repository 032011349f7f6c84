// The library below looks for it when it loads.
import "reflect-metadata";
import { request } from "node:https";
import * as x509 from "@peculiar/x509";

/** A key with its certificate, as PEM; the certificate as base64 too. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly der: string;
  readonly jwk: JsonWebKey;
}

/** An authority that vouches for clients. */
export interface Authority extends Identity {
  issue(options: IssueOptions): Promise<Identity>;
}

interface IssueOptions {
  readonly subject: string;
  readonly names?: x509.JsonGeneralNames;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Default: for clients. */
  readonly usage?: x509.ExtendedKeyUsage;
}

const KEY = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR_MS = 3_600_000;
let serial = 1;

const newKeys = () => crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);

async function identityOf(certificate: x509.X509Certificate, keys: CryptoKeyPair): Promise<Identity> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  return {
    cert: certificate.toString("pem"),
    key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    der: certificate.toString("base64"),
    jwk: { kty, crv, x, y } as JsonWebKey,
  };
}

const common = ({ notBefore, notAfter }: Pick<IssueOptions, "notBefore" | "notAfter">) => ({
  serialNumber: String(serial++).padStart(4, "0"),
  signingAlgorithm: KEY,
  notBefore: notBefore ?? new Date(Date.now() - HOUR_MS),
  notAfter: notAfter ?? new Date(Date.now() + 24 * HOUR_MS),
});

const extensionsOf = ({ names, usage = x509.ExtendedKeyUsage.clientAuth }: IssueOptions) => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.ExtendedKeyUsageExtension([usage]),
  ...(names ? [new x509.SubjectAlternativeNameExtension(names)] : []),
];

export async function makeAuthority(subject: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys,
    ...common({}),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    ...(await identityOf(certificate, keys)),
    async issue(options) {
      const own = await newKeys();
      const issued = await x509.X509CertificateGenerator.create({
        subject: options.subject,
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        ...common(options),
        extensions: extensionsOf(options),
      });
      return identityOf(issued, own);
    },
  };
}

/** A certificate that nobody vouches for. */
export async function selfSigned(options: IssueOptions): Promise<Identity> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: options.subject,
    keys,
    ...common(options),
    extensions: extensionsOf(options),
  });
  return identityOf(certificate, keys);
}

/** An answer, read as JSON where it is JSON. */
export interface TlsAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** One request over a TLS connection of its own, with a certificate or without; a form when `params` are given. */
export function requestWith(
  identity: Pick<Identity, "cert" | "key"> | undefined,
  address: string,
  options: { params?: Record<string, string>; headers?: Record<string, string> } = {},
): Promise<TlsAnswer> {
  const { params, headers = {} } = options;
  const form = params ? { "content-type": "application/x-www-form-urlencoded" } : {};
  return new Promise((resolve, reject) => {
    const call = request(
      address,
      {
        method: params ? "POST" : "GET",
        agent: false,
        headers: { ...form, ...headers },
        ...(identity ? { cert: identity.cert, key: identity.key } : {}),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          const isJson = /json/.test(response.headers["content-type"] ?? "");
          const body = isJson && text ? (JSON.parse(text) as Record<string, unknown>) : {};
          resolve({ status: response.statusCode ?? 0, body, text });
        });
      },
    );
    call.on("error", reject);
    call.end(params ? new URLSearchParams(params).toString() : undefined);
  });
}
