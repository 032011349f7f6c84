import type { KeyObject } from "node:crypto";
import { isLoopbackHost, isRedirectUri, isWebUrl } from "./config-addresses.ts";
import {
  type ApiConfig,
  type ClientMetadata,
  type Config,
  type ConnectionConfig,
  certificatesOf,
  hasCertificate,
  hasKeys,
  type Parsed,
} from "./config-schema.ts";
import { isCertificateName, parseCertificate } from "./lib/certificates.ts";

/** What one field cannot know: names used twice, references into the void, what production refuses. */
export function crossChecks(config: Parsed): string[] {
  const problems: string[] = [];
  const duplicates = (path: string, names: readonly string[]) => {
    for (const name of new Set(names.filter((item, i) => names.indexOf(item) !== i)))
      problems.push(`${path}: "${name}" appears twice`);
  };
  duplicates(
    "clients",
    config.clients.map((entry) => entry.id),
  );
  duplicates(
    "apis",
    config.apis.map((entry) => entry.audience),
  );
  duplicates(
    "connections",
    config.connections.map((entry) => entry.name),
  );
  config.clients.forEach((entry, i) => {
    problems.push(
      ...clientProblems(entry, { hasSecret: Boolean(entry.secret), config }).map((it) => `clients.${i}${it}`),
    );
  });
  config.apis.forEach((entry, i) => {
    if (builtInApis(config.issuer).some((own) => own.audience === entry.audience))
      problems.push(`apis.${i}.audience: "${entry.audience}" is an API of this server; leave it out`);
  });
  duplicates(
    "roles",
    config.roles.map((entry) => entry.name),
  );
  config.roles.forEach((entry, i) => {
    problems.push(
      ...permissionProblems(entry.permissions, config.apis).map((it) => `roles.${i}.permissions: ${it}`),
    );
  });
  problems.push(...claimProblems("idToken.claims", config.idToken.claims, { mayReadUserMetadata: true }));
  config.apis.forEach((entry, i) => {
    problems.push(...claimProblems(`apis.${i}.claims`, entry.claims, { mayReadUserMetadata: false }));
  });
  config.connections.forEach((entry, i) => {
    problems.push(...endpointProblems(entry).map((it) => `connections.${i}.${it}`));
    if (entry.clientAuthMethod !== "none" && !entry.clientSecret)
      problems.push(
        `connections.${i}.clientSecret: ${entry.clientAuthMethod} needs one; or set clientAuthMethod to none`,
      );
  });
  for (const [path, pair] of [
    ["mail.smtp", config.mail?.smtp],
    ["sms", config.sms],
  ] as const)
    if (pair && (pair.user === undefined) !== (pair.password === undefined))
      problems.push(`${path}: user and password belong together; give both or neither`);
  if (config.listen.mtls && !config.listen.tls)
    problems.push("listen.mtls: needs listen.tls; a certificate that a proxy reports is not believed");
  problems.push(...privateGateway(config), ...methodProblems(config));
  if (config.production) {
    const smtp = config.mail?.smtp;
    if (smtp && !smtp.secure && !smtp.requireTls && !isLoopbackHost(smtp.host))
      problems.push("mail.smtp.requireTls: mail without TLS is refused in production, but on loopback");
    if (config.egress.allow.length > 0)
      problems.push("egress.allow: private addresses are refused in production");
    if (!config.issuer.startsWith("https:")) problems.push("issuer: must be https in production");
    if ("env" in config.rootKey)
      problems.push("rootKey: use a file in production; an environment leaks into children");
  }
  return problems;
}

/** Addresses that an `oauth2` provider must have in the file, and an `oidc` provider says itself. */
function endpointProblems(entry: Parsed["connections"][number]): string[] {
  if (entry.kind === "oidc")
    return entry.issuer !== undefined && isWebUrl(entry.issuer)
      ? []
      : ["issuer: an oidc connection needs one, an https URL, or http on loopback"];
  return (["authorizationEndpoint", "tokenEndpoint", "userinfoEndpoint"] as const)
    .filter((field) => entry[field] === undefined)
    .map((field) => `${field}: an oauth2 connection needs one`);
}

