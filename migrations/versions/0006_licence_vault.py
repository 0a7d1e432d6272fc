"""Types, licences, versions, states and access receipts."""

from __future__ import annotations

from alembic import op

revision = "0006_licence_vault"
down_revision = "0005_signing"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE licence_types (
        type_code text NOT NULL CHECK (type_code ~ '^[0-9A-Z]{18}[0-9]{3}$'),
        version integer NOT NULL CHECK (version > 0),
        definition json NOT NULL,
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        published_at timestamptz NOT NULL,
        published_by text NOT NULL,
        PRIMARY KEY (type_code, version)
    )
    """,
    """
    CREATE TABLE licence_serials (
        type_code text NOT NULL,
        issuer_code text NOT NULL,
        year integer NOT NULL,
        last integer NOT NULL,
        PRIMARY KEY (type_code, issuer_code, year)
    )
    """,
    """
    CREATE TABLE licence_status_lists (
        status_list integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        issuer_code text NOT NULL,
        epoch text NOT NULL,
        capacity integer NOT NULL CHECK (capacity > 0),
        allocated integer NOT NULL CHECK (allocated BETWEEN 0 AND capacity),
        seed bytea NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    # At most one list of an issuer and epoch takes new licences at a time.
    """
    CREATE UNIQUE INDEX uq_licence_status_lists_open ON licence_status_lists (issuer_code, epoch)
    WHERE allocated < capacity
    """,
    """
    CREATE TABLE licences (
        licence_id text PRIMARY KEY,
        identifier text NOT NULL UNIQUE,
        type_code text NOT NULL,
        type_version integer NOT NULL,
        issuer_code text NOT NULL,
        issuer_name text NOT NULL,
        serial text NOT NULL,
        version integer NOT NULL CHECK (version BETWEEN 1 AND 999),
        previous_id text NULL REFERENCES licences,
        licence_number bytea NOT NULL,
        licence_number_index bytea NOT NULL,
        face bytea NOT NULL,
        issued_on date NOT NULL,
        valid_from date NOT NULL,
        valid_to date NULL CHECK (valid_to >= valid_from),
        status_list integer NOT NULL REFERENCES licence_status_lists,
        status_index integer NOT NULL,
        qr_text bytea NULL,
        state text NOT NULL,
        state_sequence integer NOT NULL,
        source text NOT NULL,
        idempotency_key text NOT NULL,
        request_digest bytea NOT NULL,
        lease_token text NULL,
        lease_until timestamptz NULL,
        matter_code text NULL,
        case_number text NOT NULL,
        registered_at timestamptz NOT NULL,
        UNIQUE (issuer_code, idempotency_key),
        UNIQUE (status_list, status_index)
    )
    """,
    "CREATE INDEX ix_licences_issuer ON licences (issuer_code, registered_at DESC)",
    "CREATE INDEX ix_licences_number ON licences (licence_number_index)",
    "CREATE INDEX ix_licences_previous ON licences (previous_id) WHERE previous_id IS NOT NULL",
    "CREATE INDEX ix_licences_not_valid ON licences (status_list) WHERE state <> 'valid'",
    """
    CREATE TABLE licence_holders (
        licence_id text NOT NULL REFERENCES licences ON DELETE CASCADE,
        position integer NOT NULL,
        name bytea NOT NULL,
        code_type text NOT NULL,
        code bytea NOT NULL,
        holder_index bytea NOT NULL CHECK (octet_length(holder_index) = 32),
        PRIMARY KEY (licence_id, position)
    )
    """,
    "CREATE INDEX ix_licence_holders_holder ON licence_holders (holder_index)",
    """
    CREATE TABLE licence_documents (
        licence_id text NOT NULL REFERENCES licences,
        sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
        kind text NOT NULL,
        document_id text NOT NULL,
        blob_ref text NOT NULL,
        rendition jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (licence_id, sha256)
    )
    """,
    "CREATE INDEX ix_licence_documents_sha256 ON licence_documents (sha256)",
    """
    CREATE TABLE licence_states (
        licence_id text NOT NULL REFERENCES licences,
        sequence integer NOT NULL,
        state text NOT NULL,
        effective_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        reason_code text NOT NULL,
        reason_text bytea NOT NULL,
        legal_basis text NOT NULL,
        recorded_by text NOT NULL,
        PRIMARY KEY (licence_id, sequence)
    )
    """,
    """
    CREATE TRIGGER licence_states_append_only BEFORE UPDATE OR DELETE ON licence_states
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE licence_accesses (
        access_id text PRIMARY KEY,
        licence_id text NOT NULL REFERENCES licences,
        accessed_at timestamptz NOT NULL,
        reader text NOT NULL,
        reader_code text NULL,
        operator text NOT NULL,
        way text NOT NULL,
        matter_code text NULL,
        case_number bytea NOT NULL,
        reason bytea NOT NULL,
        fields text[] NOT NULL,
        own boolean NOT NULL,
        commitment bytea NOT NULL
    )
    """,
    "CREATE INDEX ix_licence_accesses_licence ON licence_accesses (licence_id, accessed_at DESC)",
    """
    CREATE TABLE licence_read_quotas (
        reader text NOT NULL,
        window_start timestamptz NOT NULL,
        count integer NOT NULL,
        exceeded_at timestamptz NULL,
        PRIMARY KEY (reader, window_start)
    )
    """,
    """
    CREATE TABLE licence_shows (
        show_id text PRIMARY KEY,
        code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
        licence_ids text[] NOT NULL,
        person_id text NOT NULL,
        offered_by text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        reader text NULL,
        reader_code text NULL,
        operator text NOT NULL DEFAULT '',
        matter_code text NULL,
        case_number bytea NULL,
        reason bytea NULL,
        fields text[] NULL,
        scanned_at timestamptz NULL,
        decision text NULL CHECK (decision IN ('released', 'refused')),
        decided_at timestamptz NULL,
        collected_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_licence_shows_person ON licence_shows (person_id, created_at DESC)",
    """
    CREATE TABLE licence_imports (
        import_id text PRIMARY KEY,
        issuer_code text NOT NULL,
        type_code text NOT NULL,
        started_by text NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz NULL,
        rows integer NOT NULL,
        accepted integer NOT NULL,
        repeated integer NOT NULL,
        rejected integer NOT NULL
    )
    """,
    """
    CREATE TABLE licence_import_rejects (
        import_id text NOT NULL REFERENCES licence_imports,
        row_number integer NOT NULL,
        field text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (import_id, row_number)
    )
    """,
    """
    CREATE TABLE licence_reminders (
        licence_id text NOT NULL REFERENCES licences,
        days integer NOT NULL,
        sent_at timestamptz NOT NULL,
        PRIMARY KEY (licence_id, days)
    )
    """,
    "CREATE INDEX ix_licences_expiry ON licences (valid_to) WHERE state = 'valid'",
    """
    CREATE TRIGGER licence_accesses_append_only BEFORE UPDATE OR DELETE ON licence_accesses
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
