import { z } from "zod";
import { isCidr, isIssuer, isLoopbackHost, isMailbox, isWebOrigin, isWebUrl } from "./config-addresses.ts";
import { CERTIFICATE_NAMES, parseCertificate } from "./lib/certificates.ts";
import type { Secret } from "./lib/secret.ts";

/** 256 bits as base64url or hexadecimal are at least this long. */
export const MIN_CLIENT_SECRET_LENGTH = 43;

const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "letters, digits, . _ - (at most 128)");
const scopeName = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/, "an OAuth scope without spaces");
const colour = z.string().regex(/^#[0-9a-f]{6}$/i, "a colour like #2347c5");
const webUrl = z.string().refine(isWebUrl, "an https URL, or http on loopback");
/** Where a secret comes from. */
export const secretSource = z.union([
  z.strictObject({ env: z.string().describe("name of an environment variable") }),
  z.strictObject({ file: z.string().describe("path of a file that holds the secret") }),
]);

const agentPolicy = z.strictObject({
  /** Who answers for this agent; shown to users. */
  owner: z.string().min(1).max(200),
  /** What it is for, in one sentence; shown to users. */
  purpose: z.string().min(1).max(500),
  /** Connections it may use, each with the scopes it may have. */
  connections: z.record(identifier, z.strictObject({ scopes: z.array(scopeName).max(100) })).default({}),
});

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, "base64url");
const certificate = z
  .string()
  .max(16_384)
  .refine((text) => parseCertificate(text) !== undefined, "an X.509 certificate: PEM, or DER as base64");
const keyNames = {
  kid: z.string().min(1).max(256).optional(),
  use: z.literal("sig").optional(),
  /** Certificates of the key, its own first (RFC 7517 section 4.7). */
  x5c: z.array(certificate).min(1).max(5).optional(),
};
/** 2,048 bits as base64url are at least this long. */
const MIN_RSA_LENGTH = 342;
/** A public key (RFC 7517). Strict, so that the private part of a key is refused. */
const publicKey = z.discriminatedUnion("kty", [
  z.strictObject({
    ...keyNames,
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: base64url,
    y: base64url,
    alg: z.literal("ES256").optional(),
  }),
  z.strictObject({
    ...keyNames,
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: base64url,
    alg: z.literal("EdDSA").optional(),
  }),
  z.strictObject({
    ...keyNames,
    kty: z.literal("RSA"),
    n: base64url.min(MIN_RSA_LENGTH, "at least 2,048 bits"),
    e: base64url,
    /** Default: RS256. */
    alg: z.enum(["RS256", "PS256"]).optional(),
  }),
]);

/** What is known of a client besides its id and secret; the database keeps the same shape as the file. */
export const clientMetadataSchema = z.strictObject({
  name: z.string().min(1).max(200),
  redirectUris: z.array(z.string().max(2048)).max(50).default([]),
  postLogoutRedirectUris: z.array(z.string().max(2048)).max(50).default([]),
  /** Origins of its pages: they may read answers of the token endpoint, and log in silently in a frame. */
  webOrigins: z
    .array(z.string().refine(isWebOrigin, "https://host[:port], or http on loopback"))
    .max(50)
    .default([]),
  /** Where it wants to hear that a session it takes part in has ended. */
  backchannelLogoutUri: webUrl.optional(),
  /** What the logout token comes in: the specification's form, or a JSON object for receivers that read that. */
  backchannelLogoutFormat: z.enum(["form", "json"]).default("form"),
  grantTypes: z
    .array(
      z.enum([
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "ciba",
        "device_code",
        "token_vault",
        "passkey",
        "mfa",
      ]),
    )
    .default(["authorization_code", "refresh_token"]),
  /** APIs this client may ask tokens for, with the scopes it may have. */
  apis: z.record(z.string(), z.strictObject({ scopes: z.array(scopeName) })).default({}),
  /** Whether its users act for organizations: never, when the request names one, or always. */
  organizations: z.enum(["none", "optional", "required"]).default("none"),
  /** A first-party client needs no consent page for profile scopes and its own APIs. */
  firstParty: z.boolean().default(false),
  /** Rotate refresh tokens at each use. Default: public clients only. */
  rotateRefreshTokens: z.boolean().optional(),
  idTokenAlgorithm: z.enum(["RS256", "ES256"]).default("RS256"),
  /** Public keys the client proves itself with (`private_key_jwt`), in place of a secret. */
  jwks: z.strictObject({ keys: z.array(publicKey).min(1).max(20) }).optional(),
  /** Where those keys are. */
  jwksUri: webUrl.optional(),
  /** It proves itself with a certificate of the configured authority that carries this name. */
  tlsClientAuth: z
    .strictObject({ by: z.enum(CERTIFICATE_NAMES), value: z.string().min(1).max(1_024) })
    .optional(),
  /** It proves itself with one of these certificates, or of those in `jwks`, whoever signed them. */
  selfSignedTlsClientAuth: z
    .strictObject({ certificates: z.array(certificate).max(20).default([]) })
    .optional(),
  /** Its tokens are good with the certificate alone that it asked for them with. */
  tlsClientCertificateBoundAccessTokens: z.boolean().default(false),
  agent: agentPolicy.optional(),
});

