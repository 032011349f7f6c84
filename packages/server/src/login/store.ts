/** Tables of the login slice. */
export interface LoginTables {
  /** Algorithm and cost of passwords that were hashed elsewhere. */
  imported_password_forms: { form: string };
  users: {
    id: string;
    email: string;
    email_key: string;
    email_verified: number;
    name: string | null;
    picture: string | null;
    locale: string | null;
    password_hash: string | null;
    role: string;
    disabled_at: number | null;
    created_at: number;
    updated_at: number;
  };
  login_failures: {
    /** An address, or what else is guessed at: `totp:<user>`. */
    email_key: string;
    failures: number;
    locked_until: number | null;
    last_failed_at: number;
  };
  sessions: {
    id_hash: string;
    public_id: string;
    user_id: string;
    created_at: number;
    last_seen_at: number;
    authenticated_at: number;
    expires_at: number;
    amr: string;
    /** JSON: names of methods. */
    methods: string;
    user_agent: string | null;
    renewed_at: number | null;
  };
  login_codes: {
    binding_hash: string;
    purpose: string;
    code_hash: string;
    link_hash: string;
    payload: string;
    tries: number;
    created_at: number;
    expires_at: number;
    consumed_at: number | null;
  };
  password_resets: {
    token_hash: string;
    user_id: string;
    password_mark: string;
    request: string;
    created_at: number;
    expires_at: number;
    consumed_at: number | null;
  };
  user_phones: {
    user_id: string;
    phone: string;
    second_factor: number;
    confirmed_at: number;
  };
  login_flows: {
    id_hash: string;
    browser_hash: string;
    request: string;
    identifier: string;
    user_id: string | null;
    amr: string;
    methods: string;
    proven_at: number | null;
    created_at: number;
    expires_at: number;
  };
  totp_factors: {
    id: string;
    user_id: string;
    data_key: Uint8Array;
    sealed_secret: Uint8Array;
    last_step: number;
    created_at: number;
    confirmed_at: number | null;
  };
  recovery_codes: {
    user_id: string;
    code_hash: string;
    created_at: number;
    consumed_at: number | null;
  };
}
