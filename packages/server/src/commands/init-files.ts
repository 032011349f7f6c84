/** The client that `behalf init` declares. */
export const FIRST_CLIENT_ID = "assistant";

/** The configuration that `behalf init` writes: small, commented, and complete enough to start. */
export function configurationText(plan: {
  issuer: string;
  email: string;
  /** The file with settings for published SDKs, when it is written too. */
  auth0?: string | undefined;
  /** Set for an https address of this machine. */
  tls?: object | undefined;
}): string {
  const local = plan.issuer.startsWith("http:") || plan.tls !== undefined;
  const port = new URL(plan.issuer).port || (plan.tls ? "443" : "4000");
  return `# Behalf. Every key is explained in docs/config.md; "behalf doctor" checks this file.

# Public address of this server. Tokens carry it: changing it later invalidates them.
issuer: ${JSON.stringify(plan.issuer)}
${local ? "" : "\n# Refuses what is only good for trying things out.\nproduction: true\n"}
listen:
  host: ${local ? "127.0.0.1" : "127.0.0.1 # a proxy on this machine ends TLS; or set listen.tls"}
  port: ${port}
${plan.tls ? "  tls: { certFile: tls/server.pem, keyFile: tls/server.key } # of behalf dev-cert\n" : ""}
# One file, one server process. For more than one machine: postgres://user@host/database
storage: sqlite:behalf.db

# Seals the tokens of third parties. Keep a copy apart from the database.
rootKey: { file: root.key }

clients:
  - id: ${FIRST_CLIENT_ID}
    name: Assistant
    secret: { file: assistant.secret }
    redirectUris: [http://localhost:3000/auth/callback]
    postLogoutRedirectUris: [http://localhost:3000]
    grantTypes: [authorization_code, refresh_token, client_credentials, ciba, token_vault]
    firstParty: true
    # An agent: which of a user's accounts it may use, and for what users see it is there.
    agent:
      owner: ${JSON.stringify(plan.email)}
      purpose: Helps with everyday tasks.
      connections: {}
      # connections:
      #   google-oauth2: { scopes: [https://www.googleapis.com/auth/calendar.events] }

${plan.auth0 !== undefined ? "# What Auth0's libraries for APIs expect access tokens to be signed with.\nkeys: { defaultAlgorithm: RS256 }\n\n" : ""}# APIs that accept tokens of this server, with their scopes in plain words.
apis: []
# apis:
#   - audience: https://shop.example.com/
#     name: Shop
#     scopes: { "orders:create": Place orders }

# Third parties whose accounts users connect.
connections: []
# connections:
#   - name: google-oauth2
#     displayName: Google
#     authorizationEndpoint: https://accounts.google.com/o/oauth2/v2/auth
#     tokenEndpoint: https://oauth2.googleapis.com/token
#     revocationEndpoint: https://oauth2.googleapis.com/revoke
#     userinfoEndpoint: https://openidconnect.googleapis.com/v1/userinfo
#     clientId: your-client-id
#     clientSecret: { env: GOOGLE_CLIENT_SECRET }
#     authorizationParams: { access_type: offline, prompt: consent }
#     scopes: { openid: Know who you are, https://www.googleapis.com/auth/calendar.events: Change your calendar }
`;
}

/** Settings under the names that the Auth0 SDKs read. */
export function auth0Environment(issuer: string, clientSecret: string): string {
  return `AUTH0_DOMAIN=${new URL(issuer).host}
AUTH0_CLIENT_ID=${FIRST_CLIENT_ID}
AUTH0_CLIENT_SECRET=${clientSecret}
APP_BASE_URL=http://localhost:3000
`;
}
