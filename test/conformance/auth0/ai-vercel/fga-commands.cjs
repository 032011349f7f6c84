// A retriever and a guarded tool as their developer would write them on the published packages. The FGA_
// variables of the environment say where relations are asked, and as which client.
"use strict";

const { FGAFilter } = require("@auth0/ai");
const { Auth0AI } = require("@auth0/ai-vercel");
const { tool } = require("ai");
const { z } = require("zod");
const { current } = require("./serve.cjs");

const deleteDocument = new Auth0AI.FGA().withFGA(
  {
    buildQuery: async ({ document }) => ({
      user: `user:${current().userId}`,
      relation: "owner",
      object: `doc:${document}`,
    }),
  },
  tool({
    description: "Deletes a document of which one is the owner",
    inputSchema: z.object({ document: z.string() }),
    execute: async ({ document }) => ({ deleted: document }),
  }),
);

module.exports = {
  /** Those of the documents that a retriever found which the user may see. */
  filter({ documents }) {
    const user = `user:${current().userId}`;
    const buildQuery = ({ id }) => ({ user, relation: "can_view", object: `doc:${id}` });
    return FGAFilter.create({ buildQuery }).filter(documents);
  },

  deleteDocument: (input) => deleteDocument.execute(input, { toolCallId: "call-1", messages: [] }),
};
