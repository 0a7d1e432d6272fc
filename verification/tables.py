"""Tables of `verification`: published status lists, the transparency log, trust lists, batches, presentations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from foundation.database import metadata

status_lists = Table(
    "verification_status_lists",
    metadata,
    Column("status_list", Integer, primary_key=True),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("jwt", Text, nullable=False),
    Column("cwt", LargeBinary, nullable=False),
)

neighbour_lists = Table(
    "verification_neighbour_lists",
    metadata,
    Column("service_id", Text, primary_key=True),
    Column("status_list", Integer, primary_key=True, autoincrement=False),
    Column("etag", Text, nullable=False),
    Column("fetched_at", DateTime(timezone=True), nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False, server_default=text("'epoch'")),
    Column("cwt", LargeBinary, nullable=False),
)

log_leaves = Table(
    "transparency_leaves",
    metadata,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, nullable=False, unique=True),
    Column("commitment", LargeBinary, nullable=False),
)

log_tiles = Table(
    "transparency_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("tile_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

log_checkpoints = Table(
    "transparency_checkpoints",
    metadata,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("root_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
)

log_cosignatures = Table(
    "transparency_cosignatures",
    metadata,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True),
    Column("line", Text, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
)

witnessed_logs = Table(
    "witnessed_logs",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("tree_size", BigInteger, nullable=False),
    Column("root_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("cosigned_at", DateTime(timezone=True), nullable=False),
)

status_looks = Table(
    "verification_status_looks",
    metadata,
    Column("only", Boolean, primary_key=True),
    Column("looked_at", DateTime(timezone=True), nullable=False),
)

trust_lists = Table(
    "verification_trust_lists",
    metadata,
    Column("service_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("pinned_key_sha256", LargeBinary, nullable=False),
    Column("document", Text, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True), nullable=True),
)

row_batches = Table(
    "verification_batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("organisation_code", Text, nullable=True),
    Column("channel", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("ix_verification_batches_owner", "owner"),
    Index("ix_verification_batches_expires_at", "expires_at"),
)

batch_rows = Table(
    "verification_batch_rows",
    metadata,
    Column("batch_id", Text, ForeignKey("verification_batches.batch_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("row", LargeBinary, nullable=True),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("verdict", Text, nullable=True),
    Column("result", LargeBinary, nullable=True),
)

presentation_issuers = Table(
    "presentation_issuers",
    metadata,
    Column("issuer_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("organisation_code", Text, nullable=False),
    Column("vct_values", JSONB, nullable=False),
    Column("jwks", JSONB(none_as_null=True), nullable=True),
    Column("anchors_pem", Text, nullable=True),
    Column("status_required", Boolean, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True), nullable=True),
)

presentation_permissions = Table(
    "presentation_permissions",
    metadata,
    Column("permission_id", Text, primary_key=True),
    Column("organisation_code", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("vct", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("claims", JSONB, nullable=False),
    Column("return_uris", JSONB, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("granted_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True), nullable=True),
    Index("ix_presentation_permissions_organisation", "organisation_code", "client_id"),
)

presentation_transactions = Table(
    "presentation_transactions",
    metadata,
    Column("transaction_id", Text, primary_key=True),
    Column("handle_hash", LargeBinary, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("organisation_code", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("response_mode", Text, nullable=False),
    Column("return_uri", Text, nullable=False),
    Column("query", JSONB, nullable=False),
    Column("secrets", LargeBinary, nullable=True),
    Column("state", Text, nullable=False),
    Column("fetches", Integer, nullable=False, server_default=text("0")),
    Column("verdict", Text, nullable=True),
    Column("result", LargeBinary, nullable=True),
    Column("response_code_hash", LargeBinary, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("ix_presentation_transactions_expires_at", "expires_at"),
)
