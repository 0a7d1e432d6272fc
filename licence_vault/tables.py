"""Tables of `licence_vault`; migration 0006 creates them."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, DateTime, Identity, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from foundation.database import metadata

licence_types = Table(
    "licence_types",
    metadata,
    Column("type_code", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("published_by", Text, nullable=False),
)

licence_serials = Table(
    "licence_serials",
    metadata,
    Column("type_code", Text, primary_key=True),
    Column("issuer_code", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)

licence_status_lists = Table(
    "licence_status_lists",
    metadata,
    Column("status_list", Integer, Identity(always=True), primary_key=True),
    Column("issuer_code", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("allocated", Integer, nullable=False),
    Column("seed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

licences = Table(
    "licences",
    metadata,
    Column("licence_id", Text, primary_key=True),
    Column("identifier", Text, nullable=False, unique=True),
    Column("type_code", Text, nullable=False),
    Column("type_version", Integer, nullable=False),
    Column("issuer_code", Text, nullable=False),
    Column("issuer_name", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("previous_id", Text, nullable=True),
    Column("licence_number", LargeBinary, nullable=False),
    Column("licence_number_index", LargeBinary, nullable=False),
    Column("face", LargeBinary, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=True),
    Column("status_list", Integer, nullable=False),
    Column("status_index", Integer, nullable=False),
    Column("qr_text", LargeBinary, nullable=True),
    Column("state", Text, nullable=False),
    Column("state_sequence", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("lease_token", Text, nullable=True),
    Column("lease_until", DateTime(timezone=True), nullable=True),
    Column("matter_code", Text, nullable=True),
    Column("case_number", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
)

licence_holders = Table(
    "licence_holders",
    metadata,
    Column("licence_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", LargeBinary, nullable=False),
    Column("code_type", Text, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("holder_index", LargeBinary, nullable=False),
)

licence_documents = Table(
    "licence_documents",
    metadata,
    Column("licence_id", Text, primary_key=True),
    Column("sha256", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("blob_ref", Text, nullable=False),
    Column("rendition", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

licence_states = Table(
    "licence_states",
    metadata,
    Column("licence_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason_text", LargeBinary, nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
)

licence_accesses = Table(
    "licence_accesses",
    metadata,
    Column("access_id", Text, primary_key=True),
    Column("licence_id", Text, nullable=False),
    Column("accessed_at", DateTime(timezone=True), nullable=False),
    Column("reader", Text, nullable=False),
    Column("reader_code", Text, nullable=True),
    Column("operator", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("matter_code", Text, nullable=True),
    Column("case_number", LargeBinary, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Column("own", Boolean, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("mandate_id", Text, nullable=True),
)

licence_read_quotas = Table(
    "licence_read_quotas",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("exceeded_at", DateTime(timezone=True), nullable=True),
)

licence_shows = Table(
    "licence_shows",
    metadata,
    Column("show_id", Text, primary_key=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    Column("licence_ids", ARRAY(Text), nullable=False),
    Column("person_id", Text, nullable=False),
    Column("offered_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("reader", Text, nullable=True),
    Column("reader_code", Text, nullable=True),
    Column("operator", Text, nullable=False, server_default=text("''")),
    Column("matter_code", Text, nullable=True),
    Column("case_number", LargeBinary, nullable=True),
    Column("reason", LargeBinary, nullable=True),
    Column("fields", ARRAY(Text), nullable=True),
    Column("scanned_at", DateTime(timezone=True), nullable=True),
    Column("decision", Text, nullable=True),
    Column("decided_at", DateTime(timezone=True), nullable=True),
    Column("collected_at", DateTime(timezone=True), nullable=True),
    Column("mandate_id", Text, nullable=True),
)

licence_imports = Table(
    "licence_imports",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("issuer_code", Text, nullable=False),
    Column("type_code", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=True),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
)

licence_import_rejects = Table(
    "licence_import_rejects",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("field", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

licence_reminders = Table(
    "licence_reminders",
    metadata,
    Column("licence_id", Text, primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("sent_at", DateTime(timezone=True), nullable=False),
)
