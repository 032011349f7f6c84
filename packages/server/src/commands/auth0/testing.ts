/**
 * An export of a tenant in the YAML form of auth0-deploy-cli. Transcribed 2026-11-24 from its documentation
 * (github.com/auth0/auth0-deploy-cli, examples/yaml/tenant.yaml and examples/directory), with addresses of
 * example.com in place of placeholders and members of the Management API's payloads added. No real export was seen.
 */
export const TENANT_YAML = `
tenant:
  friendly_name: Auth0 Deploy Example
clients:
  - name: My SPA
    client_id: a1B2c3D4e5F6g7H8
    app_type: spa
    is_first_party: true
    token_endpoint_auth_method: none
    callbacks: [https://app.example.com/callback, "https://*.example.com/callback", "https://##ENV##.example.com/cb"]
    allowed_logout_urls: [https://app.example.com/logout, http://app.example.com/insecure]
    web_origins: [https://app.example.com]
    allowed_origins: [https://app.example.com/]
    grant_types: [authorization_code, implicit, refresh_token]
    refresh_token: { rotation_type: rotating }
    organization_usage: allow
  - name: My M2M
    app_type: non_interactive
    grant_types: [client_credentials]
    client_secret: secret-of-the-other-system
  - name: All Applications
    global: true
    callbacks: []
databases:
  - name: Username-Password-Authentication
    strategy: auth0
    enabled_clients: [My SPA]
  - name: users
    options: { enabledDatabaseCustomization: true }
connections:
  - name: google-oauth2
    strategy: google-oauth2
    options: { client_id: google-client, client_secret: google-secret, scope: [email, profile] }
  - name: myad-waad
    strategy: waad
    options: { client_id: some_client_id }
  - name: github
    strategy: github
    options: {}
resourceServers:
  - name: My API
    identifier: https://api.example.com/v1
    signing_alg: RS256
    token_lifetime: 172800
    enforce_policies: true
    token_dialect: access_token_authz
    scopes:
      - { value: "update:account", description: update account }
      - { value: "read:account", description: read account }
  - name: Old API
    identifier: https://old.example.com/
    signing_alg: HS256
  - name: Auth0 Management API
    identifier: https://tenant.auth0.example/api/v2/
    is_system: true
clientGrants:
  - client_id: My M2M
    audience: https://api.example.com/v1
    scope: ["update:account", "delete:account"]
  - client_id: My M2M
    audience: https://elsewhere.example.com/
    scope: []
roles:
  - name: Admin
    description: App Admin
    permissions:
      - { permission_name: "update:account", resource_server_identifier: https://api.example.com/v1 }
      - { permission_name: "fly", resource_server_identifier: https://api.example.com/v1 }
organizations:
  - name: acme
    display_name: Acme
    branding: { logo_url: https://acme.example/logo.png, colors: { primary: "#112233", page_background: "#ffffff" } }
    metadata: { plan: gold }
    connections:
      - { name: Username-Password-Authentication, assign_membership_on_login: true }
  - name: Not A Name
actions:
  - name: action-example
    code: ./actions/action-example/code.js
`;

/**
 * A user of the password-hash export, transcribed 2026-11-24 from
 * support.auth0.com "How to Use the Password Hashes Export from Auth0", with another hash.
 */
export const hashExportUser = (id: string, email: string, passwordHash: string) => ({
  _id: { $oid: id },
  email_verified: false,
  email,
  passwordHash,
  password_set_date: { $date: "2019-12-06T18:36:12.412Z" },
  tenant: "example-tenant-name",
  connection: "Username-Password-Authentication",
  _tmp_is_unique: true,
  identifiers: [{ type: "email", value: email, verified: false }],
});

/** A user of the profile export: the normalized user profile, transcribed 2026-11-24 from auth0.com/docs. */
export const profileUser = (id: string, email: string) => ({
  user_id: `auth0|${id}`,
  email,
  email_verified: true,
  name: "Anne Lee",
  nickname: "anne",
  picture: "https://pictures.example.com/anne.png",
  created_at: "2019-12-06T18:36:12.412Z",
  identities: [
    { user_id: id, provider: "auth0", connection: "Username-Password-Authentication", isSocial: false },
  ],
  app_metadata: { plan: "gold" },
  user_metadata: { colour: "blue" },
});
