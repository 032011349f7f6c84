// The library below looks for it when it loads.
import "reflect-metadata";
import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import * as x509 from "@peculiar/x509";

/** By what an authority's certificate is a client's (RFC 8705 section 2.1.2, without `tls_client_auth_`). */
export const CERTIFICATE_NAMES = ["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"] as const;

/** One name that a certificate must carry. */
export interface CertificateName {
  readonly by: (typeof CERTIFICATE_NAMES)[number];
  readonly value: string;
}

/** `undefined` for what is no certificate. Takes PEM, or DER as base64. */
export function parseCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text.includes("-----") ? text : Buffer.from(text, "base64"));
  } catch {
    return undefined; // Whoever asked names the place in their own words.
  }
}

/** SHA-256 of the DER, base64url: `x5t#S256`. @see RFC 8705 section 3.1 */
export function certificateThumbprint(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("base64url");
}

/** Whether `now`, in milliseconds, is within the certificate's life. */
export function isCurrent(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime();
}

/** Whether any certificate could carry this name. */
export function isCertificateName({ by, value }: CertificateName): boolean {
  if (by === "subject_dn") return distinguishedName(value) !== undefined;
  if (by === "san_ip") return isIP(value) !== 0;
  if (by === "san_uri") return URL.canParse(value);
  if (by === "san_email") return /^[^@\s]+@[^@\s]+$/.test(value);
  // A client is one host: no wildcard stands for it.
  return /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(value);
}

/**
 * Whether the certificate carries this name: a subject as a whole, an alternative name as one of several. Wildcards
 * are letters like others, and text is compared as it is; only host names have no case.
 */
export function carriesName(certificate: X509Certificate, { by, value }: CertificateName): boolean {
  try {
    const parsed = new x509.X509Certificate(certificate.raw);
    if (by === "subject_dn") {
      const expected = distinguishedName(value);
      // RFC 4514 section 2.1 writes what stands last in the certificate first.
      return expected !== undefined && expected === inOneForm(parsed.subjectName.toJSON().toReversed());
    }
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    const type = SAN_TYPES[by];
    return names.some((name) => name.type === type && canonical(by, name.value) === canonical(by, value));
  } catch {
    return false; // A certificate that cannot be read carries no name.
  }
}

const SAN_TYPES = { san_dns: "dns", san_uri: "url", san_ip: "ip", san_email: "email" } as const;

function canonical(by: keyof typeof SAN_TYPES, value: string): string {
  if (by === "san_dns") return value.toLowerCase();
  if (by === "san_ip") return isIP(value) === 6 ? new URL(`http://[${value}]`).hostname : value;
  if (by !== "san_email") return value;
  const at = value.lastIndexOf("@");
  return `${value.slice(0, at)}@${domainToASCII(value.slice(at + 1))}`;
}

/** A name of RFC 4514 in the form that is compared; `undefined` when it is none. */
function distinguishedName(text: string): string | undefined {
  try {
    const parts = new x509.Name(text).toJSON();
    return parts.length === 0 ? undefined : inOneForm(parts);
  } catch {
    return undefined;
  }
}

/** Attributes of one part have no order among them. */
function inOneForm(parts: readonly Readonly<Record<string, readonly string[]>>[]): string {
  return JSON.stringify(
    parts.map((part) =>
      Object.entries(part)
        .map(([type, values]) => [type.toUpperCase(), ...values.toSorted()])
        .toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    ),
  );
}
