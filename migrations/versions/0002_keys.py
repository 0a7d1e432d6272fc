"""Keys, certificates, revocations and timestamps."""

from __future__ import annotations

from alembic import op

revision = "0002_keys"
down_revision = "0001_foundation"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE keystores (
        custody text PRIMARY KEY CHECK (custody IN ('online', 'signer')),
        derivation jsonb NOT NULL,
        check_value bytea NOT NULL
    )
    """,
    """
    CREATE TABLE keys (
        key_id text PRIMARY KEY,
        purpose text NOT NULL,
        owner text NOT NULL,
        algorithm text NOT NULL,
        state text NOT NULL CHECK (
            state IN ('pending', 'active', 'retiring', 'retired', 'compromised', 'destroyed')
        ),
        custody text NOT NULL CHECK (custody IN ('online', 'signer')),
        provider text NOT NULL,
        public_key_der bytea NOT NULL,
        stored_private bytea NULL,
        certificate_chain bytea[] NOT NULL DEFAULT '{}'::bytea[],
        not_trusted_from timestamptz NULL,
        created_at timestamptz NOT NULL,
        activated_at timestamptz NULL,
        retired_at timestamptz NULL,
        destroyed_at timestamptz NULL,
        CHECK (state <> 'destroyed' OR stored_private IS NULL),
        CHECK (state <> 'compromised' OR not_trusted_from IS NOT NULL)
    )
    """,
    "CREATE UNIQUE INDEX ix_keys_one_active ON keys (purpose, owner, algorithm) WHERE state = 'active'",
    """
    CREATE TABLE key_store_version (
        singleton boolean PRIMARY KEY CHECK (singleton),
        version bigint NOT NULL
    )
    """,
    """
    CREATE TABLE certificates (
        issuer text NOT NULL,
        serial text NOT NULL,
        profile text NOT NULL,
        key_id text NULL,
        subject_id text NOT NULL,
        certificate_der bytea NOT NULL,
        not_before timestamptz NOT NULL,
        not_after timestamptz NOT NULL,
        issued_at timestamptz NOT NULL,
        revoked_at timestamptz NULL,
        revocation_reason text NULL,
        invalid_from timestamptz NULL,
        PRIMARY KEY (issuer, serial),
        CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
    )
    """,
    "CREATE INDEX ix_certificates_key ON certificates (key_id)",
    "CREATE INDEX ix_certificates_subject ON certificates (subject_id)",
    "CREATE INDEX ix_certificates_revoked ON certificates (revoked_at) WHERE revoked_at IS NOT NULL",
    """
    CREATE TABLE crls (
        issuer text NOT NULL,
        number bigint NOT NULL,
        base_number bigint NULL,
        this_update timestamptz NOT NULL,
        next_update timestamptz NOT NULL,
        crl_der bytea NOT NULL,
        PRIMARY KEY (issuer, number)
    )
    """,
    """
    CREATE TABLE ceremonies (
        ceremony_id text PRIMARY KEY,
        held_at timestamptz NOT NULL,
        record jsonb NOT NULL
    )
    """,
    """
    CREATE TRIGGER ceremonies_append_only BEFORE UPDATE OR DELETE ON ceremonies
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE operator_requests (
        request_id text PRIMARY KEY,
        act text NOT NULL,
        object_id text NOT NULL,
        requested_by text NOT NULL,
        requested_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        done_by text NULL CHECK (done_by <> requested_by),
        done_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_operator_requests_open ON operator_requests (act, object_id) WHERE done_at IS NULL",
    """
    CREATE TABLE timestamp_clock (
        singleton boolean PRIMARY KEY CHECK (singleton),
        stamped_until timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
