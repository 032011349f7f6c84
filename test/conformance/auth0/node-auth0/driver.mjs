// A back end as its developer would write it on the published, unmodified `auth0` package.
import { AuthenticationClient, UserInfoClient } from "auth0";
import { serve } from "../serve.mjs";

const { AUTH0_DOMAIN: domain, AUTH0_CLIENT_ID: clientId, AUTH0_CLIENT_SECRET: clientSecret } = process.env;

/** One attempt a call: what is proven is the first answer, not the patience. */
const options = { domain, retry: { enabled: false } };
const newClient = () => new AuthenticationClient({ ...options, clientId, clientSecret });

serve({
  async redeem({ code, verifier, redirectUri, nonce, organization }) {
    const { data } = await newClient().oauth.authorizationCodeGrantWithPKCE(
      { code, code_verifier: verifier, redirect_uri: redirectUri },
      { idTokenValidateOptions: { nonce, organization } },
    );
    return data;
  },

  async push({ params }) {
    const { data } = await newClient().oauth.pushedAuthorization(params);
    return data;
  },

  async refresh({ refreshToken, ...rest }) {
    const { data } = await newClient().oauth.refreshTokenGrant({ refresh_token: refreshToken, ...rest });
    return data;
  },

  async clientCredentials({ audience }) {
    const { data } = await newClient().oauth.clientCredentialsGrant({ audience });
    return data;
  },

  async clientCredentialsByKey({ audience, keyClientId, key }) {
    const client = new AuthenticationClient({
      ...options,
      clientId: keyClientId,
      clientAssertionSigningKey: key,
      clientAssertionSigningAlg: "RS256",
    });
    const { data } = await client.oauth.clientCredentialsGrant({ audience });
    return data;
  },

  async vault({ refreshToken, connection }) {
    const { data } = await newClient().oauth.tokenForConnection({ subject_token: refreshToken, connection });
    return data;
  },

  startBackchannel: ({ userId, audience, scope, details }) =>
    newClient().backchannel.authorize({
      userId,
      audience,
      scope,
      binding_message: "Buy 1 kettle?",
      authorization_details: JSON.stringify(details),
    }),

  redeemBackchannel: ({ requestId }) => newClient().backchannel.backchannelGrant({ auth_req_id: requestId }),

  async userInfo({ accessToken }) {
    const { data } = await new UserInfoClient(options).getUserInfo(accessToken);
    return data;
  },

  sendCode: ({ email }) =>
    newClient()
      .passwordless.sendEmail({ email, send: "code" })
      .then(() => true),

  async loginWithCode({ email, code }) {
    const { data } = await newClient().passwordless.loginWithEmail({ email, code });
    return data;
  },
});
