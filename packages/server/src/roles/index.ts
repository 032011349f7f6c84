import type { AdminExtension } from "../admin/index.ts";

export { createRoles } from "./create.ts";

/** What a person may be, and what that permits. */
export interface Role {
  readonly name: string;
  readonly description: string;
  /** Audience of an API to scopes of it. */
  readonly permissions: Readonly<Record<string, readonly string[]>>;
  readonly source: "configuration" | "runtime";
}

/** Free facts about a user: `app` is for administrators to write, `user` for the person. */
export interface UserMetadata {
  readonly app: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
}

/** Roles: of the configuration file, and made at run time. */
export interface Roles {
  list(): Promise<readonly Role[]>;
  /** @throws ApiError `role.unknown` */
  get(name: string): Promise<Role>;
  /** @throws ApiError `role.name_taken`, `role.permission_unknown` */
  create(role: Omit<Role, "source">): Promise<Role>;
  /** @throws ApiError `role.unknown`, `role.read_only`, `role.permission_unknown` */
  change(name: string, change: Partial<Omit<Role, "source" | "name">>): Promise<Role>;
  /** With its assignments. @throws ApiError `role.unknown`, `role.read_only` */
  remove(name: string): Promise<void>;
  /** Which of these do not exist. */
  unknown(names: readonly string[]): Promise<readonly string[]>;
  /** Replaces the roles a user has everywhere. @throws ApiError `role.user_unknown`, `role.unknown` */
  assign(userId: string, names: readonly string[]): Promise<readonly string[]>;
  /** Names of a user's roles: those everywhere, and those inside the organization. Unknown ones are left out. */
  rolesOf(userId: string, organizationId: string | undefined): Promise<readonly string[]>;
  /** What a user's roles permit at an API, there and then. */
  permissionsOf(
    userId: string,
    organizationId: string | undefined,
    audience: string,
  ): Promise<ReadonlySet<string>>;
  metadataOf(userId: string): Promise<UserMetadata>;
  /** Replaces members; `null` removes one. @throws ApiError `role.user_unknown` */
  changeMetadata(userId: string, change: Partial<UserMetadata>): Promise<UserMetadata>;
  /** Call before the server accepts requests. @throws ConfigError when a role is in the file and in the database */
  refuseRolesInBoth(): Promise<void>;
  /** Under the administrator's API. */
  readonly adminRoutes: AdminExtension;
}
