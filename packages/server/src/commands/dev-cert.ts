import { isIP } from "node:net";
import { join, relative, resolve } from "node:path";
import { ensureCertificates, LOCAL_HOSTS, type LocalCertificates } from "./certificates.ts";
import { type Command, type CommandContext, UsageError } from "./command.ts";

/** A DNS name, as it may stand in a certificate. */
const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const MAX_HOSTS = 20;

export const devCert: Command = {
  name: "dev-cert",
  summary: "Make a certificate for this machine and say how to trust it. What is still good is kept.",
  options: {
    dir: { value: "<folder>", help: "where the files are kept (default: tls)" },
    host: { value: "<name>", help: "a further name, beside localhost, 127.0.0.1 and ::1", multiple: true },
  },
  notes:
    "The authority can vouch for these names alone, and its key stays in the folder, mode 0600. For work on your\nown machine; a server that others use needs a certificate of a public authority.",
  async run(args, context) {
    const hosts = args.list("host").map(hostName);
    if (hosts.length > MAX_HOSTS) throw new UsageError(`--host may be given ${MAX_HOSTS} times at most`);
    const folder = resolve(context.cwd, args.text("dir") ?? "tls");
    const made = await ensureCertificates({ folder, hosts, now: context.clock.now() });
    context.output.result(summaryOf(made, context), {
      made: made.made,
      hosts: made.hosts,
      expires_at: new Date(made.expiresAt).toISOString(),
      ca_file: made.files.authority,
      cert_file: made.files.certificate,
      key_file: made.files.key,
      environment: trustEnvironment(made.files.authority),
    });
    return 0;
  },
};

function hostName(value: string): string {
  const host = value.toLowerCase();
  if (LOCAL_HOSTS.some((name) => name === host)) return host;
  if (!HOST.test(host) || isIP(host) || /^\d+(\.\d+)*$/.test(host))
    throw new UsageError(`--host must be a host name such as auth.example.test, not "${value}"`);
  return host;
}

/** Settings under which each runtime trusts the authority. */
export function trustEnvironment(authority: string): Readonly<Record<string, string>> {
  return { NODE_EXTRA_CA_CERTS: authority, REQUESTS_CA_BUNDLE: authority, SSL_CERT_FILE: authority };
}

const FRESH = {
  authority: "Made a new authority and a certificate; what trusted an older one has to trust this one.",
  certificate: "Made a new certificate of the same authority; restart the server.",
  nothing: "The certificate is good; nothing was changed.",
};

function summaryOf({ files, hosts, expiresAt, made }: LocalCertificates, context: CommandContext): string {
  const show = (path: string) => {
    const short = relative(context.cwd, path);
    return short.startsWith("..") ? path : join(short);
  };
  return `${FRESH[made]}
For ${hosts.join(", ")}, until ${new Date(expiresAt).toISOString().slice(0, 10)}.

In behalf.yaml:
  listen:
    tls: { certFile: ${show(files.certificate)}, keyFile: ${show(files.key)} }

${trustText(files.authority)}`;
}

/** How each program comes to trust the authority; also for `init`. */
export function trustText(authority: string): string {
  return `Programs trust it with these in their environment:
  Node             NODE_EXTRA_CA_CERTS=${authority}
  Python requests  REQUESTS_CA_BUNDLE=${authority}
  Python httpx     SSL_CERT_FILE=${authority}
The two for Python replace what is trusted otherwise: set them for local work alone.
Browsers and the system:
  macOS            security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db "${authority}"
  Windows          certutil -user -addstore Root "${authority}"
  Debian, Ubuntu   sudo cp "${authority}" /usr/local/share/ca-certificates/behalf.crt && sudo update-ca-certificates
  Fedora           sudo trust anchor "${authority}"
  Chrome on Linux  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n behalf -i "${authority}"
  Firefox          Settings, Certificates, Authorities, Import`;
}
