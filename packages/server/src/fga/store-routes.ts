import type { Assertions } from "./assertions.ts";
import { fgaError } from "./errors.ts";
import { headersOf, json, noContent, readFgaText } from "./http.ts";
import { ID, matching, parseBody, pattern, textOf } from "./message.ts";
import { type Models, modelNotFound } from "./models.ts";
import { type Paging, pageSize, queryInteger, queryText } from "./paging.ts";
import type { Register } from "./routes.ts";
import type { Stores } from "./stores.ts";
import { assertionToWire, newStoreToWire, storeToWire } from "./wire.ts";
import { readAssertions } from "./write-requests.ts";

/** @see openfga/api: `CreateStoreRequest` */
const STORE_NAME = pattern("^[a-zA-Z0-9\\s\\.\\-\\/^_&@]{3,64}$");

/** Stores, their models and the models' assertions. */
export function storeRoutes(
  on: Register,
  deps: { stores: Stores; models: Models; assertions: Assertions; paging: Paging },
): void {
  const { stores, models, assertions, paging } = deps;

  on("POST", "/stores", async (c) => {
    const name = textOf(parseBody(await readFgaText(c)), "name");
    const made = await stores.create(matching(name, STORE_NAME, "CreateStoreRequest.Name"));
    return json(201, newStoreToWire(made), headersOf(made.id));
  });
  on("GET", "/stores", async (c) => {
    const name = queryText(c, "name");
    const list = ["stores", name];
    const size = pageSize(queryInteger(c, "page_size"), "ListStoresRequest");
    const after = paging.placeOf(list, queryText(c, "continuation_token")) ?? "";
    const rows = await stores.list({ after, name, limit: size + 1 });
    const page = paging.pageOf(list, rows, size, (row) => row.id);
    return json(200, { stores: page.items.map(storeToWire), continuation_token: page.token });
  });
  on("GET", "/stores/:store", async (_, store) => {
    const row = await stores.get(matching(store, ID, "GetStoreRequest.StoreId"));
    return json(200, storeToWire(row), headersOf(row.id));
  });
  on("DELETE", "/stores/:store", async (_, store) => {
    const id = matching(store, ID, "DeleteStoreRequest.StoreId");
    await stores.delete(id);
    return noContent(headersOf(id));
  });
  // Declared by OpenFGA's API and not implemented there either.
  on("PATCH", "/stores/:store", () => {
    throw fgaError("unimplemented");
  });

  on("POST", "/stores/:store/authorization-models", async (c, store) => {
    const body = parseBody(await readFgaText(c));
    const storeId = matching(store, ID, "WriteAuthorizationModelRequest.StoreId");
    const id = await models.write(storeId, body);
    return json(201, { authorization_model_id: id }, headersOf(storeId, id));
  });
  on("GET", "/stores/:store/authorization-models", async (c, store) => {
    const storeId = matching(store, ID, "ReadAuthorizationModelsRequest.StoreId");
    const list = ["models", storeId];
    const size = pageSize(queryInteger(c, "page_size"), "ReadAuthorizationModelsRequest");
    const before = paging.placeOf(list, queryText(c, "continuation_token"));
    const rows = await models.list(storeId, before, size + 1);
    const page = paging.pageOf(list, rows, size, (row) => row.id);
    const items = page.items.map((row) => ({ id: row.id, ...row.json }));
    return json(200, { authorization_models: items, continuation_token: page.token }, headersOf(storeId));
  });
  on("GET", "/stores/:store/authorization-models/:model", async (c, store) => {
    const storeId = matching(store, ID, "ReadAuthorizationModelRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "ReadAuthorizationModelRequest.Id");
    const model = await models.find(storeId, id);
    if (!model) throw modelNotFound(id);
    return json(200, { authorization_model: { id, ...model.json } }, headersOf(storeId, id));
  });

  on("PUT", "/stores/:store/assertions/:model", async (c, store) => {
    const body = parseBody(await readFgaText(c));
    const storeId = matching(store, ID, "WriteAssertionsRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "WriteAssertionsRequest.AuthorizationModelId");
    await assertions.write(storeId, id, readAssertions(body));
    return noContent(headersOf(storeId, id));
  });
  on("GET", "/stores/:store/assertions/:model", async (c, store) => {
    const storeId = matching(store, ID, "ReadAssertionsRequest.StoreId");
    const id = matching(c.req.param("model") ?? "", ID, "ReadAssertionsRequest.AuthorizationModelId");
    const stored = await assertions.read(storeId, id);
    const body = { authorization_model_id: id, assertions: stored.map(assertionToWire) };
    return json(200, body, headersOf(storeId, id));
  });
}
