import { randomBytes } from "../crypto/random.ts";
import { httpError } from "../http/errors.ts";
import { createIds } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import { secret } from "../lib/secret.ts";
import type { RequireToken } from "../oauth/index.ts";
import type { Storage } from "../storage/index.ts";
import { openTestStorage } from "../storage/testing.ts";
import { createFga } from "./index.ts";
import type { ResidentLimits } from "./resident.ts";

export const ISSUER = "http://localhost:4000/";
export const KEY = "preshared-key-of-the-tests";
export const OTHER_KEY = "preshared-key-before-rotation";
/** What {@link requireTestToken} takes for a client's own token and for one that stands for a user. */
export const CLIENT_TOKEN = "client-token";
export const USER_TOKEN = "user-token";

/** Folders with documents: direct, inherited and public access, and one exclusion. */
export const MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "group",
      relations: { member: { this: {} } },
      metadata: { relations: { member: { directly_related_user_types: [{ type: "user" }] } } },
    },
    {
      type: "folder",
      relations: { viewer: { this: {} } },
      metadata: {
        relations: {
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "group", relation: "member" }] },
        },
      },
    },
    {
      type: "document",
      relations: {
        parent: { this: {} },
        blocked: { this: {} },
        viewer: {
          union: {
            child: [
              { this: {} },
              {
                tupleToUserset: { tupleset: { relation: "parent" }, computedUserset: { relation: "viewer" } },
              },
            ],
          },
        },
        reader: {
          difference: {
            base: { computedUserset: { relation: "viewer" } },
            subtract: { computedUserset: { relation: "blocked" } },
          },
        },
      },
      metadata: {
        relations: {
          parent: { directly_related_user_types: [{ type: "folder" }] },
          blocked: { directly_related_user_types: [{ type: "user" }] },
          viewer: { directly_related_user_types: [{ type: "user" }, { type: "user", wildcard: {} }] },
        },
      },
    },
  ],
};

/** One relation that counts under a condition only. */
export const CONDITIONAL_MODEL = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "document",
      relations: { viewer: { this: {} } },
      metadata: {
        relations: {
          viewer: {
            directly_related_user_types: [{ type: "user" }, { type: "user", condition: "in_office" }],
          },
        },
      },
    },
  ],
  conditions: {
    in_office: {
      name: "in_office",
      expression: "place == 'office'",
      parameters: { place: { type_name: "TYPE_NAME_STRING" } },
    },
  },
};

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a JSON document that tests read member by member
  readonly body: any;
}

/** Takes two tokens by name, as the real verifier takes those that it signed. */
export const requireTestToken: RequireToken = async (request, { audience }) => {
  const token = request.headers.get("authorization")?.slice("Bearer ".length);
  if (audience !== `${ISSUER}fga/` || (token !== CLIENT_TOKEN && token !== USER_TOKEN))
    throw httpError("auth.token_invalid", { reason: "unknown" });
  const userId = token === USER_TOKEN ? "usr_1" : undefined;
  return { subject: userId ?? "agent", clientId: "agent", scopes: new Set(), audience, userId, jti: "1" };
};

/** The FGA API of one process over `storage`. */
export function createTestFga(storage: Storage, options: { limits?: Partial<ResidentLimits> } = {}) {
  /** `step`: milliseconds that pass at each look at the clock. */
  const time = { now: Date.UTC(2026, 0, 1), step: 0 };
  const clock = {
    now: () => {
      time.now += time.step;
      return time.now;
    },
  };
  const log: string[] = [];
  const { routes, handler } = createFga({
    storage,
    clock,
    ids: createIds({ clock, random: randomBytes }),
    log: createLog({ write: (line) => void log.push(line), clock, level: "info" }),
    presharedKeys: [secret(OTHER_KEY), secret(KEY)],
    requireToken: requireTestToken,
    issuer: ISSUER,
    cursorKey: Buffer.alloc(32, 1),
    ...options,
  });

  /** Calls the API with the preshared key unless another `Authorization` (or none) is given; text goes as it is. */
  async function call(
    method: string,
    path: string,
    body?: unknown,
    authorization: string | null = `Bearer ${KEY}`,
  ): Promise<TestAnswer> {
    const response = await routes.request(path, {
      method,
      headers: authorization === null ? {} : { authorization },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const lines = text.split("\n").filter((line) => line !== "");
    const isOne = lines.length <= 1;
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : isOne ? JSON.parse(text) : lines.map((line) => JSON.parse(line)),
    };
  }

  /** A store with a model, and shorthands for its endpoints. */
  async function store(model: unknown = MODEL) {
    const created = await call("POST", "/stores", { name: "test" });
    return openStore(created.body.id, model);
  }

  async function openStore(id: string, model?: unknown) {
    const at = (endpoint: string, body?: unknown) => call("POST", `/stores/${id}/${endpoint}`, body);
    const modelId: string =
      model === undefined ? "" : (await at("authorization-models", model)).body.authorization_model_id;
    return {
      id,
      modelId,
      at,
      get: (endpoint: string) => call("GET", `/stores/${id}/${endpoint}`),
      write: (...tuples: string[]) => at("write", { writes: { tuple_keys: tuples.map(tuple) } }),
      remove: (...tuples: string[]) => at("write", { deletes: { tuple_keys: tuples.map(tuple) } }),
      allowed: async (text: string, more: object = {}): Promise<boolean> =>
        (await at("check", { tuple_key: tuple(text), ...more })).body.allowed,
    };
  }

  return { call, store, openStore, time, log, handler };
}

export type TestFga = ReturnType<typeof createTestFga>;

/** The same over a new database, with the database. */
export async function openTestFga(open?: () => Promise<Storage>) {
  const storage = await openTestStorage(open);
  return { ...createTestFga(storage), storage, close: () => storage.close() };
}

/** `document:1#viewer@user:anne` as a tuple key. */
export function tuple(text: string) {
  const [object = "", rest = ""] = splitOnce(text, "#");
  const [relation = "", user = ""] = splitOnce(rest, "@");
  return { user, relation, object };
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
