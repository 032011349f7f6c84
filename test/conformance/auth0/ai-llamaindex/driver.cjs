// An agent's host as its developer would write it on the published, unmodified `@auth0/ai-llamaindex`.
"use strict";

const {
  Auth0AI,
  FGARetriever,
  getAccessTokenFromTokenVault,
  getAsyncAuthorizationCredentials,
  getDeviceAuthorizerCredentials,
  setAIContext,
} = require("@auth0/ai-llamaindex");
const { Auth0Interrupt } = require("@auth0/ai/interrupts");
const { BaseRetriever, Document, MetadataMode, tool } = require("llamaindex");
const { z } = require("zod");
const { current, serve } = require("../serve.mjs");

const { CALENDAR_URL } = process.env;
const auth0AI = new Auth0AI();
// A device holds no secret: it is a client of its own.
const deviceAI = new Auth0AI({ auth0: { clientId: process.env.DEVICE_CLIENT_ID } });

const readCalendar = auth0AI.withTokenVault({
  connection: "calendar",
  scopes: ["calendar.read"],
  refreshToken: async () => current().refreshToken,
})(
  tool(
    async () => {
      const headers = { authorization: `Bearer ${getAccessTokenFromTokenVault()}` };
      return (await fetch(`${CALENDAR_URL}/calendar/v1/events`, { headers })).json();
    },
    { name: "readCalendar", description: "Reads the events of the calendar", parameters: z.object({}) },
  ),
);

const placeOrder = auth0AI.withAsyncAuthorization({
  userID: async () => current().userId,
  audience: "https://shop.sandbox.example/",
  scopes: ["orders:create"],
  bindingMessage: async ({ quantity, item }) => `Buy ${quantity} ${item}?`,
  authorizationDetails: async (purchase) => [{ type: "purchase", ...purchase }],
  // The package gives each run of a tool another id, so that a second run does not find what the first asked.
  onAuthorizationRequest: "block",
})(
  tool(async () => getAsyncAuthorizationCredentials(), {
    name: "placeOrder",
    description: "Places an order, once it was approved",
    parameters: z.object({
      item: z.string(),
      quantity: z.number(),
      amount: z.string(),
      currency: z.string(),
    }),
  }),
);

const readNotes = deviceAI.withDeviceAuthorizationFlow({
  scopes: ["openid", "notes:read"],
  audience: "https://notes.sandbox.example/",
  async onAuthorizationRequest(request, credentials) {
    process.send({ notice: request });
    await credentials;
  },
})(
  tool(async () => getDeviceAuthorizerCredentials(), {
    name: "readNotes",
    description: "Reads notes for the person who let this device in",
    parameters: z.object({}),
  }),
);

const deleteDocument = () =>
  new Auth0AI.FGA().withFGA({
    buildQuery: async ({ document }) => ({
      user: `user:${current().userId}`,
      relation: "owner",
      object: `doc:${document}`,
    }),
  })(
    tool(async ({ document }) => ({ deleted: document }), {
      name: "deleteDocument",
      description: "Deletes a document of which one is the owner",
      parameters: z.object({ document: z.string() }),
    }),
  );

/** Finds whatever it was given. */
class FixedRetriever extends BaseRetriever {
  constructor(documents) {
    super();
    this.documents = documents;
  }
  async _retrieve() {
    return this.documents.map(({ id }) => ({
      node: new Document({ id_: id, text: id, metadata: { id } }),
      score: 1,
    }));
  }
}

const tools = { readCalendar, placeOrder, readNotes };

serve({
  async call({ tool: name, threadID, input }) {
    setAIContext({ threadID });
    try {
      const value = await tools[name].call(input);
      if (value instanceof Auth0Interrupt) return { interrupt: JSON.parse(JSON.stringify(value)) };
      return { value };
    } catch (error) {
      if (error instanceof Auth0Interrupt) return { interrupt: JSON.parse(JSON.stringify(error)) };
      throw error;
    }
  },
  async filter({ documents }) {
    const retriever = FGARetriever.create({
      retriever: new FixedRetriever(documents),
      buildQuery: ({ node }) => ({
        user: `user:${current().userId}`,
        relation: "can_view",
        object: `doc:${node.metadata.id}`,
      }),
    });
    const nodes = await retriever.retrieve("anything");
    return nodes.map(({ node }) => ({ id: node.getContent(MetadataMode.NONE) }));
  },
  deleteDocument: (input) => deleteDocument().call(input),
});
