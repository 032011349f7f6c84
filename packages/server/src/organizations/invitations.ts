import { tokenHash } from "../crypto/hash.ts";
import { randomToken } from "../crypto/random.ts";
import { consumeOnce } from "../storage/consume.ts";
import { organizationError } from "./errors.ts";
import { organizationEvents } from "./events.ts";
import type { Invitation, InvitationAnswer, SendMail } from "./index.ts";
import { requireRow, type SliceDeps } from "./manage.ts";
import { requireRoles, type UnknownRoles } from "./members.ts";
import { addMemberRow, addRoleRows, findOrganizationRow, type InvitationRow, tables } from "./store.ts";
import { fromRow, type NewInvitation } from "./wire.ts";

/** Invitations into organizations. */
export interface Invitations {
  /**
   * Makes an invitation and mails it. The address with its token is in this answer and the mail, and kept nowhere.
   * @throws ApiError `organization.unknown`, `organization.reference_unknown`, `organization.limit_reached`
   */
  create(
    organization: string,
    body: NewInvitation,
    inviterId: string | undefined,
  ): Promise<{ row: InvitationRow; address: string }>;
  /** Those that can still be accepted, oldest first. */
  list(organization: string, filter: { after?: string | undefined; limit: number }): Promise<InvitationRow[]>;
  /** @throws ApiError `organization.invitation_unknown` for one that was accepted, too */
  revoke(organization: string, id: string): Promise<void>;
  peek(token: string): Promise<Invitation | undefined>;
  accept(
    token: string,
    user: { id: string; email: string; emailVerified: boolean },
  ): Promise<InvitationAnswer>;
}

/** Open ones of an organization: enough for a company, too few to send mail to a whole town. */
const MAX_OPEN = 1_000;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** The form addresses are compared in, as in accounts. */
const emailKey = (email: string) => email.normalize("NFKC").trim().toLowerCase();
const ADDRESS = /^[^\s@<>"',;:\\()[\]]+@[^\s@<>"',;:\\()[\]]+$/u;

export function createInvitations(
  deps: SliceDeps & { unknownRoles: UnknownRoles; issuer: string; mail: SendMail | undefined },
): Invitations {
  const { storage, audit, clock, ids } = deps;

  async function findOpen(token: string): Promise<InvitationRow | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const row = await tables(storage)
      .selectFrom("organization_invitations")
      .selectAll()
      .where("token_hash", "=", tokenHash(token))
      .executeTakeFirst();
    return row && row.consumed_at === null && row.expires_at > clock.now() ? row : undefined;
  }

  async function peek(token: string): Promise<Invitation | undefined> {
    const row = await findOpen(token);
    const organization = row && (await findOrganizationRow(storage, row.organization_id));
    if (!row || !organization || organization.disabled_at !== null) return undefined;
    return { id: row.id, organization: fromRow(organization), email: row.email, expiresAt: row.expires_at };
  }

  return {
    peek,

    async create(organization, body, inviterId) {
      await requireRoles(deps.unknownRoles, body.roles);
      const key = emailKey(body.email);
      if (!ADDRESS.test(key))
        throw organizationError("organization.reference_unknown", {
          detail: "The e-mail address is malformed.",
        });
      const token = randomToken();
      const path = `/invitations?invitation=${token}`;
      const address = new URL(path, deps.issuer).href;
      const row = await storage.transaction(async (tx) => {
        const owner = await requireRow(tx, organization);
        const open = await tables(tx)
          .selectFrom("organization_invitations")
          .select((eb) => eb.fn.countAll<number>().as("count"))
          .where("organization_id", "=", owner.id)
          .where("consumed_at", "is", null)
          .where("expires_at", ">", clock.now())
          .executeTakeFirstOrThrow();
        if (Number(open.count) >= MAX_OPEN) throw organizationError("organization.limit_reached");
        const made: InvitationRow = {
          id: ids.prefixed("inv"),
          organization_id: owner.id,
          email: body.email.trim(),
          email_key: key,
          token_hash: tokenHash(token),
          roles: JSON.stringify(body.roles),
          inviter_id: inviterId ?? null,
          created_at: clock.now(),
          expires_at: clock.now() + body.ttl_seconds * 1_000,
          consumed_at: null,
          accepted_by: null,
        };
        await tables(tx).insertInto("organization_invitations").values(made).execute();
        await deps.mail?.(tx, {
          to: made.email,
          language: body.language,
          template: "organization_invitation",
          values: { path, organization: owner.display_name },
          expiresAt: made.expires_at,
        });
        await audit.appendIn(tx, {
          action: organizationEvents.invited,
          objectId: owner.id,
          outcome: "done",
          details: { invitation: made.id, roles: body.roles.join(" ") },
        });
        return made;
      });
      return { row, address };
    },

    async list(organization, { after, limit }) {
      const { id } = await requireRow(storage, organization);
      const query = tables(storage)
        .selectFrom("organization_invitations")
        .selectAll()
        .where("organization_id", "=", id)
        .where("consumed_at", "is", null)
        .where("expires_at", ">", clock.now())
        .orderBy("id")
        .limit(limit);
      return (after === undefined ? query : query.where("id", ">", after)).execute();
    },

    revoke: (organization, id) =>
      storage.transaction(async (tx) => {
        const owner = await requireRow(tx, organization);
        const removed = await tables(tx)
          .deleteFrom("organization_invitations")
          .where("id", "=", id)
          .where("organization_id", "=", owner.id)
          .where("consumed_at", "is", null)
          .returning("id")
          .executeTakeFirst();
        if (!removed) throw organizationError("organization.invitation_unknown");
        await audit.appendIn(tx, {
          action: organizationEvents.invitationRevoked,
          objectId: owner.id,
          outcome: "done",
          details: { invitation: id },
        });
      }),

    async accept(token, user) {
      const invitation = await peek(token);
      if (!invitation) return { outcome: "invalid" };
      if (emailKey(user.email) !== emailKey(invitation.email)) return { outcome: "other_address" };
      // Whoever was sent a copy of the link could sign up under the address without reading its mail.
      if (!user.emailVerified) return { outcome: "unproven" };
      const { organization } = invitation;
      return storage.transaction(async (tx): Promise<InvitationAnswer> => {
        const now = clock.now();
        const where = { id: invitation.id };
        const won = await consumeOnce<InvitationRow>(tx, "organization_invitations", where, now);
        const row = won && (await findOrganizationRow(tx, won.organization_id));
        if (!won || !row || row.disabled_at !== null) return { outcome: "invalid" };
        await tables(tx)
          .updateTable("organization_invitations")
          .set({ accepted_by: user.id })
          .where("id", "=", won.id)
          .execute();
        await addMemberRow(tx, row.id, user.id, now);
        // Written by create() from checked names; a role that has gone since then permits nothing.
        await addRoleRows(tx, row.id, user.id, JSON.parse(won.roles) as string[]);
        await audit.appendIn(tx, {
          action: organizationEvents.invitationAccepted,
          userId: user.id,
          objectId: row.id,
          outcome: "done",
          details: { invitation: won.id },
        });
        return { outcome: "joined", organization };
      });
    },
  };
}
