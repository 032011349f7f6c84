/** A tuple on OpenFGA's wire. */
export interface WireTuple {
  readonly user: string;
  readonly relation: string;
  readonly object: string;
  readonly condition?: { readonly name: string; readonly context?: Readonly<Record<string, unknown>> };
}

/** What a server answered: a value, or the number of OpenFGA's error code (2000 for `validation_error`). */
export type Answer<T> = { readonly value: T } | { readonly error: number; readonly message: string };

/** What every query names. */
export interface QueryScope {
  readonly storeId: string;
  readonly modelId: string;
  readonly contextualTuples: readonly WireTuple[];
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export interface CheckQuery extends QueryScope {
  readonly tuple: WireTuple;
}

export interface ListObjectsQuery extends QueryScope {
  readonly user: string;
  readonly relation: string;
  readonly type: string;
}

export interface ListUsersQuery extends QueryScope {
  readonly object: string;
  readonly relation: string;
  readonly filter: { readonly type: string; readonly relation?: string | undefined };
}

/**
 * What OpenFGA's matrices ask of an implementation, in process or over HTTP.
 * Only what concerns the request is an {@link Answer}'s error; a lost connection is thrown.
 */
export interface FgaClient {
  /** @returns id of the new store */
  createStore(name: string): Promise<string>;
  /** @returns id of the new model, given in OpenFGA's JSON */
  writeModel(storeId: string, model: unknown): Promise<Answer<string>>;
  write(storeId: string, modelId: string, tuples: readonly WireTuple[]): Promise<Answer<true>>;
  check(query: CheckQuery): Promise<Answer<boolean>>;
  /** @returns `type:id` each */
  listObjects(query: ListObjectsQuery): Promise<Answer<readonly string[]>>;
  /** The same over the streaming endpoint, where there is one. */
  streamObjects?(query: ListObjectsQuery): Promise<Answer<readonly string[]>>;
  /** @returns `type:id`, `type:*` or `type:id#relation` each */
  listUsers(query: ListUsersQuery): Promise<Answer<readonly string[]>>;
}
