// An agent's host as its developer would write it on the published, unmodified Auth0 packages. It is told
// what to do over the IPC channel and answers with what the packages made of it. CommonJS, because the
// packages load by `require` alone.
"use strict";

const {
  Auth0AI,
  getAccessTokenFromTokenVault,
  getAsyncAuthorizationCredentials,
  getDeviceAuthorizerCredentials,
} = require("@auth0/ai-vercel");
const { errorSerializer, withInterruptions } = require("@auth0/ai-vercel/interrupts");
const {
  AccessDeniedInterrupt,
  Auth0Interrupt,
  AuthorizationPendingInterrupt,
  AuthorizationPollingInterrupt,
  AuthorizationRequestExpiredInterrupt,
  InvalidGrantInterrupt,
  TokenVaultError,
  TokenVaultInterrupt,
  UserDoesNotHavePushNotificationsInterrupt,
} = require("@auth0/ai/interrupts");
const { convertToModelMessages, createUIMessageStream, streamText, tool } = require("ai");
const { z } = require("zod");
const { scriptedModel } = require("./scripted-model.cjs");
const { current, serve } = require("./serve.cjs");

const { CALENDAR_URL, SHOP_URL } = process.env;
const NOTES_AUDIENCE = "https://notes.sandbox.example/";
const SHOP_AUDIENCE = "https://shop.sandbox.example/";

// Domain and client come from AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET.
const auth0AI = new Auth0AI();
// A device holds no secret: it is a client of its own.
const deviceAI = new Auth0AI({ auth0: { clientId: process.env.DEVICE_CLIENT_ID } });

const withCalendar = (scopes) =>
  auth0AI.withTokenVault({
    connection: "calendar",
    scopes,
    refreshToken: async () => current().refreshToken,
    loginHint: async () => current().loginHint,
  });

async function callCalendar(path, init = {}) {
  const authorization = `Bearer ${getAccessTokenFromTokenVault()}`;
  const response = await fetch(`${CALENDAR_URL}${path}`, {
    ...init,
    headers: { authorization, "content-type": "application/json" },
  });
  // As the packages' documentation asks: a token that the API refuses is no use to anybody.
  if (response.status === 401) throw new TokenVaultError("The calendar refused the token.");
  return response.json();
}

const PURCHASE = z.object({
  item: z.string(),
  quantity: z.number().int(),
  amount: z.string(),
  currency: z.string(),
});

const withApproval = (options) =>
  auth0AI.withAsyncAuthorization({
    userID: async () => current().userId,
    audience: SHOP_AUDIENCE,
    scopes: ["orders:create"],
    bindingMessage: async ({ quantity, item }) => `Buy ${quantity} ${item}?`,
    authorizationDetails: async (purchase) => [{ type: "purchase", ...purchase }],
    ...options,
  });

const shopTool = (description) =>
  tool({
    description,
    inputSchema: PURCHASE,
    async execute(purchase) {
      const { accessToken } = getAsyncAuthorizationCredentials();
      const response = await fetch(`${SHOP_URL}/orders`, {
        method: "POST",
        headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
        body: JSON.stringify(purchase),
      });
      return { status: response.status, order: await response.json(), accessToken };
    },
  });

const tools = {
  readCalendar: withCalendar(["calendar.read"])(
    tool({
      description: "Reads the events of the calendar",
      inputSchema: z.object({}),
      execute: () => callCalendar("/calendar/v1/events"),
    }),
  ),
  addEvent: withCalendar(["calendar.read", "calendar.write"])(
    tool({
      description: "Adds an event to the calendar",
      inputSchema: z.object({ title: z.string(), start: z.string(), end: z.string() }),
      execute: (event) =>
        callCalendar("/calendar/v1/events", { method: "POST", body: JSON.stringify(event) }),
    }),
  ),
  readNotes: deviceAI.withDeviceAuthorizationFlow({
    scopes: ["openid", "notes:read"],
    audience: NOTES_AUDIENCE,
  })(
    tool({
      description: "Reads notes for the person who let this device in",
      inputSchema: z.object({}),
      execute: async () => getDeviceAuthorizerCredentials(),
    }),
  ),
  placeOrder: withApproval({})(shopTool("Places an order, once it was approved")),
  placeOrderSoon: withApproval({ requestedExpiry: 1 })(shopTool("Places an order approved within a second")),
  placeOrderOrTell: withApproval({
    onUnauthorized: async (error) => ({ refusedWith: error.code ?? error.error, name: error.name }),
  })(shopTool("Places an order, or tells why not")),
  placeOrderWaiting: withApproval({ onAuthorizationRequest: "block" })(
    shopTool("Waits for the approval, then places an order"),
  ),
  placeOrderNotifying: withApproval({
    async onAuthorizationRequest(request, credentials) {
      process.send({ notice: { id: typeof request.id, interval: request.interval } });
      await credentials.catch(() => undefined);
    },
  })(shopTool("Says that it waits, waits for the approval, then places an order")),
};

const KINDS = {
  AccessDeniedInterrupt,
  AuthorizationPendingInterrupt,
  AuthorizationPollingInterrupt,
  AuthorizationRequestExpiredInterrupt,
  InvalidGrantInterrupt,
  TokenVaultInterrupt,
  UserDoesNotHavePushNotificationsInterrupt,
};

/** What a host sees of an interrupt: its JSON, and the kind that the packages recognise it as. */
function tellInterrupt(interrupt) {
  const kinds = Object.entries(KINDS).filter(([, kind]) => kind.isInterrupt(interrupt));
  return { kinds: kinds.map(([name]) => name), ...JSON.parse(JSON.stringify(interrupt)) };
}

const commands = {
  /** Runs one tool call; the same `toolCallId` again is the same call resumed. */
  async call({ tool: name, toolCallId, input }) {
    try {
      const value = await tools[name].execute(input, { toolCallId, messages: [] });
      // Without `onUnauthorized` the packages return the interrupt as if it were a result.
      if (value instanceof Auth0Interrupt) return { returned: tellInterrupt(value) };
      if (value instanceof Error) return { failed: { name: value.name, error: value.error } };
      return { value };
    } catch (error) {
      if (error instanceof Auth0Interrupt) return { interrupt: tellInterrupt(error) };
      throw error;
    }
  },

  /** One request of a chat page, as the packages' samples serve it; the parts of the stream. */
  async chat({ messages, tool: toolName, input }) {
    const stream = createUIMessageStream({
      originalMessages: messages,
      execute: withInterruptions(
        async ({ writer }) => {
          const result = streamText({
            model: scriptedModel({ toolName, input }),
            messages: convertToModelMessages(messages),
            tools,
            onFinish({ finishReason, content }) {
              const last = content.at(-1);
              if (finishReason !== "tool-calls" || last?.type !== "tool-error") return;
              // The shape that errorSerializer reads.
              throw {
                cause: last.error,
                toolCallId: last.toolCallId,
                toolName: last.toolName,
                toolArgs: last.input,
              };
            },
          });
          writer.merge(result.toUIMessageStream());
        },
        { messages, tools },
      ),
      onError: errorSerializer((error) => `no interrupt: ${error.message}`),
    });
    const parts = [];
    for await (const part of stream) parts.push(part);
    return { parts, messages };
  },
};

// The FGA client asks for its variables as soon as it is made.
serve(process.env.FGA_STORE_ID ? { ...commands, ...require("./fga-commands.cjs") } : commands);
