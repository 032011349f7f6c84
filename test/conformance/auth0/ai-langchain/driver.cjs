// A graph as its developer would write it on the published, unmodified `@auth0/ai-langchain`.
"use strict";

const {
  Auth0AI,
  getAccessTokenForConnection,
  getAuth0Interrupts,
  getCIBACredentials,
  getDeviceAuthorizerCredentials,
} = require("@auth0/ai-langchain");
const { FGARetriever } = require("@auth0/ai-langchain/RAG");
const { AIMessage } = require("@langchain/core/messages");
const { BaseRetriever } = require("@langchain/core/retrievers");
const { tool } = require("@langchain/core/tools");
const { END, MemorySaver, MessagesAnnotation, START, StateGraph } = require("@langchain/langgraph");
const { ToolNode } = require("@langchain/langgraph/prebuilt");
const { z } = require("zod");
const { current, serve } = require("../serve.mjs");

const { CALENDAR_URL } = process.env;
const auth0AI = new Auth0AI();
// A device holds no secret: it is a client of its own.
const deviceAI = new Auth0AI({ auth0: { clientId: process.env.DEVICE_CLIENT_ID } });

// The refresh token comes from the graph's configuration, as the package has it by default.
const readCalendar = auth0AI.withTokenForConnection({ connection: "calendar", scopes: ["calendar.read"] })(
  tool(
    async () => {
      const headers = { authorization: `Bearer ${getAccessTokenForConnection()}` };
      const response = await fetch(`${CALENDAR_URL}/calendar/v1/events`, { headers });
      return JSON.stringify(await response.json());
    },
    { name: "readCalendar", description: "Reads the events of the calendar", schema: z.object({}) },
  ),
);

const placeOrder = auth0AI.withAsyncUserConfirmation({
  userID: (_input, config) => config.configurable.user_id,
  audience: "https://shop.sandbox.example/",
  scopes: ["orders:create"],
  bindingMessage: async ({ quantity, item }) => `Buy ${quantity} ${item}?`,
  authorizationDetails: async (purchase) => [{ type: "purchase", ...purchase }],
})(
  tool(async () => JSON.stringify(getCIBACredentials()), {
    name: "placeOrder",
    description: "Places an order, once it was approved",
    schema: z.object({ item: z.string(), quantity: z.number(), amount: z.string(), currency: z.string() }),
  }),
);

const readNotes = deviceAI.withDeviceAuthorizationFlow({
  scopes: ["openid", "notes:read"],
  audience: "https://notes.sandbox.example/",
})(
  tool(async () => JSON.stringify(getDeviceAuthorizerCredentials()), {
    name: "readNotes",
    description: "Reads notes for the person who let this device in",
    schema: z.object({}),
  }),
);

// As the package's documentation asks: a tools node that leaves errors alone.
const graph = new StateGraph(MessagesAnnotation)
  .addNode("tools", new ToolNode([readCalendar, placeOrder, readNotes], { handleToolErrors: false }))
  .addEdge(START, "tools")
  .addEdge("tools", END)
  .compile({ checkpointer: new MemorySaver() });

/** Finds whatever it was given. */
class FixedRetriever extends BaseRetriever {
  lc_namespace = ["fixed"];
  constructor(documents) {
    super();
    this.documents = documents;
  }
  async _getRelevantDocuments() {
    return this.documents.map(({ id }) => ({ pageContent: id, metadata: { id } }));
  }
}

serve({
  async call({ tool: name, toolCallId, threadID, input }) {
    const { userId, refreshToken } = current();
    const configurable = {
      thread_id: threadID,
      tool_call_id: toolCallId,
      user_id: userId,
      _credentials: { refreshToken },
    };
    const { next } = await graph.getState({ configurable });
    const call = { id: toolCallId, name, args: input, type: "tool_call" };
    const question = { messages: [new AIMessage({ content: "", tool_calls: [call] })] };
    // A thread that stands at the tools goes on there.
    const state = await graph.invoke(next.length > 0 ? null : question, { configurable });
    const { tasks } = await graph.getState({ configurable });
    const [interrupt] = getAuth0Interrupts({ interrupts: tasks.map((task) => task.interrupts) });
    if (interrupt) return { interrupt: JSON.parse(JSON.stringify(interrupt.value)) };
    return { value: JSON.parse(state.messages.at(-1).content) };
  },
  async filter({ documents }) {
    const retriever = FGARetriever.create({
      retriever: new FixedRetriever(documents),
      buildQuery: (document) => ({
        user: `user:${current().userId}`,
        relation: "can_view",
        object: `doc:${document.metadata.id}`,
      }),
    });
    const found = await retriever.invoke("anything");
    return found.map(({ pageContent }) => ({ id: pageContent }));
  },
  async deleteDocument(input) {
    const guarded = new Auth0AI.FGA().withFGA({
      buildQuery: async ({ document }) => ({
        user: `user:${current().userId}`,
        relation: "owner",
        object: `doc:${document}`,
      }),
    })(
      tool(async ({ document }) => ({ deleted: document }), {
        name: "deleteDocument",
        description: "Deletes a document of which one is the owner",
        schema: z.object({ document: z.string() }),
      }),
    );
    return guarded.invoke(input);
  },
});
