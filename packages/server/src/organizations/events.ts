/** Audit actions of the organizations slice. */
export const organizationEvents = {
  created: "organization.created",
  changed: "organization.changed",
  disabled: "organization.disabled",
  enabled: "organization.enabled",
  deleted: "organization.deleted",
  memberAdded: "organization.member_added",
  memberRemoved: "organization.member_removed",
  memberRolesChanged: "organization.member_roles_changed",
  invited: "organization.invited",
  invitationAccepted: "organization.invitation_accepted",
  invitationRevoked: "organization.invitation_revoked",
  connectionsChanged: "organization.connections_changed",
  clientsChanged: "organization.clients_changed",
  domainAdded: "organization.domain_added",
  domainRemoved: "organization.domain_removed",
} as const;
