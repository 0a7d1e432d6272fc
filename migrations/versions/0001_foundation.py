"""Audit, directory, jobs and notices."""

from __future__ import annotations

from alembic import op

from migrations import pgqueuer_1_6

revision = "0001_foundation"
down_revision: str | None = None
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE audit_log (
        audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        recorded_at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        channel text NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}'::jsonb,
        salt bytea NOT NULL CHECK (octet_length(salt) = 32),
        commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
        transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
    )
    """,
    "CREATE INDEX ix_audit_log_object ON audit_log (object_type, object_id)",
    "CREATE INDEX ix_audit_log_actor_recorded ON audit_log (actor, recorded_at)",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE districts (
        district_code text PRIMARY KEY,
        name text NOT NULL,
        parent_code text NULL
    )
    """,
    """
    CREATE TABLE organisations (
        credit_code text PRIMARY KEY,
        name text NOT NULL,
        district_code text NOT NULL REFERENCES districts,
        level text NOT NULL
    )
    """,
    """
    CREATE TABLE matters (
        matter_code text PRIMARY KEY,
        name text NOT NULL,
        owner_code text NOT NULL REFERENCES organisations
    )
    """,
    """
    CREATE TABLE notices (
        notice_id text PRIMARY KEY,
        account_id text NOT NULL,
        kind text NOT NULL,
        parameters bytea NOT NULL,
        created_at timestamptz NOT NULL,
        read_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_notices_account_created ON notices (account_id, created_at)",
    """
    CREATE TABLE batches (
        batch_id text PRIMARY KEY,
        job text NOT NULL,
        owner text NOT NULL,
        total bigint NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE batch_items (
        batch_id text NOT NULL REFERENCES batches,
        number bigint NOT NULL,
        item jsonb NOT NULL,
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
        reason text NULL,
        PRIMARY KEY (batch_id, number)
    )
    """,
    "CREATE TABLE periodic_turns (name text PRIMARY KEY, taken_at timestamptz NOT NULL)",
    *pgqueuer_1_6.STATEMENTS,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
