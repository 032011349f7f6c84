/** Tables of the audit slice. */
export interface AuditTables {
  audit_events: {
    seq: number;
    hash: string;
    occurred_at: number;
    action: string;
    user_id: string | null;
    client_id: string | null;
    request_id: string | null;
    event: string;
  };
  audit_head: { id: number; seq: number; hash: string };
}
