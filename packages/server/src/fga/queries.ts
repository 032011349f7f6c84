import {
  type CheckRequest,
  check,
  type Evaluation,
  type ExpandNode,
  type ExpandRequest,
  expand,
  type ListObjectsRequest,
  type ListUsersRequest,
  listObjects,
  listUsers,
  type UserRef,
} from "@behalf/fga";
import type { Clock } from "../lib/clock.ts";
import { wireErrorOf } from "./errors.ts";
import { type Models, modelNotFound, noModels, type StoredModel } from "./models.ts";
import type { Consistency, ResidentStore, Residents } from "./resident.ts";

/** What every query names. */
export interface QueryTarget {
  readonly storeId: string;
  /** `""` for the store's latest. */
  readonly modelId: string;
  readonly consistency: Consistency;
}

/** A store and a model at one moment: everything asked of it without waiting sees the same tuples. */
export interface Snapshot {
  readonly modelId: string;
  check(request: CheckRequest): boolean;
  listObjects(request: ListObjectsRequest): string[];
  listUsers(request: ListUsersRequest): UserRef[];
  expand(request: ExpandRequest): ExpandNode;
}

/** Answers queries. */
export interface Queries {
  /**
   * The snapshot to ask; at once if it is in memory. Ask it before anything else is awaited.
   * @throws FgaApiError `authorization_model_not_found`, `latest_authorization_model_not_found`
   */
  snapshot(target: QueryTarget): Snapshot | Promise<Snapshot>;
}

/** One check of a batch: an answer or what went wrong with it alone. */
export type BatchResult =
  | { readonly allowed: boolean }
  | { readonly error: { readonly message: string } & Readonly<Record<string, string>> };

/** OpenFGA's `requestTimeout`, `listObjectsDeadline` and `listUsersDeadline`. */
const DEADLINE_MS = 3_000;

export function createQueries(deps: { clock: Clock; models: Models; residents: Residents }): Queries {
  const { clock, models, residents } = deps;

  function toSnapshot({ tuples }: ResidentStore, { id, model }: StoredModel): Snapshot {
    const end = clock.now() + DEADLINE_MS;
    const evaluation: Evaluation = { model, tuples, limits: { isOver: () => clock.now() >= end } };
    return {
      modelId: id,
      check: (request) => check(evaluation, request),
      listObjects: (request) => listObjects(evaluation, request).objects,
      listUsers: (request) => listUsers(evaluation, request).users,
      expand: (request) => expand(evaluation, request),
    };
  }

  async function openSnapshot(target: QueryTarget): Promise<Snapshot> {
    const store = await residents.open(target.storeId, target.consistency);
    const id = target.modelId || store?.latestModelId;
    if (!id) throw noModels(target.storeId);
    const model = store && (models.cached(store.id, id) ?? (await models.find(store.id, id)));
    if (!model) throw modelNotFound(id);
    return toSnapshot(store, { id, model });
  }

  return {
    snapshot(target) {
      const store = residents.ready(target.storeId, target.consistency);
      const id = target.modelId || store?.latestModelId;
      const model = store && id ? models.cached(target.storeId, id) : undefined;
      return store && id && model ? toSnapshot(store, { id, model }) : openSnapshot(target);
    },
  };
}

/** Runs one check of a batch, keeping its error to itself. @throws what is a fault of ours */
export function checkOne(snapshot: Snapshot, request: CheckRequest): BatchResult {
  try {
    return { allowed: snapshot.check(request) };
  } catch (error) {
    const wire = wireErrorOf(error);
    if (!wire) throw error;
    const kind = wire.status >= 500 ? "internal_error" : "input_error";
    return { error: { [kind]: wire.code, message: wire.message } };
  }
}
