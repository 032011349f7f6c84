// The library below looks for it when it loads.
import "reflect-metadata";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { randomBytes } from "../crypto/random.ts";

/** Files of a local authority and of the certificate it signed, below one folder. */
export interface CertificateFiles {
  /** What clients have to trust. */
  readonly authority: string;
  readonly authorityKey: string;
  /** For `listen.tls.certFile`: the server's certificate, then the authority's. */
  readonly certificate: string;
  readonly key: string;
}

/** What is in the folder now, and which of it is new. */
export interface LocalCertificates {
  readonly files: CertificateFiles;
  readonly hosts: readonly string[];
  /** When the server's certificate ends, in milliseconds. */
  readonly expiresAt: number;
  /** A new authority has to be trusted again. */
  readonly made: "authority" | "certificate" | "nothing";
}

/** Every certificate is good for these, whatever else was asked for. */
export const LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"] as const;

const DAY_MS = 86_400_000;
const AUTHORITY_LIFE_MS = 1_825 * DAY_MS;
/** Browsers refuse server certificates that live longer than 398 days. */
const CERTIFICATE_LIFE_MS = 390 * DAY_MS;
/** How long before the end a new one is made. */
const RENEW_MS = 30 * DAY_MS;
/** Clocks of other machines and of virtual ones are a little behind. */
const BACKDATE_MS = DAY_MS;

const KEY = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const NAME_CONSTRAINTS = "2.5.29.30";

/** The files that `ensureCertificates` keeps in `folder`. */
export function certificateFiles(folder: string): CertificateFiles {
  const at = (name: string) => join(folder, name);
  return {
    authority: at("authority.pem"),
    authorityKey: at("authority.key"),
    certificate: at("server.pem"),
    key: at("server.key"),
  };
}

/**
 * Makes an authority that can only vouch for this machine and for `hosts`, and a certificate of it. What is there
 * and still good stays as it is: safe to call twice, one after the other. Without `hosts` those of the
 * certificate that is there count.
 * @see RFC 5280 section 4.2.1.10
 */
export async function ensureCertificates(options: {
  folder: string;
  hosts: readonly string[];
  now: number;
}): Promise<LocalCertificates> {
  const { now } = options;
  const files = certificateFiles(options.folder);
  const leaf = readCertificate(files.certificate, files.key);
  const named = options.hosts.length > 0 ? options.hosts : leaf ? hostsOf(leaf) : [];
  const hosts = [...new Set([...LOCAL_HOSTS, ...named])];
  const authority = readCertificate(files.authority, files.authorityKey);
  const keepsAuthority =
    authority !== undefined && isFresh(authority, now) && constraintsOf(authority) === constraints(hosts);
  if (
    keepsAuthority &&
    leaf &&
    isFresh(leaf, now) &&
    leaf.issuer === authority.subject &&
    (await leaf.verify({ publicKey: authority.publicKey, signatureOnly: true })) &&
    hostsOf(leaf).toSorted().join() === hosts.toSorted().join()
  )
    return { files, hosts, expiresAt: leaf.notAfter.getTime(), made: "nothing" };

  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const signer = keepsAuthority
    ? { certificate: authority, privateKey: await importKey(files.authorityKey) }
    : await makeAuthority(files, hosts, now);
  const expiresAt = await makeCertificate(files, signer, hosts, now);
  return { files, hosts, expiresAt, made: keepsAuthority ? "certificate" : "authority" };
}

interface Signer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: CryptoKey;
}

async function makeAuthority(
  files: CertificateFiles,
  hosts: readonly string[],
  now: number,
): Promise<Signer> {
  const keys = await generateKeys();
  const serialNumber = newSerial();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // Two authorities with one name would be taken for each other.
    name: `CN=Behalf local authority ${serialNumber.slice(0, 8)}`,
    serialNumber,
    keys,
    signingAlgorithm: KEY,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + AUTHORITY_LIFE_MS),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.Extension(NAME_CONSTRAINTS, true, Buffer.from(constraints(hosts), "hex")),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  write(files.authorityKey, await exportKey(keys.privateKey), 0o600);
  write(files.authority, `${certificate.toString("pem")}\n`, 0o644);
  return { certificate, privateKey: keys.privateKey };
}

