"""Tables of people. The migration `0003_idp_people` creates them, indexes and checks included."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Identity, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from foundation.database import metadata


def _moment(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


persons = Table(
    "persons",
    metadata,
    Column("person_id", Text, primary_key=True),
    Column("document_type", Text, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("document_number", LargeBinary, nullable=False),
    Column("document_index", LargeBinary, nullable=False, unique=True),
    Column("holder_index", LargeBinary, nullable=False, index=True),
    Column("level", Text, nullable=False),
    _moment("level_until"),
    Column("policy", Text, nullable=False, server_default=text("''")),
    _moment("created_at", nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("username", Text, nullable=False, unique=True),
    Column("mobile", LargeBinary),
    Column("mobile_index", LargeBinary),
    _moment("mobile_verified_at"),
    Column("password_hash", Text),
    _moment("password_changed_at"),
    Column("person_id", Text),
    Column("origin", Text),
    _moment("created_at", nullable=False),
    _moment("updated_at", nullable=False),
    _moment("last_sign_in_at"),
)

real_name_proofs = Table(
    "real_name_proofs",
    metadata,
    Column("evidence_id", Text, primary_key=True),
    Column("account_id", Text),
    Column("person_id", Text),
    Column("method", Text, nullable=False),
    Column("outcome", Text),
    Column("authority", Text),
    Column("transaction_id", Text),
    Column("elements", LargeBinary, nullable=False),
    Column("findings", LargeBinary),
    Column("channel", Text, nullable=False),
    _moment("started_at", nullable=False),
    _moment("verified_at"),
    _moment("expires_at"),
    _moment("withdrawn_at"),
    Column("withdrawal_reason", Text),
)

authority_counters = Table(
    "authority_counters",
    metadata,
    Column("counter_index", LargeBinary, primary_key=True),
    Column("day", Date, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("wrong_in_row", Integer, nullable=False),
    _moment("last_request_at", nullable=False),
)

person_conflicts = Table(
    "person_conflicts",
    metadata,
    Column("conflict_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account_id", Text),
    Column("person_id", Text),
    Column("evidence_id", Text, nullable=False),
    _moment("found_at", nullable=False),
    _moment("resolved_at"),
    Column("resolved_by", Text),
    Column("resolution", Text),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("amr", ARRAY(Text), nullable=False),
    Column("channel", Text, nullable=False),
    Column("device_id", Text),
    Column("acting_for", Text),
    Column("acting_for_code", Text),
    Column("officer_id", Text),
    _moment("auth_time", nullable=False),
    _moment("created_at", nullable=False),
    _moment("last_seen_at", nullable=False),
    _moment("expires_at", nullable=False),
    _moment("ended_at"),
    Column("end_reason", Text),
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
    _moment("first_seen_at", nullable=False),
    _moment("last_seen_at", nullable=False),
    _moment("forgotten_at"),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("attempt_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", Text),
    _moment("attempted_at", nullable=False),
    Column("method", Text, nullable=False),
    Column("succeeded", Boolean, nullable=False),
    Column("channel", Text, nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("device_id", Text),
    Column("new_device", Boolean, nullable=False),
    Column("session_id", Text),
)

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("secret", LargeBinary),
    Column("last_step", BigInteger, nullable=False),
    _moment("confirmed_at"),
    Column("candidate", LargeBinary),
    _moment("candidate_at"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("code_index", LargeBinary, primary_key=True),
    _moment("created_at", nullable=False),
    _moment("used_at"),
)

officers = Table(
    "officers",
    metadata,
    Column("officer_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("name", LargeBinary, nullable=False),
    Column("organisation_code", Text, nullable=False),
    Column("district_code", Text, nullable=False),
    Column("post", Text, nullable=False),
    Column("document_index", LargeBinary),
    _moment("appointed_at", nullable=False),
    _moment("starts_at"),
    _moment("ends_at"),
    _moment("ended_at"),
)

officer_authorities = Table(
    "officer_authorities",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("officer_id", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("district_code", Text, nullable=False),
    Column("matter_code", Text, nullable=False),
    _moment("valid_from", nullable=False),
    _moment("valid_until", nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("granting_organisation", Text),
    Column("approved_by", Text),
    _moment("approved_at"),
    _moment("revoked_at"),
    Column("revoked_by", Text),
)

workstations = Table(
    "workstations",
    metadata,
    Column("workstation_id", Text, primary_key=True),
    Column("organisation_code", Text, nullable=False),
    Column("district_code", Text, nullable=False),
    Column("name", Text, nullable=False),
    _moment("registered_at", nullable=False),
    Column("registered_by", Text, nullable=False),
    _moment("retired_at"),
)

presence_codes = Table(
    "presence_codes",
    metadata,
    Column("code_index", LargeBinary, primary_key=True),
    Column("account_id", Text, nullable=False),
    _moment("expires_at", nullable=False),
    _moment("used_at"),
)

counter_checks = Table(
    "counter_checks",
    metadata,
    Column("check_id", Text, primary_key=True),
    Column("evidence_id", Text, nullable=False),
    Column("workstation_id", Text, nullable=False),
    Column("officer_id", Text, nullable=False),
    Column("account_id", Text),
    Column("document_type", Text, nullable=False),
    Column("evidence_seen", ARRAY(Text), nullable=False),
    Column("presence_kind", Text, nullable=False),
    Column("presence_reference", Text, nullable=False),
    Column("state", Text, nullable=False),
    _moment("examined_at", nullable=False),
    _moment("expires_at", nullable=False),
    Column("second_officer_id", Text),
    _moment("decided_at"),
)

mandates = Table(
    "mandates",
    metadata,
    Column("mandate_id", Text, primary_key=True),
    Column("principal_kind", Text, nullable=False),
    Column("principal_id", Text, nullable=False),
    Column("agent_person_id", Text),
    Column("agent_document_index", LargeBinary),
    Column("matters", ARRAY(Text), nullable=False),
    Column("licence_types", ARRAY(Text), nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    _moment("valid_from", nullable=False),
    _moment("valid_until", nullable=False),
    Column("uses_allowed", Integer),
    Column("uses", Integer, nullable=False),
    Column("may_delegate", Boolean, nullable=False),
    Column("parent_id", Text),
    Column("state", Text, nullable=False),
    Column("awaits", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    _moment("proposed_at", nullable=False),
    _moment("accepted_at"),
    _moment("ended_at"),
    Column("ended_by", Text),
    Column("end_reason", Text),
    Column("channel", Text, nullable=False),
    Column("code_index", LargeBinary, unique=True),
    Column("check_id", Text),
    Column("officer_id", Text),
)

mandate_uses = Table(
    "mandate_uses",
    metadata,
    Column("use_id", Text, primary_key=True),
    Column("mandate_id", Text, nullable=False),
    _moment("used_at", nullable=False),
    Column("principal_kind", Text, nullable=False),
    Column("principal_id", Text, nullable=False),
    Column("agent_person_id", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("matter_code", Text, nullable=False),
    Column("licence_type", Text, nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Column("reference", Text, nullable=False),
    Column("channel", Text, nullable=False),
)

legal_persons = Table(
    "legal_persons",
    metadata,
    Column("legal_person_id", Text, primary_key=True),
    Column("credit_code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    _moment("verified_at", nullable=False),
    _moment("created_at", nullable=False),
)

legal_person_agencies = Table(
    "legal_person_agencies",
    metadata,
    Column("agency_id", Text, primary_key=True),
    Column("legal_person_id", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("matters", ARRAY(Text), nullable=False),
    _moment("valid_until"),
    Column("proposed_by", Text, nullable=False),
    _moment("proposed_at", nullable=False),
    _moment("accepted_at"),
    _moment("ended_at"),
    Column("ended_by", Text),
)

mobile_codes = Table(
    "mobile_codes",
    metadata,
    Column("code_id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("mobile", LargeBinary, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("account_id", Text),
    Column("attempts", Integer, nullable=False),
    _moment("created_at", nullable=False),
    _moment("expires_at", nullable=False),
    _moment("used_at"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("label", Text, nullable=False),
    _moment("created_at", nullable=False),
    _moment("last_used_at"),
)

account_imports = Table(
    "account_imports",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("file_sha256", LargeBinary, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("inserted", BigInteger, nullable=False),
    Column("unchanged", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("rejects_bytes", BigInteger, nullable=False),
    _moment("started_at", nullable=False),
    _moment("finished_at"),
)

account_merges = Table(
    "account_merges",
    metadata,
    Column("merge_id", Text, primary_key=True),
    Column("primary_id", Text, nullable=False),
    Column("secondary_id", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    _moment("merged_at", nullable=False),
    _moment("undone_at"),
    Column("undone_by", Text),
)
