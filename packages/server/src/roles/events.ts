/** Audit actions of the roles slice. */
export const roleEvents = {
  created: "role.created",
  changed: "role.changed",
  deleted: "role.deleted",
  assigned: "role.assigned",
  metadataChanged: "user.metadata_changed",
} as const;
