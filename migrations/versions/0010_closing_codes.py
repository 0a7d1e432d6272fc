"""Codes to a mobile that confirm the closing of an account."""

from __future__ import annotations

from alembic import op

revision = "0010_closing_codes"
down_revision = "0009_status_looks"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE mobile_codes DROP CONSTRAINT mobile_codes_purpose_check",
    """
    ALTER TABLE mobile_codes ADD CONSTRAINT mobile_codes_purpose_check
        CHECK (purpose IN ('verify', 'sign_in', 'recover', 'close'))
    """,
)


def upgrade() -> None:
    """Allow one purpose more."""
    for statement in STATEMENTS:
        op.execute(statement)
