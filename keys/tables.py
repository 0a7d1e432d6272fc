"""Tables of `keys`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from foundation.database import metadata

keystores = Table(
    "keystores",
    metadata,
    Column("custody", Text, primary_key=True),
    Column("derivation", JSONB, nullable=False),
    Column("check_value", LargeBinary, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("custody", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("public_key_der", LargeBinary, nullable=False),
    Column("stored_private", LargeBinary, nullable=True),
    Column("certificate_chain", ARRAY(LargeBinary), nullable=False, server_default=text("'{}'::bytea[]")),
    Column("not_trusted_from", DateTime(timezone=True), nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("activated_at", DateTime(timezone=True), nullable=True),
    Column("retired_at", DateTime(timezone=True), nullable=True),
    Column("destroyed_at", DateTime(timezone=True), nullable=True),
    Index(
        "ix_keys_one_active", "purpose", "owner", "algorithm", unique=True, postgresql_where=text("state = 'active'")
    ),
)

key_store_version = Table(
    "key_store_version",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("serial", Text, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("key_id", Text, nullable=True),
    Column("subject_id", Text, nullable=False),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("not_after", DateTime(timezone=True), nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Column("revocation_reason", Text, nullable=True),
    Column("invalid_from", DateTime(timezone=True), nullable=True),
    Index("ix_certificates_key", "key_id"),
    Index("ix_certificates_subject", "subject_id"),
    Index("ix_certificates_revoked", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
)

crls = Table(
    "crls",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("base_number", BigInteger, nullable=True),
    Column("this_update", DateTime(timezone=True), nullable=False),
    Column("next_update", DateTime(timezone=True), nullable=False),
    Column("crl_der", LargeBinary, nullable=False),
)

ceremonies = Table(
    "ceremonies",
    metadata,
    Column("ceremony_id", Text, primary_key=True),
    Column("held_at", DateTime(timezone=True), nullable=False),
    Column("record", JSONB, nullable=False),
)

operator_requests = Table(
    "operator_requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("act", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("done_by", Text, nullable=True),
    Column("done_at", DateTime(timezone=True), nullable=True),
    Index("ix_operator_requests_open", "act", "object_id", postgresql_where=text("done_at IS NULL")),
)

seal_proofs = Table(
    "seal_proofs",
    metadata,
    Column("intention_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("proof", Text, nullable=False),
)

seal_confirmers = Table(
    "seal_confirmers",
    metadata,
    Column("confirmer_id", Text, primary_key=True),
    # For people who look; the signer believes `sealed` alone.
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("organisation_code", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("pinned_at", DateTime(timezone=True), nullable=False),
)

used_seal_proofs = Table(
    "used_seal_proofs",
    metadata,
    Column("proof_hash", LargeBinary, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Index("ix_used_seal_proofs_used_at", "used_at"),
)

timestamp_clock = Table(
    "timestamp_clock",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("stamped_until", DateTime(timezone=True), nullable=False),
)
