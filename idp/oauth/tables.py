"""Tables of `idp.oauth`: clients, grants, refresh tokens, consents, used assertions."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from foundation.database import metadata

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("client_name", Text, nullable=False),
    Column("organisation_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("authentication", Text, nullable=False),
    Column("redirect_uris", JSONB, nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("grant_types", JSONB, nullable=False),
    Column("sector_identifier", Text, nullable=False),
    Column("pre_approved", Boolean, nullable=False),
    Column("id_token_algorithm", Text, nullable=False),
    Column("jwks", JSONB(none_as_null=True), nullable=True),
    Column("secret_hash", LargeBinary, nullable=True),
    Column("previous_secret_hash", LargeBinary, nullable=True),
    Column("previous_secret_expires_at", DateTime(timezone=True), nullable=True),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("management_token_hash", LargeBinary, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_oauth_clients_organisation_code", "organisation_code"),
)

oauth_grants = Table(
    "oauth_grants",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("oauth_clients.client_id"), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=True),
    Column("session_id", Text, nullable=True),
    Column("scope", Text, nullable=False),
    Column("redirect_uri", Text, nullable=True),
    Column("nonce", Text, nullable=True),
    Column("code_challenge", Text, nullable=True),
    Column("code_hash", LargeBinary, nullable=True, unique=True),
    Column("code_expires_at", DateTime(timezone=True), nullable=True),
    Column("code_consumed_at", DateTime(timezone=True), nullable=True),
    Column("auth_time", DateTime(timezone=True), nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", JSONB, nullable=False),
    Column("claims", JSONB(none_as_null=True), nullable=True),
    Column("code_jkt", Text, nullable=True),
    Column("confirmation", JSONB(none_as_null=True), nullable=True),
    Column("resource", Text, nullable=True),
    Column("authorization_details", JSONB(none_as_null=True), nullable=True),
    Column("details_used_at", DateTime(timezone=True), nullable=True),
    Column("actors", JSONB(none_as_null=True), nullable=True),
    Column("mandate_id", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Index("ix_oauth_grants_account_id", "account_id", "client_id"),
    Index("ix_oauth_grants_session_id", "session_id"),
    Index("ix_oauth_grants_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    Index("ix_oauth_grants_expires_at", "expires_at"),
)

oauth_pushed_requests = Table(
    "oauth_pushed_requests",
    metadata,
    Column("request_hash", LargeBinary, primary_key=True),
    Column("client_id", Text, ForeignKey("oauth_clients.client_id"), nullable=False),
    Column("parameters", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("consumed_at", DateTime(timezone=True), nullable=True),
    Index("ix_oauth_pushed_requests_expires_at", "expires_at"),
)

oauth_waiting = Table(
    "oauth_waiting",
    metadata,
    Column("request_hash", LargeBinary, primary_key=True),
    Column("question_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("client_id", Text, ForeignKey("oauth_clients.client_id"), nullable=False),
    Column("user_code_hash", LargeBinary, nullable=True, unique=True),
    Column("scope", Text, nullable=False),
    Column("account_id", Text, nullable=True),
    Column("state", Text, nullable=False),
    Column("grant_id", Text, nullable=True),
    Column("acr", Text, nullable=True),
    Column("binding_message", Text, nullable=True),
    Column("notification_token", LargeBinary, nullable=True),
    Column("resource", Text, nullable=True),
    Column("authorization_details", JSONB(none_as_null=True), nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_polled_at", DateTime(timezone=True), nullable=True),
    Column("interval_seconds", Integer, nullable=False),
    Index("ix_oauth_waiting_account_id", "account_id"),
    Index("ix_oauth_waiting_expires_at", "expires_at"),
)

oauth_refresh_tokens = Table(
    "oauth_refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("grant_id", Text, ForeignKey("oauth_grants.grant_id", ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("consumed_at", DateTime(timezone=True), nullable=True),
    Index("ix_oauth_refresh_tokens_grant_id", "grant_id"),
)

oauth_consents = Table(
    "oauth_consents",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("oauth_clients.client_id"), primary_key=True),
    Column("scopes", JSONB, nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False),
)

oauth_used_tokens = Table(
    "oauth_used_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("ix_oauth_used_tokens_expires_at", "expires_at"),
)

oauth_revocations = Table(
    "oauth_revocations",
    metadata,
    Column("revoked_id", Text, primary_key=True),
    Column("revoked_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("ix_oauth_revocations_revoked_at", "revoked_at"),
)

oauth_initial_tokens = Table(
    "oauth_initial_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("organisation_code", Text, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

oauth_secrets = Table(
    "oauth_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

oauth_client_requests = Table(
    "oauth_client_requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("client_id", Text, nullable=True),
    Column("organisation_code", Text, nullable=False),
    Column("registration", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text, nullable=True),
    Column("decided_at", DateTime(timezone=True), nullable=True),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Index("ix_oauth_client_requests_organisation_code", "organisation_code"),
    Index(
        "ux_oauth_client_requests_open",
        "client_id",
        unique=True,
        postgresql_where=text("state = 'open' AND client_id IS NOT NULL"),
    ),
)

oauth_upstream_links = Table(
    "oauth_upstream_links",
    metadata,
    Column("source", Text, primary_key=True),
    Column("subject_index", LargeBinary, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("linked_at", DateTime(timezone=True), nullable=False),
    Index("ix_oauth_upstream_links_account_id", "account_id"),
)