async function makeCertificate(
  files: CertificateFiles,
  signer: Signer,
  hosts: readonly string[],
  now: number,
): Promise<number> {
  const keys = await generateKeys();
  const notAfter = new Date(Math.min(now + CERTIFICATE_LIFE_MS, signer.certificate.notAfter.getTime()));
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=Behalf on this machine",
    issuer: signer.certificate.subject,
    serialNumber: newSerial(),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: KEY,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      // Python's strict verification asks for it.
      await x509.AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
    ],
  });
  write(files.key, await exportKey(keys.privateKey), 0o600);
  write(files.certificate, `${certificate.toString("pem")}\n${signer.certificate.toString("pem")}\n`, 0o644);
  return notAfter.getTime();
}

/** The first certificate of a file; `undefined` when it is missing or unreadable, or its key is not beside it. */
function readCertificate(file: string, keyFile: string): x509.X509Certificate | undefined {
  if (!existsSync(file) || !existsSync(keyFile)) return undefined;
  const [first] =
    /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(readFileSync(file, "utf8")) ?? [];
  try {
    if (first === undefined) return undefined;
    const belongs = new X509Certificate(first).checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
    return belongs ? new x509.X509Certificate(first) : undefined;
  } catch {
    return undefined; // Cut off or edited: it is made anew.
  }
}

function isFresh(certificate: x509.X509Certificate, now: number): boolean {
  return certificate.notBefore.getTime() <= now && certificate.notAfter.getTime() - RENEW_MS > now;
}

function hostsOf(certificate: x509.X509Certificate): string[] {
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  // The library writes addresses out in full.
  return names.map(({ value }) => (/^(0{1,4}:){7}0{0,3}1$/.test(value) ? "::1" : value));
}

const constraintsOf = (certificate: x509.X509Certificate): string =>
  Buffer.from(certificate.getExtension(NAME_CONSTRAINTS)?.value ?? new ArrayBuffer(0)).toString("hex");

/** `NameConstraints` with permitted subtrees, as DER in hexadecimal. */
function constraints(hosts: readonly string[]): string {
  const names = hosts.map((host) => {
    if (!isIP(host)) return der(0x82, Buffer.from(host, "ascii"));
    const address = isIP(host) === 4 ? Buffer.from(host.split(".").map(Number)) : loopback6;
    return der(0x87, Buffer.concat([address, Buffer.alloc(address.length, 0xff)]));
  });
  const permitted = Buffer.concat(names.map((name) => der(0x30, name)));
  return der(0x30, der(0xa0, permitted)).toString("hex");
}

/** The only address of version 6 that is vouched for. */
const loopback6 = Buffer.from([...new Array<number>(15).fill(0), 1]);

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const generateKeys = () => crypto.subtle.generateKey(KEY, true, ["sign", "verify"]);

/** Positive, and as long as RFC 5280 section 4.1.2.2 allows for a random one. */
const newSerial = () => `4${Buffer.from(randomBytes(16)).toString("hex").slice(1)}`;

async function exportKey(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

async function importKey(file: string): Promise<CryptoKey> {
  const [bytes = new ArrayBuffer(0)] = x509.PemConverter.decode(readFileSync(file, "utf8"));
  return crypto.subtle.importKey("pkcs8", bytes, KEY, false, ["sign"]);
}

/** Whole or not at all; a key is never readable by others, not even for a moment. */
function write(file: string, text: string, mode: number): void {
  const draft = `${file}.new`;
  writeFileSync(draft, text, { mode });
  chmodSync(draft, mode);
  renameSync(draft, file);
}
