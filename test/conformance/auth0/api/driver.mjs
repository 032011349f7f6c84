// An API as its developer would write it on the published, unmodified `express-oauth2-jwt-bearer`.
import express from "express";
import { auth, requiredScopes } from "express-oauth2-jwt-bearer";
import { serve } from "../serve.mjs";

const { AUTH0_DOMAIN } = process.env;
const common = { issuerBaseURL: `https://${AUTH0_DOMAIN}`, audience: "https://notes.sandbox.example/" };

/** An API of its own for each call: the package keeps the server's keys for a while. */
async function startApi(options) {
  const app = express();
  app.get("/notes", auth({ ...common, ...options }), requiredScopes("notes:read"), (request, response) =>
    response.json({ sub: request.auth.payload.sub }),
  );
  app.use((error, _request, response, _next) =>
    response.status(error.status ?? 500).json({ error: error.code ?? error.message }),
  );
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
  });
  return { server, address: `http://127.0.0.1:${server.address().port}/notes` };
}

let api;

serve({
  /** Starts the API anew; its address. */
  async start({ options }) {
    api?.server.close();
    api = await startApi(options);
    return api.address;
  },
});
