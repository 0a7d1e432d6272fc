"""Several posts per officer; the post a session acts in."""

from __future__ import annotations

from alembic import op

revision = "0017_posts"
down_revision = "0016_seal_grants"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make a row of `officers` one post of an account, and give living sessions the only post there was."""
    op.execute("ALTER TABLE officers DROP CONSTRAINT uq_officers_account_id")
    op.execute("CREATE INDEX ix_officers_account_id ON officers (account_id)")
    op.execute("ALTER TABLE officers ADD COLUMN starts_at timestamptz NULL, ADD COLUMN ends_at timestamptz NULL")
    op.execute("ALTER TABLE officers ADD CONSTRAINT ck_officers_period CHECK (ends_at > starts_at)")
    op.execute("CREATE INDEX ix_officers_ends_at ON officers (ends_at) WHERE ended_at IS NULL")
    op.execute("CREATE INDEX ix_officers_document_index ON officers (document_index) WHERE ended_at IS NULL")
    op.execute("ALTER TABLE sessions ADD COLUMN officer_id text NULL REFERENCES officers")
    op.execute(
        "UPDATE sessions SET officer_id = officers.officer_id FROM officers"
        " WHERE officers.account_id = sessions.account_id AND sessions.ended_at IS NULL"
    )
    op.execute("CREATE INDEX ix_sessions_officer_id ON sessions (officer_id) WHERE ended_at IS NULL")


def downgrade() -> None:
    """Go back to one post per account; refused by the database while somebody holds two."""
    op.execute("ALTER TABLE sessions DROP COLUMN officer_id")
    op.execute("DROP INDEX ix_officers_account_id")
    op.execute("DROP INDEX ix_officers_document_index")
    op.execute("ALTER TABLE officers DROP COLUMN starts_at, DROP COLUMN ends_at")
    op.execute("ALTER TABLE officers ADD CONSTRAINT uq_officers_account_id UNIQUE (account_id)")