type OwnProof = Pick<ClientMetadata, "jwks" | "jwksUri" | "tlsClientAuth" | "selfSignedTlsClientAuth">;

/** Whether a client proves itself with the certificate of its connection. */
export const hasCertificate = (entry: OwnProof): boolean =>
  entry.tlsClientAuth !== undefined || entry.selfSignedTlsClientAuth !== undefined;

/** Certificates that a client may prove itself with, whoever signed them. */
export const certificatesOf = ({
  selfSignedTlsClientAuth,
  jwks,
}: Pick<ClientMetadata, "jwks" | "selfSignedTlsClientAuth">): readonly string[] =>
  selfSignedTlsClientAuth
    ? [
        ...selfSignedTlsClientAuth.certificates,
        ...(jwks?.keys ?? []).flatMap(({ x5c }) => x5c?.slice(0, 1) ?? []),
      ]
    : [];

/** Whether a client proves itself with keys of its own, by assertion or certificate. */
export const hasKeys = (entry: OwnProof): boolean =>
  entry.jwks !== undefined || entry.jwksUri !== undefined || hasCertificate(entry);

const client = clientMetadataSchema.extend({
  id: identifier,
  /** Absent: a public client, which authenticates with PKCE alone. */
  secret: secretSource.optional(),
});

const signingAlgorithm = z.enum(["ES256", "RS256", "EdDSA"]);

/** A namespaced name to where its value comes from, or a literal. */
const claims = z
  .record(
    z.string().regex(/^(https?:\/\/[^\s/]+\/|urn:)\S{1,200}$/, "a URI of your own; short names are reserved"),
    z.union([z.string().max(500), z.number(), z.boolean()]),
  )
  .refine((value) => Object.keys(value).length <= 25, "at most 25 claims");

const role = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9:._-]{0,63}$/, "lower-case letters, digits, : . _ - (at most 64)"),
  description: z.string().max(300).default(""),
  /** Audience of an API to scopes of it. */
  permissions: z.record(z.string(), z.array(scopeName).max(200)).default({}),
});

