export { type CheckRequest, check } from "./check.ts";
export type { ConditionEvaluator } from "./condition.ts";
export { FGA_ERROR_NUMBERS, FgaError, type FgaErrorCode } from "./errors.ts";
export type { Evaluation, EvaluationLimits, QueryContext } from "./evaluation.ts";
export { type ExpandLeaf, type ExpandNode, type ExpandRequest, expand } from "./expand.ts";
export type { JsonObject } from "./json.ts";
export { type ListObjectsRequest, listObjects, type ObjectList } from "./list-objects.ts";
export {
  formatUsers,
  type ListUsersRequest,
  listUsers,
  type UserFilter,
  type UserList,
} from "./list-users.ts";
export { createMemoryTuples, type MemoryTuples, type TupleFilter } from "./memory.ts";
export { type Model, parseModel, type RelationDef, type TypeDef } from "./model.ts";
export type { AuthorizationModelJson, ConditionJson } from "./model-json.ts";
export type { ModelLimits } from "./model-rules.ts";
export { overlayTuples } from "./overlay.ts";
export type { ConditionedEdges, Edges, Numbers, TupleReader } from "./reader.ts";
export { formatUser, type ObjectRef, parseObject, parseUser, type UserRef } from "./syntax.ts";
export {
  formatTuple,
  type Tuple,
  type TupleCondition,
  type TupleKey,
  validateTuple,
  validateWrite,
} from "./tuple.ts";
