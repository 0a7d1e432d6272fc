"""Accounts, persons, real-name proofs, credentials, sessions and officers."""

from __future__ import annotations

from alembic import op

revision = "0003_idp_people"
down_revision = "0002_keys"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE persons (
        person_id text PRIMARY KEY,
        document_type text NOT NULL,
        name bytea NOT NULL,
        document_number bytea NOT NULL,
        document_index bytea NOT NULL CONSTRAINT uq_persons_document_index UNIQUE,
        holder_index bytea NOT NULL,
        level text NOT NULL,
        level_until timestamptz NULL,
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_persons_holder_index ON persons (holder_index)",
    "CREATE INDEX ix_persons_level_until ON persons (level_until) WHERE level_until IS NOT NULL",
    """
    CREATE TABLE accounts (
        account_id text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('person', 'officer', 'operator')),
        state text NOT NULL CHECK (state IN ('active', 'suspended', 'closed')),
        username text NOT NULL CONSTRAINT uq_accounts_username UNIQUE,
        mobile bytea NULL,
        mobile_index bytea NULL,
        mobile_verified_at timestamptz NULL,
        password_hash text NULL,
        password_changed_at timestamptz NULL,
        person_id text NULL REFERENCES persons,
        origin text NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        last_sign_in_at timestamptz NULL
    )
    """,
    "CREATE UNIQUE INDEX uq_accounts_origin ON accounts (origin) WHERE origin IS NOT NULL",
    "CREATE INDEX ix_accounts_person_id ON accounts (person_id) WHERE person_id IS NOT NULL",
    # A mobile belongs to one account, but only once it is proven: typing a number in claims nothing.
    """
    CREATE UNIQUE INDEX uq_accounts_mobile_index ON accounts (mobile_index)
    WHERE mobile_verified_at IS NOT NULL AND state <> 'closed'
    """,
    """
    CREATE TABLE real_name_proofs (
        evidence_id text PRIMARY KEY,
        account_id text NULL REFERENCES accounts,
        person_id text NULL REFERENCES persons,
        method text NOT NULL,
        outcome text NULL CHECK (
            outcome IN ('match', 'mismatch', 'not_found', 'locked', 'unavailable', 'pending')
        ),
        authority text NULL,
        transaction_id text NULL,
        elements bytea NOT NULL,
        findings bytea NULL,
        channel text NOT NULL,
        started_at timestamptz NOT NULL,
        verified_at timestamptz NULL,
        expires_at timestamptz NULL,
        withdrawn_at timestamptz NULL,
        withdrawal_reason text NULL,
        CONSTRAINT ck_real_name_proofs_match CHECK (
            outcome IS DISTINCT FROM 'match' OR (verified_at IS NOT NULL AND expires_at IS NOT NULL)
        )
    )
    """,
    "CREATE INDEX ix_real_name_proofs_person_id ON real_name_proofs (person_id) WHERE person_id IS NOT NULL",
    "CREATE INDEX ix_real_name_proofs_account_id ON real_name_proofs (account_id, started_at)",
    """
    CREATE TABLE authority_counters (
        counter_index bytea PRIMARY KEY,
        day date NOT NULL,
        requests integer NOT NULL,
        wrong_in_row integer NOT NULL,
        last_request_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE person_conflicts (
        conflict_id text PRIMARY KEY,
        kind text NOT NULL,
        account_id text NULL REFERENCES accounts,
        person_id text NULL REFERENCES persons,
        evidence_id text NOT NULL REFERENCES real_name_proofs,
        found_at timestamptz NOT NULL,
        resolved_at timestamptz NULL,
        resolved_by text NULL,
        resolution text NULL
    )
    """,
    """
    CREATE TABLE devices (
        device_id text PRIMARY KEY,
        account_id text NOT NULL REFERENCES accounts,
        secret_hash bytea NOT NULL,
        label text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        forgotten_at timestamptz NULL
    )
    """,
    "CREATE UNIQUE INDEX uq_devices_account_secret ON devices (account_id, secret_hash)",
    """
    CREATE TABLE sessions (
        session_id text PRIMARY KEY,
        account_id text NOT NULL REFERENCES accounts,
        secret_hash bytea NOT NULL CONSTRAINT uq_sessions_secret_hash UNIQUE,
        state text NOT NULL CHECK (state IN ('pending', 'open')),
        amr text[] NOT NULL,
        channel text NOT NULL,
        device_id text NULL REFERENCES devices,
        acting_for text NULL,
        acting_for_code text NULL,
        auth_time timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ended_at timestamptz NULL,
        end_reason text NULL
    )
    """,
    "CREATE INDEX ix_sessions_account_id ON sessions (account_id) WHERE ended_at IS NULL",
    "CREATE INDEX ix_sessions_expires_at ON sessions (expires_at)",
    """
    CREATE TABLE sign_in_attempts (
        attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id text NULL,
        attempted_at timestamptz NOT NULL,
        method text NOT NULL,
        succeeded boolean NOT NULL,
        channel text NOT NULL,
        source bytea NOT NULL,
        device_id text NULL,
        new_device boolean NOT NULL
    )
    """,
    "CREATE INDEX ix_sign_in_attempts_account ON sign_in_attempts (account_id, attempted_at)",
    """
    CREATE TABLE totp_secrets (
        account_id text PRIMARY KEY REFERENCES accounts,
        secret bytea NULL,
        last_step bigint NOT NULL,
        confirmed_at timestamptz NULL,
        candidate bytea NULL,
        candidate_at timestamptz NULL
    )
    """,
    """
    CREATE TABLE recovery_codes (
        account_id text NOT NULL REFERENCES accounts,
        code_index bytea NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz NULL,
        PRIMARY KEY (account_id, code_index)
    )
    """,
    """
    CREATE TABLE officers (
        officer_id text PRIMARY KEY,
        account_id text NOT NULL CONSTRAINT uq_officers_account_id UNIQUE REFERENCES accounts,
        name bytea NOT NULL,
        organisation_code text NOT NULL,
        district_code text NOT NULL,
        post text NOT NULL,
        document_index bytea NULL,
        appointed_at timestamptz NOT NULL,
        ended_at timestamptz NULL
    )
    """,
    """
    CREATE TABLE officer_authorities (
        grant_id text PRIMARY KEY,
        officer_id text NOT NULL REFERENCES officers,
        authority text NOT NULL,
        district_code text NOT NULL,
        matter_code text NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_until timestamptz NOT NULL CHECK (valid_until > valid_from),
        granted_by text NOT NULL,
        granting_organisation text NULL,
        approved_by text NULL,
        approved_at timestamptz NULL,
        revoked_at timestamptz NULL,
        revoked_by text NULL
    )
    """,
    "CREATE INDEX ix_officer_authorities_officer_id ON officer_authorities (officer_id)",
    """
    CREATE TABLE workstations (
        workstation_id text PRIMARY KEY,
        organisation_code text NOT NULL,
        district_code text NOT NULL,
        name text NOT NULL,
        registered_at timestamptz NOT NULL,
        registered_by text NOT NULL,
        retired_at timestamptz NULL
    )
    """,
    """
    CREATE TABLE presence_codes (
        code_index bytea PRIMARY KEY,
        account_id text NOT NULL REFERENCES accounts,
        expires_at timestamptz NOT NULL,
        used_at timestamptz NULL
    )
    """,
    """
    CREATE TABLE counter_checks (
        check_id text PRIMARY KEY,
        evidence_id text NOT NULL CONSTRAINT uq_counter_checks_evidence_id UNIQUE REFERENCES real_name_proofs,
        workstation_id text NOT NULL REFERENCES workstations,
        officer_id text NOT NULL REFERENCES officers,
        account_id text NULL REFERENCES accounts,
        document_type text NOT NULL,
        evidence_seen text[] NOT NULL,
        presence_kind text NOT NULL,
        presence_reference text NOT NULL,
        state text NOT NULL CHECK (state IN ('awaiting', 'confirmed', 'refused', 'closed')),
        examined_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        second_officer_id text NULL REFERENCES officers,
        decided_at timestamptz NULL,
        CONSTRAINT ck_counter_checks_two_people CHECK (second_officer_id IS DISTINCT FROM officer_id)
    )
    """,
    "CREATE INDEX ix_counter_checks_awaiting ON counter_checks (workstation_id) WHERE state = 'awaiting'",
    """
    CREATE TABLE mandates (
        mandate_id text PRIMARY KEY,
        principal_kind text NOT NULL CHECK (principal_kind IN ('person', 'enterprise')),
        principal_id text NOT NULL,
        agent_person_id text NULL REFERENCES persons,
        agent_document_index bytea NULL,
        matters text[] NOT NULL,
        licence_types text[] NOT NULL,
        fields text[] NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_until timestamptz NOT NULL CHECK (valid_until > valid_from),
        uses_allowed integer NULL,
        uses integer NOT NULL CHECK (uses_allowed IS NULL OR uses <= uses_allowed),
        may_delegate boolean NOT NULL,
        parent_id text NULL REFERENCES mandates,
        state text NOT NULL CHECK (state IN ('awaiting_officer', 'proposed', 'active', 'declined', 'revoked')),
        awaits text NOT NULL,
        proposed_by text NOT NULL,
        proposed_at timestamptz NOT NULL,
        accepted_at timestamptz NULL,
        ended_at timestamptz NULL,
        ended_by text NULL,
        end_reason text NULL,
        channel text NOT NULL,
        code_index bytea NULL CONSTRAINT uq_mandates_code_index UNIQUE,
        check_id text NULL REFERENCES counter_checks,
        officer_id text NULL REFERENCES officers,
        CONSTRAINT ck_mandates_active CHECK (state <> 'active' OR agent_person_id IS NOT NULL)
    )
    """,
    "CREATE INDEX ix_mandates_principal ON mandates (principal_kind, principal_id)",
    "CREATE INDEX ix_mandates_agent_person_id ON mandates (agent_person_id)",
    "CREATE INDEX ix_mandates_parent_id ON mandates (parent_id) WHERE parent_id IS NOT NULL",
    """
    CREATE TABLE mandate_uses (
        use_id text PRIMARY KEY,
        mandate_id text NOT NULL REFERENCES mandates,
        used_at timestamptz NOT NULL,
        principal_kind text NOT NULL,
        principal_id text NOT NULL,
        agent_person_id text NOT NULL,
        actor text NOT NULL,
        matter_code text NOT NULL,
        licence_type text NOT NULL,
        fields text[] NOT NULL,
        reference text NOT NULL,
        channel text NOT NULL
    )
    """,
    "CREATE INDEX ix_mandate_uses_mandate_id ON mandate_uses (mandate_id, used_at)",
    "CREATE INDEX ix_mandate_uses_principal ON mandate_uses (principal_kind, principal_id, used_at)",
    """
    CREATE TABLE legal_persons (
        legal_person_id text PRIMARY KEY,
        credit_code text NOT NULL CONSTRAINT uq_legal_persons_credit_code UNIQUE,
        name text NOT NULL,
        transaction_id text NOT NULL,
        verified_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE legal_person_agencies (
        agency_id text PRIMARY KEY,
        legal_person_id text NOT NULL REFERENCES legal_persons,
        person_id text NOT NULL REFERENCES persons,
        role text NOT NULL CHECK (role IN ('representative', 'administrator', 'agent')),
        state text NOT NULL CHECK (state IN ('proposed', 'active', 'ended')),
        matters text[] NOT NULL,
        valid_until timestamptz NULL,
        proposed_by text NOT NULL,
        proposed_at timestamptz NOT NULL,
        accepted_at timestamptz NULL,
        ended_at timestamptz NULL,
        ended_by text NULL
    )
    """,
    """
    CREATE UNIQUE INDEX uq_legal_person_agencies_person ON legal_person_agencies (legal_person_id, person_id)
    WHERE state <> 'ended'
    """,
    "CREATE INDEX ix_legal_person_agencies_person_id ON legal_person_agencies (person_id)",
    """
    CREATE TABLE mobile_codes (
        code_id text PRIMARY KEY,
        purpose text NOT NULL CHECK (purpose IN ('verify', 'sign_in', 'recover')),
        mobile bytea NOT NULL,
        code bytea NOT NULL,
        account_id text NULL REFERENCES accounts,
        attempts integer NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_mobile_codes_expires_at ON mobile_codes (expires_at)",
    """
    CREATE TABLE passkeys (
        credential_id bytea PRIMARY KEY,
        account_id text NOT NULL REFERENCES accounts,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        backed_up boolean NOT NULL,
        label text NOT NULL,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_passkeys_account_id ON passkeys (account_id)",
    """
    CREATE TABLE account_merges (
        merge_id text PRIMARY KEY,
        primary_id text NOT NULL REFERENCES accounts,
        secondary_id text NOT NULL REFERENCES accounts,
        person_id text NOT NULL REFERENCES persons,
        merged_at timestamptz NOT NULL,
        undone_at timestamptz NULL,
        undone_by text NULL,
        CONSTRAINT ck_account_merges_two_accounts CHECK (primary_id <> secondary_id)
    )
    """,
    # An account is merged into one other at a time.
    """
    CREATE UNIQUE INDEX uq_account_merges_secondary_id ON account_merges (secondary_id)
    WHERE undone_at IS NULL
    """,
    "CREATE INDEX ix_account_merges_primary_id ON account_merges (primary_id) WHERE undone_at IS NULL",
    """
    CREATE TABLE account_imports (
        import_id text PRIMARY KEY,
        system text NOT NULL,
        file_sha256 bytea NOT NULL,
        rows bigint NOT NULL,
        inserted bigint NOT NULL,
        unchanged bigint NOT NULL,
        rejected bigint NOT NULL,
        rejects_bytes bigint NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz NULL,
        CONSTRAINT uq_account_imports_file UNIQUE (system, file_sha256)
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