/** What cannot be sent cannot be logged in with. */
function methodProblems({ login, mail, sms }: Parsed): string[] {
  const { password, passkey, emailCode, smsCode } = login.methods;
  return [
    ...(emailCode && !mail ? ["login.methods.emailCode: codes by mail need mail"] : []),
    ...(smsCode && !sms ? ["login.methods.smsCode: codes by text message need sms"] : []),
    ...(login.confirmEmail === "required" && !mail
      ? ['login.confirmEmail: "required" needs mail to send what confirms an address']
      : []),
    ...(password || passkey || (emailCode ?? mail) ? [] : ["login.methods: nobody could log in"]),
  ];
}

/** Said at start and not with the first code that cannot be sent. */
function privateGateway({ sms, egress }: Parsed): string[] {
  const url = sms && URL.parse(sms.url);
  if (!url || !isLoopbackHost(url.hostname)) return [];
  const pair = `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`;
  return egress.allow.includes(pair)
    ? []
    : [`sms.url: add "${pair}" to egress.allow, it is a private address`];
}

/** What is wrong with a role's permissions beyond their form. */
export function permissionProblems(
  permissions: Readonly<Record<string, readonly string[]>>,
  apis: readonly Pick<ApiConfig, "audience" | "scopes">[],
): string[] {
  return Object.entries(permissions).flatMap(([audience, scopes]) => {
    const api = apis.find((entry) => entry.audience === audience);
    if (!api) return [`no api has the audience "${audience}"`];
    const missing = scopes.filter((scope) => !Object.hasOwn(api.scopes, scope));
    return missing.map((scope) => `the api "${audience}" has no scope "${scope}"`);
  });
}

const CLAIM_SOURCE =
  /^(user\.(id|email|roles|(user_)?metadata\.[A-Za-z0-9_-]{1,64})|organization\.(id|name|metadata\.[A-Za-z0-9_-]{1,64}))$/;

/** An API decides by its claims, so none of them may come from what users write about themselves. */
function claimProblems(
  path: string,
  claims: Readonly<Record<string, string | number | boolean>>,
  { mayReadUserMetadata }: { mayReadUserMetadata: boolean },
): string[] {
  return Object.entries(claims).flatMap(([name, source]) => {
    if (typeof source !== "string" || !/^(user|organization)\./.test(source)) return [];
    if (!CLAIM_SOURCE.test(source)) return [`${path}.${name}: there is no source "${source}"`];
    if (source.startsWith("user.user_metadata.") && !mayReadUserMetadata)
      return [`${path}.${name}: users write user_metadata themselves; use user.metadata`];
    return [];
  });
}

/** APIs that every deployment has, named by their audience. They are not declared in the file. */
export function builtInApis(issuer: string): readonly { audience: string; scopes: readonly string[] }[] {
  return [
    {
      audience: `${issuer}me/`,
      scopes: ["create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"],
    },
    { audience: `${issuer}admin/`, scopes: ["admin"] },
    { audience: `${issuer}fga/`, scopes: [] },
    { audience: `${issuer}approvals/`, scopes: [] },
  ];
}

/**
 * What is wrong with a client beyond the form of its fields: addresses that lead nowhere safe, references
 * to what does not exist. Each problem starts with the path inside the client.
 */
