import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAppAuth } from "@behalf/sdk/app";
import { createSqliteStore } from "@behalf/sdk/stores/sqlite";
import { createBehalf } from "@behalf/sdk/vercel";
import { getRequestListener } from "@hono/node-server";
import { createApp } from "./app.ts";
import { loadAssets } from "./assets.ts";
import { createConversations } from "./chat.ts";
import { createChatStore } from "./chat-store.ts";
import { openDatabase } from "./database.ts";
import { createOfflineEmbedder } from "./documents/embeddings.ts";
import { createDocumentSearch } from "./documents/search.ts";
import { createDocumentStore } from "./documents/store.ts";
import { chooseModel } from "./model.ts";
import { rememberPerson } from "./people.ts";
import type { Settings } from "./settings.ts";
import { prepareDocuments, prepareFga, preparePerson } from "./setup.ts";
import { createTools } from "./tools/index.ts";
import { createShop } from "./tools/shop.ts";

export interface RunningAssistant {
  url: string;
  /** What answers: the scripted offline model or the one that was named. */
  model: string;
  documents: number;
  close(): Promise<void>;
}

const CORPUS = fileURLToPath(new URL("../corpus/", import.meta.url));

/**
 * Starts the assistant; resolves when it accepts requests. The issuer and its FGA engine must be running.
 * @throws SettingsError, BehalfError `config.invalid` or `fga.setup_failed`, or the error of the port
 */
export async function startAssistant(settings: Settings): Promise<RunningAssistant> {
  const { issuer, clientId, clientSecret, shopAudience, calendarUrl, calendarConnection } = settings;
  const assets = loadAssets();
  const model = await chooseModel(settings.model);
  const db = openDatabase(settings.dataDir);
  const access = { url: settings.fgaUrl, presharedKey: settings.fgaToken };
  const behalfStore = createSqliteStore({ path: join(settings.dataDir, "behalf.sqlite") });
  const behalf = createBehalf({
    issuer,
    clientId,
    clientSecret,
    store: behalfStore,
    fga: { ...access, ...(await prepareFga(db, access)) },
  });
  const session = createAppAuth({ behalf, appBaseUrl: settings.appUrl, secret: settings.sessionSecret });
  const embedder = createOfflineEmbedder();
  const documents = createDocumentStore(db, embedder);
  const { documents: count } = await prepareDocuments(CORPUS, documents, behalf.fga);
  const store = createChatStore(db, Date.now);
  const shop = createShop({ url: settings.shopUrl });
  const toolDeps = {
    behalf,
    session,
    shop,
    search: createDocumentSearch(documents, embedder, behalf.fga),
    accountChoice: store.accountChoice,
    issuer,
    shopAudience,
    calendarUrl,
    calendarConnection,
  };
  const app = createApp({
    appUrl: settings.appUrl,
    issuer,
    calendarConnection,
    session,
    store,
    conversations: createConversations({ behalf, store, model: model.model, logError }),
    shop,
    model,
    assets,
    tools: (request, person) => createTools(toolDeps, request, person),
    welcome: createWelcome((person) => {
      rememberPerson(db, person, Date.now());
      return preparePerson(person.id, documents, behalf.fga);
    }),
    logError,
  });
  const server = await listen(getRequestListener(app.fetch), settings.port);
  return {
    url: settings.appUrl,
    model: model.label,
    documents: count,
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      behalfStore.close();
      db.close();
    },
  };
}

/** Welcomes each person once in the life of this process; one that failed is tried again. */
function createWelcome<Person extends { id: string }>(welcome: (person: Person) => Promise<void>) {
  const welcomed = new Map<string, Promise<void>>();
  return async (person: Person): Promise<void> => {
    const begun = welcomed.get(person.id) ?? welcome(person);
    welcomed.set(person.id, begun);
    await begun.catch((error: unknown) => {
      welcomed.delete(person.id);
      throw error;
    });
  };
}

function listen(handler: ReturnType<typeof getRequestListener>, port: number): Promise<Server> {
  const server = createServer((request, response) => void handler(request, response));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** One line, without bodies or tokens: messages of errors carry neither. */
function logError(error: unknown): void {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : "an error without a message";
  process.stderr.write(`${JSON.stringify({ level: "error", text })}\n`);
}
