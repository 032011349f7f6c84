import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { BehalfError, type FgaClient } from "@behalf/sdk";
import { readSetting, writeSetting } from "./database.ts";
import { leaveStatement, readCorpus } from "./documents/corpus.ts";
import { DOCUMENT_MODEL, grantAccess, withdrawAccess } from "./documents/permissions.ts";
import type { DocumentStore } from "./documents/store.ts";

const STORE_NAME = "assistant-documents";
const TIMEOUT_MS = 10_000;

interface FgaAccess {
  url: string;
  presharedKey: string;
}

/**
 * The FGA store and model of the documents; made when they are missing, for instance at the first start or
 * after the engine lost its data.
 * @throws BehalfError `fga.setup_failed` saying what the engine answered
 */
export async function prepareFga(
  db: DatabaseSync,
  access: FgaAccess,
): Promise<{ storeId: string; modelId: string }> {
  const storeId = (await knownStore(db, access)) ?? (await createStore(db, access));
  const digest = createHash("sha256").update(JSON.stringify(DOCUMENT_MODEL)).digest("base64url");
  const known = readSetting(db, `fga-model:${storeId}:${digest}`);
  if (known) return { storeId, modelId: known };
  const body = await send(access, "POST", `/stores/${storeId}/authorization-models`, DOCUMENT_MODEL);
  const modelId = String(body?.["authorization_model_id"]);
  writeSetting(db, `fga-model:${storeId}:${digest}`, modelId);
  return { storeId, modelId };
}

async function knownStore(db: DatabaseSync, access: FgaAccess): Promise<string | undefined> {
  const id = readSetting(db, "fga-store");
  if (!id) return undefined;
  return (await send(access, "GET", `/stores/${id}`)) ? id : undefined;
}

async function createStore(db: DatabaseSync, access: FgaAccess): Promise<string> {
  const body = await send(access, "POST", "/stores", { name: STORE_NAME });
  const id = String(body?.["id"]);
  writeSetting(db, "fga-store", id);
  return id;
}

/** Undefined when there is no such thing. */
async function send(
  { url, presharedKey }: FgaAccess,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<Record<string, unknown> | undefined> {
  const response = await fetch(url.replace(/\/+$/, "") + path, {
    method,
    headers: { authorization: `Bearer ${presharedKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new BehalfError("fga.setup_failed", `The FGA engine at ${url} cannot be reached.`, {
      retryable: true,
      cause,
    });
  });
  if (response.status === 404 && method === "GET") return undefined;
  if (response.ok) return (await response.json()) as Record<string, unknown>; // the OpenFGA API answers with objects
  const said = (await response.text()).slice(0, 300);
  const message = `The FGA engine refused ${method} ${path} with status ${response.status}: ${said}`;
  throw new BehalfError("fga.setup_failed", message);
}

/** Brings the shared documents and who may read them up to date with the files. Safe to call again. */
export async function prepareDocuments(
  folder: string,
  store: DocumentStore,
  fga: FgaClient,
): Promise<{ documents: number }> {
  const documents = readCorpus(folder);
  for (const document of documents) {
    await grantAccess(fga, document);
    await store.put(document);
  }
  for (const id of store.dropSharedExcept(new Set(documents.map(({ id }) => id))))
    await withdrawAccess(fga, id);
  return { documents: documents.length };
}

/** Gives a person the papers that are theirs alone. Safe to call again. */
export async function preparePerson(userId: string, store: DocumentStore, fga: FgaClient): Promise<void> {
  const statement = leaveStatement(userId);
  await store.put(statement);
  await grantAccess(fga, statement);
}
