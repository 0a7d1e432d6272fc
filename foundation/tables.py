"""Tables of `foundation`: audit, directory, notices, batches. The queue's own are PgQueuer's."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from foundation.database import metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("salt", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("transaction_id", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Index("ix_audit_log_object", "object_type", "object_id"),
    Index("ix_audit_log_actor_recorded", "actor", "recorded_at"),
    Index("ix_audit_log_sealed", text("(detail ->> 'sealed_sha256')"), postgresql_where=text("action = 'seal.use'")),
)

districts = Table(
    "districts",
    metadata,
    Column("district_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_code", Text, nullable=True),
)

organisations = Table(
    "organisations",
    metadata,
    Column("credit_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("district_code", Text, ForeignKey("districts.district_code"), nullable=False),
    Column("level", Text, nullable=False),
)

matters = Table(
    "matters",
    metadata,
    Column("matter_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner_code", Text, ForeignKey("organisations.credit_code"), nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parameters", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("read_at", DateTime(timezone=True), nullable=True),
    Index("ix_notices_account_created", "account_id", "created_at"),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.batch_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("item", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("reason", Text, nullable=True),
)