const api = z.strictObject({
  /** Audience: an absolute URI. */
  audience: z
    .string()
    .refine((value) => URL.canParse(value) && !value.includes("#"), "an absolute URI without fragment"),
  name: z.string().min(1).max(200),
  /** Scope to what it lets one do, in plain words. */
  scopes: z.record(scopeName, z.string().min(1).max(300)).default({}),
  /** Default: `keys.defaultAlgorithm`. */
  signingAlgorithm: signingAlgorithm.optional(),
  accessTokenTtlSeconds: z.number().int().min(30).max(86_400).default(3_600),
  /** Clients that may ask about tokens for this API (RFC 7662). */
  introspectionClients: z.array(z.string().min(1).max(2_048)).max(20).default([]),
  /** What users' roles do to its tokens. */
  rbac: z
    .strictObject({ enforce: z.boolean().default(false), permissionsClaim: z.boolean().default(false) })
    .prefault({}),
  /** Further claims of its access tokens. */
  claims: claims.default({}),
  /** Types of authorization details this API takes, with a title for the approval page. */
  detailTypes: z
    .record(z.string().min(1).max(128), z.strictObject({ title: z.string().min(1).max(100) }))
    .default({}),
  /** Refuse approvals that carry no authorization details. */
  requireDetails: z.boolean().default(false),
  /** Users get no token for this API before they have proven a second factor. */
  requireSecondFactor: z.boolean().default(false),
});

const loginUse = z.strictObject({
  /** Asked for at log-in. Default: `openid profile email` for `oidc`, nothing for `oauth2`. */
  scopes: z.array(scopeName).max(50).optional(),
  /** The provider's word that an address is confirmed counts here too. */
  trustEmail: z.boolean().default(false),
  /** Where `trustEmail` counts. Default: any domain. */
  domains: z
    .array(z.string().regex(/^[a-z0-9.-]{1,253}$/, "a domain in lower case"))
    .max(100)
    .default([]),
  /** Whether somebody who has no account here gets one. */
  signUp: z.boolean().default(true),
  /** An ID token whose `amr` has `mfa` counts as two factors here. */
  trustsMfa: z.boolean().default(false),
});

const connection = z.strictObject({
  name: identifier,
  displayName: z.string().min(1).max(100),
  /** `oidc` finds its addresses at its issuer, and proves log-ins with ID tokens. */
  kind: z.enum(["oauth2", "oidc"]).default("oauth2"),
  /** Whether people may connect accounts for agents. */
  vault: z.boolean().default(true),
  /** Whether people may log in with it, and what its word is worth. */
  login: z
    .union([z.boolean(), loginUse])
    .default(false)
    .transform((value) => (value === false ? undefined : value === true ? loginUse.parse({}) : value)),
  authorizationEndpoint: webUrl.optional(),
  tokenEndpoint: webUrl.optional(),
  revocationEndpoint: webUrl.optional(),
  /** Where the account's id and label come from. */
  userinfoEndpoint: webUrl.optional(),
  /** For `oidc` where its metadata is; for `oauth2` what it puts into `iss` (RFC 9207), checked when given. */
  issuer: z.string().optional(),
  clientId: z.string().min(1).max(512),
  clientSecret: secretSource.optional(),
  clientAuthMethod: z
    .enum(["client_secret_post", "client_secret_basic", "none"])
    .default("client_secret_post"),
  /** Scope to what it lets one do, in plain words. */
  scopes: z.record(scopeName, z.string().min(1).max(300)).default({}),
  scopeSeparator: z.enum([" ", ","]).default(" "),
  /** Added to the authorization request, for example `{ access_type: offline }`. */
  authorizationParams: z.record(z.string().max(64), z.string().max(512)).default({}),
  /** Member of the userinfo answer that names the account for good. */
  accountIdField: z.string().default("sub"),
  /** Member of the userinfo answer that the user recognises. */
  accountLabelField: z.string().default("email"),
  /** What the provider does with a refresh token that is used. */
  rotation: z.enum(["none", "grace", "strict", "unknown"]).default("unknown"),
  /**
   * What a refresh that asks for fewer scopes does to the grant: RFC 6749 section 6 keeps it whole, some
   * providers that rotate take the other scopes away for good. Default: keeps_grant when rotation is none.
   */
  narrowing: z.enum(["keeps_grant", "loses_grant"]).optional(),
  graceSeconds: z.number().int().min(0).max(86_400).default(0),
});

const mailbox = z.string().max(320).refine(isMailbox, 'an address, or "Name <address>"');

