"""Accounts, persons, real-name proofs, credentials, sessions and officers."""

from __future__ import annotations

from alembic import op

revision = "0003_idp_people"
down_revision = "0002_keys"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
