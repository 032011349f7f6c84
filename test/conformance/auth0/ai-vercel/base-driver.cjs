// A host without a framework, on the parts of `@auth0/ai` that the packages for frameworks are made of.
"use strict";

const { FGAFilter } = require("@auth0/ai");
const { AsyncAuthorizerBase, getAsyncAuthorizationCredentials } = require("@auth0/ai/AsyncAuthorization");
const { DeviceAuthorizerBase, getDeviceAuthorizerCredentials } = require("@auth0/ai/Device");
const { FGAAuthorizerBase } = require("@auth0/ai/FGA");
const { Auth0Interrupt } = require("@auth0/ai/interrupts");
const { MemoryStore } = require("@auth0/ai/stores");
const { getAccessTokenFromTokenVault, TokenVaultAuthorizerBase } = require("@auth0/ai/TokenVault");
const { current, serve } = require("../serve.mjs");

const { CALENDAR_URL } = process.env;
const store = new MemoryStore();
/** What a framework's package knows of the call that runs. */
const contextOf = (toolName) => (_input, call) => ({ ...call, toolName });

const vault = new TokenVaultAuthorizerBase(
  {},
  {
    store,
    connection: "calendar",
    scopes: ["calendar.read"],
    refreshToken: async () => current().refreshToken,
  },
);
const approval = new AsyncAuthorizerBase(
  {},
  {
    store,
    userID: async () => current().userId,
    audience: "https://shop.sandbox.example/",
    scopes: ["orders:create"],
    bindingMessage: async ({ quantity, item }) => `Buy ${quantity} ${item}?`,
    authorizationDetails: async (purchase) => [{ type: "purchase", ...purchase }],
  },
);
// A device holds no secret: it is a client of its own.
const device = new DeviceAuthorizerBase(
  { clientId: process.env.DEVICE_CLIENT_ID },
  { store, scopes: ["openid", "notes:read"], audience: "https://notes.sandbox.example/" },
);
const owner = process.env.FGA_STORE_ID
  ? new FGAAuthorizerBase(undefined, {
      buildQuery: async ({ document }) => ({
        user: `user:${current().userId}`,
        relation: "owner",
        object: `doc:${document}`,
      }),
    })
  : undefined;

const tools = {
  readCalendar: vault.protect(contextOf("readCalendar"), async () => {
    const headers = { authorization: `Bearer ${getAccessTokenFromTokenVault()}` };
    return (await fetch(`${CALENDAR_URL}/calendar/v1/events`, { headers })).json();
  }),
  placeOrder: approval.protect(contextOf("placeOrder"), async () => getAsyncAuthorizationCredentials()),
  readNotes: device.protect(contextOf("readNotes"), async () => getDeviceAuthorizerCredentials()),
};

serve({
  async call({ tool, toolCallId, threadID, input }) {
    try {
      const value = await tools[tool](input, { threadID, toolCallID: toolCallId });
      if (value instanceof Auth0Interrupt) return { returned: JSON.parse(JSON.stringify(value)) };
      return { value };
    } catch (error) {
      if (error instanceof Auth0Interrupt) return { interrupt: JSON.parse(JSON.stringify(error)) };
      throw error;
    }
  },
  filter({ documents }) {
    const user = `user:${current().userId}`;
    const buildQuery = ({ id }) => ({ user, relation: "can_view", object: `doc:${id}` });
    return FGAFilter.create({ buildQuery }).filter(documents);
  },
  deleteDocument: (input) => owner.protect(async ({ document }) => ({ deleted: document }))(input),
});