const mail = z.strictObject({
  from: mailbox,
  replyTo: mailbox.optional(),
  smtp: z
    .strictObject({
      host: z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, "a host name or an IP address"),
      port: z.number().int().min(1).max(65_535).default(587),
      /** TLS from the first byte, as on port 465. */
      secure: z.boolean().default(false),
      /** Refuse to go on without STARTTLS. Default: true, but false on loopback. */
      requireTls: z.boolean().optional(),
      user: z.string().min(1).max(320).optional(),
      password: secretSource.optional(),
    })
    .transform((smtp) => ({ ...smtp, requireTls: smtp.requireTls ?? !isLoopbackHost(smtp.host) })),
});

const sms = z.strictObject({
  /** Where texts are posted. */
  url: webUrl,
  /** Number or name that texts come from. */
  from: z.string().regex(/^[\p{L}\p{N} +._-]{1,32}$/u, "a number or a name of at most 32 characters"),
  user: z.string().min(1).max(320).optional(),
  password: secretSource.optional(),
  format: z.enum(["twilio", "json"]),
  /** Beginnings of the numbers that may be texted. Absent: all. */
  countries: z
    .array(z.string().regex(/^\+[1-9]\d{0,6}$/, 'the beginning of a number, such as "+81"'))
    .min(1)
    .max(300)
    .optional(),
  /** Texts within a day, to all numbers together. */
  perDay: z.number().int().min(0).max(10_000_000).default(1_000),
});

