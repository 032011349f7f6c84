import { FGA_ERROR_NUMBERS } from "@behalf/fga";
import type { Answer, FgaClient, QueryScope, WireTuple } from "./client.ts";

/** A user in an answer of list-users: exactly one member is set. */
type WireUser =
  | { readonly object: { readonly type: string; readonly id: string } }
  | { readonly userset: { readonly type: string; readonly id: string; readonly relation: string } }
  | { readonly wildcard: { readonly type: string } };

/** OpenFGA's HTTP API as the matrices use it; `url` without slash at the end, `token` is a preshared key. */
export function createHttpClient(url: string, token: string): FgaClient {
  async function send(method: string, path: string, body: unknown): Promise<Answer<string>> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.ok) return { value: text };
    const { code, message }: { code: string; message: string } = JSON.parse(text);
    const number = Object.entries(FGA_ERROR_NUMBERS).find(([name]) => name === code)?.[1];
    if (number === undefined) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return { error: number, message };
  }

  async function call<Wire, T>(path: string, body: unknown, read: (wire: Wire) => T): Promise<Answer<T>> {
    const answer = await send("POST", path, body);
    return "value" in answer ? { value: read(JSON.parse(answer.value)) } : answer;
  }

  return {
    async createStore(name) {
      const allowed = name.replace(/[^a-zA-Z0-9_-]/g, "-").slice(0, 64);
      const answer = await call("/stores", { name: allowed.padEnd(3, "-") }, ({ id }: { id: string }) => id);
      if ("value" in answer) return answer.value;
      throw new Error(`no store: ${answer.message}`);
    },
    writeModel: (storeId, model) =>
      call(
        `/stores/${storeId}/authorization-models`,
        model,
        (wire: { authorization_model_id: string }) => wire.authorization_model_id,
      ),
    write: (storeId, modelId, tuples) =>
      call(
        `/stores/${storeId}/write`,
        { authorization_model_id: modelId, writes: { tuple_keys: tuples } },
        () => true as const,
      ),
    check: ({ tuple, ...scope }) =>
      call(
        `/stores/${scope.storeId}/check`,
        { ...scopeOf(scope), tuple_key: tuple },
        (wire: { allowed: boolean }) => wire.allowed,
      ),
    listObjects: ({ user, relation, type, ...scope }) =>
      call(
        `/stores/${scope.storeId}/list-objects`,
        { ...scopeOf(scope), user, relation, type },
        (wire: { objects: string[] }) => wire.objects,
      ),
    async streamObjects({ user, relation, type, ...scope }) {
      const path = `/stores/${scope.storeId}/streamed-list-objects`;
      const answer = await send("POST", path, { ...scopeOf(scope), user, relation, type });
      if (!("value" in answer)) return answer;
      const lines = answer.value.split("\n").filter((line) => line !== "");
      return { value: lines.map((line) => JSON.parse(line).result.object) };
    },
    listUsers: ({ object, relation, filter, ...scope }) => {
      const [type, id] = split(object);
      const body = {
        ...scopeOf(scope),
        contextual_tuples: scope.contextualTuples,
        object: { type, id },
        relation,
        user_filters: [filter],
      };
      return call(`/stores/${scope.storeId}/list-users`, body, (wire: { users: WireUser[] }) =>
        wire.users.map(formatUser),
      );
    },
  };
}

function scopeOf({ modelId, contextualTuples, context }: QueryScope): {
  authorization_model_id: string;
  contextual_tuples: { tuple_keys: readonly WireTuple[] };
  context: unknown;
} {
  return { authorization_model_id: modelId, contextual_tuples: { tuple_keys: contextualTuples }, context };
}

function split(object: string): [type: string, id: string] {
  const colon = object.indexOf(":");
  return [object.slice(0, Math.max(colon, 0)), object.slice(colon + 1)];
}

function formatUser(user: WireUser): string {
  if ("object" in user) return `${user.object.type}:${user.object.id}`;
  if ("userset" in user) return `${user.userset.type}:${user.userset.id}#${user.userset.relation}`;
  return `${user.wildcard.type}:*`;
}
