"""What lets the status lists follow changes without reading every licence."""

from __future__ import annotations

from alembic import op

revision = "0009_status_looks"
down_revision = "0008_oauth_acts"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # Few licences were ever anything but plainly valid: these alone are looked at closely.
    """
    CREATE INDEX ix_licences_not_plain ON licences (status_list, status_index)
    WHERE state <> 'valid' OR state_sequence > 1
    """,
    "CREATE INDEX ix_licences_begin ON licences (valid_from)",
    # Rows come in the order of time, so a summary a block finds the newest for almost no space.
    """
    CREATE INDEX ix_licence_states_recorded ON licence_states USING brin (recorded_at, effective_at)
    WITH (pages_per_range = 32, autosummarize = on)
    """,
)


def upgrade() -> None:
    """Add the indexes."""
    for statement in STATEMENTS:
        op.execute(statement)