/** The whole file. */
export const schema = z.strictObject({
  issuer: z.string().refine(isIssuer, 'an address that ends in "/": https, or http on loopback'),
  production: z.boolean().default(false),
  listen: z
    .strictObject({
      host: z.string().default("127.0.0.1"),
      port: z.number().int().min(0).max(65_535).default(4000),
      tls: z.strictObject({ certFile: z.string(), keyFile: z.string() }).optional(),
      /** A second port that asks for certificates of clients (RFC 8705). */
      mtls: z
        .strictObject({
          port: z.number().int().min(1).max(65_535),
          /** Authority of the certificates that `tlsClientAuth` takes. */
          caFile: z.string().optional(),
        })
        .optional(),
    })
    .prefault({}),
  storage: z.string().regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, '"sqlite:<file>" or "postgres://…"'),
  /** Folder for what is not in the database: tokens that were received and are not committed yet. */
  dataDir: z.string().min(1).default("./data"),
  /** Whose pages and mails these are. */
  branding: z
    .strictObject({
      name: z.string().trim().min(1).max(60).default("Behalf"),
      /** SVG or PNG, at most 64 KiB; it goes into each page. */
      logoFile: z.string().min(1).optional(),
      favicon: z.string().min(1).optional(),
      /** `mainDark` is for dark pages. */
      colors: z.strictObject({ main: colour, mainDark: colour.optional() }).optional(),
    })
    .prefault({}),
  /** Proofs of possession (RFC 9449). */
  dpop: z.strictObject({ requireNonce: z.boolean().default(false) }).prefault({}),
  /** Keys that sign tokens. */
  keys: z
    .strictObject({
      rotateDays: z.number().int().min(1).max(3_650).default(90),
      /** What access tokens are signed with when their API does not say. */
      defaultAlgorithm: signingAlgorithm.default("ES256"),
    })
    .prefault({}),
  /** Root keys: base64, one a line, the first seals. */
  rootKey: secretSource,
  clients: z.array(client).default([]),
  apis: z.array(api).default([]),
  connections: z.array(connection).default([]),
  roles: z.array(role).max(500).default([]),
  idToken: z.strictObject({ claims: claims.default({}) }).prefault({}),
  fga: z.strictObject({ presharedKeys: z.array(secretSource).default([]) }).prefault({}),
  mail: mail.optional(),
  sms: sms.optional(),
  login: z
    .strictObject({
      signUp: z.boolean().default(true),
      /** Whether everybody needs a second factor, or those who set one up and where an app asks for it. */
      secondFactor: z.enum(["optional", "required"]).default("optional"),
      /** What people may log in with. Codes default to what can be sent. */
      methods: z
        .strictObject({
          password: z.boolean().default(true),
          passkey: z.boolean().default(true),
          emailCode: z.boolean().optional(),
          smsCode: z.boolean().optional(),
        })
        .prefault({}),
      /** Whether an account is made only once its address was confirmed. */
      confirmEmail: z.enum(["optional", "required"]).default("optional"),
      /** SHA-1 hashes of known passwords, sorted, one a line. */
      breachedPasswordsFile: z.string().min(1).optional(),
      /** How long a log-in lasts: without use, and at most. */
      session: z
        .strictObject({
          idleSeconds: z.number().int().min(60).max(31_536_000).default(259_200),
          absoluteSeconds: z.number().int().min(60).max(31_536_000).default(1_209_600),
        })
        .prefault({}),
      /** What one network address may try: failed steps within ten minutes, sign-ups within an hour. */
      limits: z
        .strictObject({
          failures: z.number().int().min(1).max(1_000_000).default(100),
          signUps: z.number().int().min(1).max(1_000_000).default(100),
          /** Mails and texts asked for within an hour. */
          messages: z.number().int().min(1).max(1_000_000).default(100),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Ranges of proxies whose `X-Forwarded-For` is believed. */
  trustedProxies: z.array(z.string().refine(isCidr, "an address, or a range like 10.0.0.0/8")).default([]),
  /** Registration of clients by themselves; both off by default. */
  registration: z
    .strictObject({ dynamic: z.boolean().default(false), clientIdDocuments: z.boolean().default(false) })
    .prefault({}),
  egress: z
    .strictObject({ allow: z.array(z.string().regex(/^[^:/]+:\d+$/, "host:port")).default([]) })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info") })
    .prefault({}),
});

/** The file with defaults filled in, secrets still named. */
export type Parsed = z.infer<typeof schema>;
type WithSecret<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]: Secret | undefined };

/** An OAuth client as configured. */
export type ClientConfig = WithSecret<Parsed["clients"][number], "secret">;
/** A client's metadata with defaults filled in. */
export type ClientMetadata = z.infer<typeof clientMetadataSchema>;
/** What an agent may do. */
export type AgentPolicy = z.infer<typeof agentPolicy>;
/** A resource server that accepts our tokens. */
export type ApiConfig = Omit<Parsed["apis"][number], "signingAlgorithm"> & {
  readonly signingAlgorithm: z.infer<typeof signingAlgorithm>;
};
/** A third-party provider. */
export type ConnectionConfig = WithSecret<Parsed["connections"][number], "clientSecret">;

/** Where mail leaves, and from whom. */
export type MailConfig = Omit<NonNullable<Parsed["mail"]>, "smtp"> & {
  readonly smtp: WithSecret<NonNullable<Parsed["mail"]>["smtp"], "password">;
};
/** Where texts leave. */
export type SmsConfig = WithSecret<NonNullable<Parsed["sms"]>, "password">;

/** Whose pages and mails these are; pictures as `data:` addresses. */
export interface BrandingConfig {
  readonly name: string;
  readonly logo: string | undefined;
  readonly favicon: string | undefined;
  readonly colours: { readonly main: string; readonly mainDark: string } | undefined;
}

/** The whole configuration, secrets resolved. */
export interface Config
  extends Omit<
    Parsed,
    "apis" | "clients" | "connections" | "rootKey" | "fga" | "listen" | "mail" | "sms" | "branding"
  > {
  readonly branding: BrandingConfig;
  readonly mail: MailConfig | undefined;
  readonly sms: SmsConfig | undefined;
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
    readonly mtls: { readonly port: number; readonly caFile: string | undefined } | undefined;
  };
  readonly apis: readonly ApiConfig[];
  readonly clients: readonly ClientConfig[];
  readonly connections: readonly ConnectionConfig[];
  readonly rootKey: Secret;
  /** Where the root key came from; a file by its absolute path. */
  readonly rootKeySource: { readonly env: string } | { readonly file: string };
  readonly fga: { readonly presharedKeys: readonly Secret[] };
}
