// A language model without a model: it calls one tool when the person has spoken, and repeats what the tool
// said. Enough to run a host's whole loop offline.
"use strict";

/** A model of the AI SDK's provider interface, version 2. */
function scriptedModel({ toolName, input }) {
  return {
    specificationVersion: "v2",
    provider: "scripted",
    modelId: "scripted",
    supportedUrls: {},
    doGenerate() {
      throw new Error("this model streams only");
    },
    async doStream({ prompt }) {
      const last = prompt.at(-1);
      const parts = last.role === "tool" ? speak(last) : callTool(toolName, input);
      return { stream: ReadableStream.from([{ type: "stream-start", warnings: [] }, ...parts]) };
    },
  };
}

const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 };

function callTool(toolName, input) {
  const call = { type: "tool-call", toolCallId: "call_1", toolName, input: JSON.stringify(input) };
  return [call, { type: "finish", finishReason: "tool-calls", usage }];
}

function speak(message) {
  const delta = JSON.stringify(message.content.map((part) => part.output.value));
  return [
    { type: "text-start", id: "1" },
    { type: "text-delta", id: "1", delta },
    { type: "text-end", id: "1" },
    { type: "finish", finishReason: "stop", usage },
  ];
}

module.exports = { scriptedModel };
