"""Seals, their use and sealed documents."""

from __future__ import annotations

from alembic import op

revision = "0005_signing"
down_revision = "0004_idp_oauth"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE seals (
        seal_id text PRIMARY KEY,
        organisation_code text NOT NULL,
        organisation_name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('statutory', 'internal', 'branch', 'business', 'personal')),
        name text NOT NULL,
        lower_text text NOT NULL,
        holder_name bytea NULL,
        state text NOT NULL CHECK (state IN ('applied', 'rejected', 'approved', 'made', 'filed', 'active',
                                             'suspended', 'cancelled')),
        algorithm text NOT NULL,
        applied_by text NOT NULL,
        applied_at timestamptz NOT NULL,
        approved_by text NULL CHECK (approved_by <> applied_by),
        approved_at timestamptz NULL,
        key_id text NULL,
        image_form bytea NULL,
        image_png bytea NULL,
        filing_number text NULL UNIQUE,
        replaces text NULL REFERENCES seals,
        reason text NULL,
        state_changed_at timestamptz NOT NULL,
        use_count bigint NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX ix_seals_organisation_code ON seals (organisation_code)",
    """
    CREATE UNIQUE INDEX uq_seals_one_statutory ON seals (organisation_code)
    WHERE kind = 'statutory' AND state = 'active'
    """,
    """
    CREATE TABLE seal_grants (
        grant_id text PRIMARY KEY,
        seal_id text NOT NULL REFERENCES seals,
        officer_id text NOT NULL,
        matter_codes text[] NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_to timestamptz NOT NULL CHECK (valid_to > valid_from),
        granted_by text NOT NULL,
        granted_at timestamptz NOT NULL,
        revoked_by text NULL,
        revoked_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_seal_grants_officer_id_seal_id ON seal_grants (officer_id, seal_id)",
    """
    CREATE TABLE seal_intentions (
        intention_id text PRIMARY KEY,
        seal_id text NOT NULL REFERENCES seals,
        key_id text NOT NULL,
        organisation_code text NOT NULL,
        requested_by text NOT NULL,
        channel text NOT NULL,
        matter_code text NULL,
        level text NOT NULL,
        placement jsonb NOT NULL,
        document_digest bytea NOT NULL CHECK (octet_length(document_digest) = 32),
        signed_bytes_digest bytea NOT NULL CHECK (octet_length(signed_bytes_digest) = 32),
        to_be_signed_digest bytea NOT NULL CHECK (octet_length(to_be_signed_digest) = 32),
        challenge bytea NOT NULL CHECK (octet_length(challenge) = 32),
        state text NOT NULL CHECK (state IN ('prepared', 'intended', 'completed', 'failed', 'withdrawn')),
        prepared_blob text NULL,
        layout jsonb NOT NULL,
        second_factor_method text NULL,
        second_factor_reference text NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        intended_at timestamptz NULL,
        finished_at timestamptz NULL,
        failure text NULL
    )
    """,
    """
    CREATE INDEX ix_seal_intentions_open ON seal_intentions (key_id, to_be_signed_digest)
    WHERE state = 'intended'
    """,
    """
    CREATE INDEX ix_seal_intentions_unfinished ON seal_intentions (created_at)
    WHERE state IN ('prepared', 'intended')
    """,
    """
    CREATE TABLE seal_uses (
        seal_id text NOT NULL REFERENCES seals,
        use_number bigint NOT NULL,
        intention_id text NOT NULL UNIQUE REFERENCES seal_intentions,
        key_id text NOT NULL,
        used_by text NOT NULL,
        channel text NOT NULL,
        matter_code text NULL,
        document_digest bytea NOT NULL CHECK (octet_length(document_digest) = 32),
        sealed_digest bytea NOT NULL CHECK (octet_length(sealed_digest) = 32),
        placement jsonb NOT NULL,
        level text NOT NULL,
        second_factor_method text NULL,
        second_factor_reference text NULL,
        used_at timestamptz NOT NULL,
        PRIMARY KEY (seal_id, use_number)
    )
    """,
    "CREATE INDEX ix_seal_uses_document_digest ON seal_uses (document_digest)",
    """
    CREATE TRIGGER seal_uses_append_only BEFORE UPDATE OR DELETE ON seal_uses
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE sealed_documents (
        document_id text PRIMARY KEY,
        intention_id text NOT NULL UNIQUE REFERENCES seal_intentions,
        seal_id text NOT NULL REFERENCES seals,
        use_number bigint NOT NULL,
        organisation_code text NOT NULL,
        blob_ref text NOT NULL,
        sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
        size bigint NOT NULL,
        level text NOT NULL,
        wanted_level text NOT NULL,
        sealed_at timestamptz NOT NULL,
        upgrade_attempts integer NOT NULL DEFAULT 0,
        renew_after timestamptz NULL
    )
    """,
    "CREATE INDEX ix_sealed_documents_organisation_code ON sealed_documents (organisation_code, sealed_at)",
    "CREATE INDEX ix_sealed_documents_below ON sealed_documents (sealed_at) WHERE level <> wanted_level",
    "CREATE INDEX ix_sealed_documents_renew_after ON sealed_documents (renew_after)",
    """
    CREATE TABLE seal_batches (
        batch_id text PRIMARY KEY,
        progress_id text NOT NULL UNIQUE,
        seal_id text NOT NULL REFERENCES seals,
        organisation_code text NOT NULL,
        requested_by text NOT NULL,
        channel text NOT NULL,
        matter_code text NULL,
        level text NOT NULL,
        placement jsonb NOT NULL,
        flatten boolean NOT NULL,
        certify boolean NOT NULL,
        appearance jsonb NOT NULL,
        second_factor_method text NULL,
        second_factor_reference text NULL,
        created_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