export function clientProblems(
  entry: ClientMetadata,
  against: { hasSecret: boolean; config: Pick<Parsed, "issuer"> & ClientReferences },
): string[] {
  const { config } = against;
  const problems: string[] = [];
  const apis = new Map([
    ...builtInApis(config.issuer).map((own) => [own.audience, own.scopes] as const),
    ...config.apis.map((item) => [item.audience, Object.keys(item.scopes)] as const),
  ]);
  for (const [audience, { scopes }] of Object.entries(entry.apis)) {
    const known = apis.get(audience);
    if (!known) problems.push(`.apis: no api has the audience "${audience}"`);
    for (const scope of known ? scopes : [])
      if (!known?.includes(scope)) problems.push(`.apis.${audience}: the api has no scope "${scope}"`);
  }
  for (const [name, policy] of Object.entries(entry.agent?.connections ?? {})) {
    const known = config.connections.find((item) => item.name === name);
    if (!known) problems.push(`.agent.connections: there is no connection "${name}"`);
    else if (!known.vault) problems.push(`.agent.connections.${name}: the connection has vault: false`);
    for (const scope of known ? policy.scopes : [])
      if (!Object.hasOwn(known?.scopes ?? {}, scope))
        problems.push(`.agent.connections.${name}: the connection has no scope "${scope}"`);
  }
  for (const field of ["redirectUris", "postLogoutRedirectUris"] as const)
    for (const uri of entry[field])
      if (!isRedirectUri(uri))
        problems.push(`.${field}: "${uri}" must be https, or http on loopback, without fragment`);
  const { hasSecret } = against;
  if (entry.jwks && entry.jwksUri) problems.push(".jwksUri: a client has jwks or jwksUri, not both");
  if (hasSecret && hasKeys(entry)) problems.push(".secret: a client has a secret or keys, not both");
  problems.push(...certificateProblems(entry, config.listen));
  const needSecret = entry.grantTypes.filter((type) => !PUBLIC_GRANTS.includes(type));
  if (!hasSecret && !hasKeys(entry) && needSecret.length > 0)
    problems.push(`: a client without secret or keys may use ${PUBLIC_GRANTS.join(", ")} only`);
  return problems;
}

/** What is wrong with how a client's certificate is known. */
function certificateProblems(entry: ClientMetadata, { mtls }: ClientReferences["listen"]): string[] {
  const { tlsClientAuth, selfSignedTlsClientAuth, jwks } = entry;
  const problems: string[] = [];
  for (const [i, key] of (jwks?.keys ?? []).entries()) {
    const certificate = parseCertificate(key.x5c?.[0] ?? "");
    if (certificate && !isSameKey(key, certificate.publicKey))
      problems.push(`.jwks.keys.${i}.x5c: the first certificate is of another key`);
  }
  if (tlsClientAuth) {
    if (!isCertificateName(tlsClientAuth))
      problems.push(`.tlsClientAuth.value: "${tlsClientAuth.value}" is no ${tlsClientAuth.by}`);
    if (selfSignedTlsClientAuth || jwks)
      problems.push(".tlsClientAuth: a client has tlsClientAuth, or certificates of its own, not both");
    if (mtls?.caFile === undefined)
      problems.push(".tlsClientAuth: set listen.mtls.caFile to the authority of the clients' certificates");
  }
  if (selfSignedTlsClientAuth && certificatesOf(entry).length === 0)
    problems.push(".selfSignedTlsClientAuth: name certificates, or give jwks whose keys have x5c");
  if (hasCertificate(entry) && entry.jwksUri)
    problems.push(".jwksUri: certificates are read from jwks alone, not from an address");
  if ((hasCertificate(entry) || entry.tlsClientCertificateBoundAccessTokens) && !mtls)
    problems.push(": a client that uses certificates needs listen.mtls");
  return problems;
}

function isSameKey(jwk: object, key: KeyObject): boolean {
  const known = key.export({ format: "jwk" });
  return Object.entries(known).every(([name, value]) => (jwk as Record<string, unknown>)[name] === value);
}

/** Grants in which a user has a part: what a client without secret could do is in their hands. */
const PUBLIC_GRANTS: readonly string[] = [
  "authorization_code",
  "refresh_token",
  "device_code",
  "passkey",
  "mfa",
];

/** The part of the configuration that clients refer to. */
interface ClientReferences {
  readonly listen: Pick<Config["listen"], "mtls"> | Pick<Parsed["listen"], "mtls">;
  readonly apis: readonly Pick<ApiConfig, "audience" | "scopes">[];
  readonly connections: readonly Pick<ConnectionConfig, "name" | "scopes" | "vault">[];
}
