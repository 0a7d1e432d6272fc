"""Who may call what: one row for every route, read at start and at each request.

A route without a row stops the application from starting. Bearer routes take an
access token of a department and never look at cookies; page routes take a session
and never look at a token; open routes take neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fastapi.routing import APIRoute, iter_route_contexts

from idp.oauth.authorization_details import DOCUMENT_SIGNATURE, LICENCE_ACCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute


class Way(StrEnum):
    """How a caller is known."""

    OPEN = "open"
    BEARER = "bearer"
    EITHER = "either"
    PAGE = "page"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Access:
    """One row.

    `scope` is what a token must carry; a token a person gave for one act passes where `act` is its
    type, and nowhere else. `actor` says which sessions a page takes: `any`,
    `citizen`, `officer` or `operator`. `per_minute` limits one network source on an open route. EITHER
    routes take a token, or nobody's within that limit. PROTOCOL routes authenticate by a
    rule of their own (OAuth, OCSP, TSA).
    """

    way: Way
    scope: str = ""
    act: str = ""
    actor: str = "any"
    per_minute: int = 0


def bearer(scope: str, *, act: str = "") -> Access:
    """Return the row of a route for tokens with `scope`, or bound to an act of one type."""
    return Access(Way.BEARER, scope=scope, act=act)


def page(actor: str = "any") -> Access:
    """Return the row of a page for signed-in sessions."""
    return Access(Way.PAGE, actor=actor)


def open_to_all(per_minute: int = 0) -> Access:
    """Return the row of a route without sign-in, limited per source where it costs something."""
    return Access(Way.OPEN, per_minute=per_minute)


def either(scope: str, per_minute: int) -> Access:
    """Return the row of a route for tokens with `scope`, and within a limit for everybody."""
    return Access(Way.EITHER, scope=scope, per_minute=per_minute)


PROTOCOL = Access(Way.PROTOCOL)

ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/healthz"): open_to_all(),
    ("GET", "/readyz"): open_to_all(),
    ("GET", "/openapi.json"): open_to_all(),
    ("GET", "/problems/{slug}"): open_to_all(),
    ("GET", "/api/v1/trust-anchors"): open_to_all(),
    ("GET", "/pki/crl/{issuer}"): open_to_all(),
    ("GET", "/pki/ca/{issuer}"): open_to_all(),
    ("POST", "/pki/ocsp"): PROTOCOL,
    ("GET", "/pki/ocsp/{request_b64:path}"): PROTOCOL,
    ("POST", "/tsa"): PROTOCOL,
    ("GET", "/.well-known/openid-configuration"): open_to_all(),
    ("GET", "/.well-known/oauth-authorization-server"): open_to_all(),
    ("GET", "/oauth/jwks"): open_to_all(),
    ("GET", "/oauth/authorize"): PROTOCOL,
    ("POST", "/oauth/authorize"): PROTOCOL,
    ("GET", "/oauth/continue/{interaction_id}"): PROTOCOL,
    ("POST", "/oauth/token"): PROTOCOL,
    ("POST", "/oauth/par"): PROTOCOL,
    ("POST", "/oauth/device_authorization"): PROTOCOL,
    ("POST", "/oauth/bc-authorize"): PROTOCOL,
    ("POST", "/oauth/register"): PROTOCOL,
    ("GET", "/oauth/register/{client_id}"): PROTOCOL,
    ("PUT", "/oauth/register/{client_id}"): PROTOCOL,
    ("DELETE", "/oauth/register/{client_id}"): PROTOCOL,
    ("POST", "/oauth/introspect"): PROTOCOL,
    ("POST", "/oauth/revoke"): PROTOCOL,
    ("GET", "/oauth/userinfo"): PROTOCOL,
    ("POST", "/oauth/userinfo"): PROTOCOL,
    ("POST", "/api/v1/verifications/identifier"): either("verify:read", 60),
    ("POST", "/api/v1/verifications/qr"): either("verify:read", 60),
    ("POST", "/api/v1/verifications/pdf"): either("verify:read", 12),
    ("POST", "/api/v1/verifications/receipt"): either("verify:read", 60),
    ("POST", "/api/v1/verifications/receipt/document"): either("verify:read", 12),
    ("POST", "/api/v1/verification-batches"): bearer("verify:batch"),
    ("GET", "/api/v1/verification-batches/{batch_id}"): bearer("verify:batch"),
    ("GET", "/api/v1/verification-batches/{batch_id}/results"): bearer("verify:batch"),
    ("POST", "/api/v1/presentations"): bearer("verify:present"),
    ("GET", "/api/v1/presentations/{transaction_id}"): bearer("verify:present"),
    ("DELETE", "/api/v1/presentations/{transaction_id}"): bearer("verify:present"),
    ("POST", "/api/v1/presentations/{transaction_id}/collection"): bearer("verify:present"),
    ("GET", "/openid4vp/requests/{handle}"): open_to_all(120),
    ("POST", "/openid4vp/requests/{handle}"): open_to_all(120),
    ("POST", "/openid4vp/responses/{handle}"): open_to_all(60),
    ("GET", "/desk/presentations"): page("officer"),
    ("POST", "/desk/presentations"): page("officer"),
    ("GET", "/desk/presentations/{transaction_id}"): page("officer"),
    ("POST", "/desk/presentations/{transaction_id}"): page("officer"),
    ("GET", "/desk/presentations/{transaction_id}/state"): page("officer"),
    ("GET", "/desk/batches"): page("officer"),
    ("POST", "/desk/batches"): page("officer"),
    ("GET", "/desk/batches/{batch_id}"): page("officer"),
    ("GET", "/desk/batches/{batch_id}/state"): page("officer"),
    ("GET", "/desk/batches/{batch_id}/results"): page("officer"),
    ("GET", "/api/v1/licence-types"): open_to_all(120),
    ("GET", "/api/v1/licence-types/{type_code}"): open_to_all(120),
    ("POST", "/api/v1/licences"): bearer("licence:issue"),
    ("GET", "/api/v1/licences"): bearer("licence:read"),
    ("GET", "/api/v1/licences/{identifier}"): bearer("licence:read", act=LICENCE_ACCESS),
    ("POST", "/api/v1/document-confirmations"): bearer("", act=DOCUMENT_SIGNATURE),
    ("GET", "/api/v1/licences/{identifier}/pdf"): bearer("licence:read"),
    ("GET", "/api/v1/licences/{identifier}/qr.png"): bearer("licence:read"),
    ("GET", "/api/v1/licences/{identifier}/states"): bearer("licence:read"),
    ("POST", "/api/v1/licences/{identifier}/states"): bearer("licence:status"),
    ("POST", "/api/v1/licences/{identifier}/revisions"): bearer("licence:issue"),
    ("POST", "/api/v1/licence-searches"): bearer("licence:read"),
    ("GET", "/api/v1/statistics"): bearer("licence:read"),
    ("GET", "/licences/{identifier}/copy"): page("citizen"),
    ("POST", "/licences/{identifier}/copy"): page("citizen"),
    ("GET", "/desk/mandate"): page("officer"),
    ("POST", "/desk/mandate"): page("officer"),
    ("GET", "/operate/people"): page("operator"),
    ("POST", "/operate/people/conflicts/{conflict_id}"): page("operator"),
    ("POST", "/operate/people/workstations"): page("operator"),
    ("POST", "/operate/people/workstations/{workstation_id}"): page("operator"),
    ("GET", "/desk/officers"): page("officer"),
    ("POST", "/desk/officers"): page("officer"),
    ("POST", "/desk/officers/{officer_id}"): page("officer"),
    ("POST", "/desk/grants/{grant_id}"): page("officer"),
    ("GET", "/operate/officers"): page("operator"),
    ("POST", "/operate/officers"): page("operator"),
    ("POST", "/operate/officers/{officer_id}"): page("operator"),
    ("POST", "/operate/grants/{grant_id}"): page("operator"),
    ("GET", "/api/v1/seals"): bearer("seal:apply"),
    ("GET", "/api/v1/seals/{seal_id}/uses"): bearer("seal:apply"),
    ("POST", "/api/v1/sealed-documents"): bearer("seal:apply"),
    ("GET", "/api/v1/sealed-documents/{document_id}"): bearer("seal:apply"),
    ("POST", "/api/v1/sealed-digests"): bearer("seal:apply"),
    ("POST", "/api/v1/prepared-sealings"): bearer("seal:apply"),
    ("GET", "/api/v1/prepared-sealings/{intention_id}"): bearer("seal:apply"),
    ("GET", "/api/v1/prepared-sealings/{intention_id}/pdf"): bearer("seal:apply"),
    ("POST", "/api/v1/prepared-sealings/{intention_id}/confirmation"): bearer("seal:apply"),
    ("DELETE", "/api/v1/prepared-sealings/{intention_id}"): bearer("seal:apply"),
    ("POST", "/api/v1/sealing-batches"): bearer("seal:apply"),
    ("GET", "/api/v1/sealing-batches/{batch_id}"): bearer("seal:apply"),
    ("GET", "/api/v1/sealing-batches/{batch_id}/documents"): bearer("seal:apply"),
    ("GET", "/"): open_to_all(),
    ("GET", "/help"): open_to_all(),
    ("GET", "/v"): open_to_all(),
    ("GET", "/v/offline"): open_to_all(),
    ("GET", "/v/worker.js"): open_to_all(),
    ("GET", "/v/app.webmanifest"): open_to_all(),
    ("POST", "/v/identifier"): open_to_all(60),
    ("POST", "/v/qr"): open_to_all(60),
    ("POST", "/v/pdf"): open_to_all(60),
    ("POST", "/v/receipt"): open_to_all(60),
    ("POST", "/v/receipt/file"): open_to_all(60),
    ("POST", "/v/receipt/document"): open_to_all(12),
    ("GET", "/register"): open_to_all(),
    ("POST", "/register"): open_to_all(20),
    ("GET", "/sign-in"): open_to_all(),
    ("POST", "/sign-in"): open_to_all(60),
    ("GET", "/sign-in/code"): open_to_all(),
    ("POST", "/sign-in/code"): open_to_all(30),
    ("GET", "/sign-in/qr"): open_to_all(300),
    ("POST", "/sign-in/qr"): open_to_all(6000),
    ("GET", "/sign-in/phone/{ticket}"): page("citizen"),
    ("POST", "/sign-in/phone/{ticket}"): page("citizen"),
    ("GET", "/recover"): open_to_all(),
    ("POST", "/recover"): open_to_all(30),
    ("GET", "/second-factor"): open_to_all(),
    ("POST", "/second-factor"): open_to_all(60),
    ("GET", "/post"): open_to_all(),
    ("POST", "/post"): open_to_all(60),
    ("POST", "/sign-out"): open_to_all(),
    ("POST", "/preferences"): open_to_all(),
    ("GET", "/home"): page("citizen"),
    ("GET", "/real-name"): page("citizen"),
    ("GET", "/real-name/certificate"): page("citizen"),
    ("POST", "/real-name/certificate"): page("citizen"),
    ("GET", "/sign-in/certificate"): open_to_all(60),
    ("POST", "/sign-in/certificate"): open_to_all(60),
    ("GET", "/real-name/{method}"): page("citizen"),
    ("POST", "/real-name/{method}"): page("citizen"),
    ("GET", "/consent/{interaction_id}"): page(),
    ("GET", "/sign-in/with/{source}"): open_to_all(30),
    ("GET", "/sign-in/with/{source}/back"): open_to_all(30),
    ("GET", "/sign-in/with/{source}/link"): page("citizen"),
    ("POST", "/sign-in/with/{source}/link"): page("citizen"),
    ("POST", "/security/upstream"): page("citizen"),
    ("GET", "/applications"): page("citizen"),
    ("POST", "/applications/{client_id}"): page("citizen"),
    ("GET", "/device"): page("citizen"),
    ("POST", "/device"): page("citizen"),
    ("GET", "/questions"): page("citizen"),
    ("GET", "/questions/{question_id}"): page("citizen"),
    ("POST", "/questions/{question_id}"): page("citizen"),
    ("GET", "/oauth/logout"): open_to_all(60),
    ("POST", "/oauth/logout"): open_to_all(60),
    ("GET", "/oauth/logout/continue/{logout_id}"): open_to_all(60),
    ("POST", "/oauth/logout/confirm/{logout_id}"): open_to_all(60),
    ("POST", "/consent/{interaction_id}"): page(),
    ("GET", "/licences"): page("citizen"),
    ("GET", "/licences/{identifier}"): page("citizen"),
    ("GET", "/licences/{identifier}/pdf"): page("citizen"),
    ("GET", "/licences/{identifier}/qr.png"): page("citizen"),
    ("GET", "/accesses"): page("citizen"),
    ("GET", "/me"): page("citizen"),
    ("POST", "/api/v1/shows"): bearer("licence:read"),
    ("GET", "/api/v1/shows/{show_id}"): bearer("licence:read"),
    ("POST", "/api/v1/shows/{show_id}/collection"): bearer("licence:read"),
    ("GET", "/status-lists/{number}"): open_to_all(),
    ("GET", "/log"): open_to_all(60),
    ("POST", "/log"): open_to_all(60),
    ("POST", "/witness/add-checkpoint"): open_to_all(120),
    ("GET", "/witness/key"): open_to_all(),
    ("GET", "/witness/{origin_hash}/checkpoint"): open_to_all(),
    ("GET", "/log/checkpoint"): open_to_all(),
    ("GET", "/log/key"): open_to_all(),
    ("GET", "/log/tile/{tile:path}"): open_to_all(600),
    ("GET", "/api/v1/log/proofs/{audit_number}"): open_to_all(120),
    ("GET", "/api/v1/log/consistency"): open_to_all(120),
    ("GET", "/api/v1/trust-list"): open_to_all(30),
    ("GET", "/api/v1/offline-pack"): open_to_all(30),
    ("POST", "/licences/{identifier}/show"): page("citizen"),
    ("GET", "/licences/{identifier}/show"): page("citizen"),
    ("GET", "/shows/{show_id}"): page("citizen"),
    ("GET", "/shows/{show_id}/state"): page("citizen"),
    ("POST", "/shows/{show_id}"): page("citizen"),
    ("GET", "/desk/check"): page("officer"),
    ("POST", "/desk/check"): page("officer"),
    ("GET", "/desk/check/{show_id}"): page("officer"),
    ("POST", "/desk/check/{show_id}"): page("officer"),
    ("GET", "/mandates"): page("citizen"),
    ("GET", "/mandates/new"): page("citizen"),
    ("POST", "/mandates/new"): page("citizen"),
    ("POST", "/mandates/code"): page("citizen"),
    ("POST", "/mandates/{mandate_id}"): page("citizen"),
    ("GET", "/mandates/{mandate_id}/delegate"): page("citizen"),
    ("GET", "/mandates/{mandate_id}/use"): page("citizen"),
    ("POST", "/mandates/{mandate_id}/use"): page("citizen"),
    ("POST", "/mandates/{mandate_id}/show"): page("citizen"),
    ("POST", "/mandates/{mandate_id}/delegate"): page("citizen"),
    ("GET", "/presence"): page("citizen"),
    ("POST", "/presence"): page("citizen"),
    ("GET", "/desk/counter"): page("officer"),
    ("POST", "/desk/counter"): page("officer"),
    ("POST", "/desk/counter/{check_id}"): page("officer"),
    ("POST", "/desk/counter/{check_id}/mandate"): page("officer"),
    ("POST", "/desk/mandates/{mandate_id}"): page("officer"),
    ("GET", "/acting"): page("citizen"),
    ("POST", "/acting"): page("citizen"),
    ("POST", "/acting/verify"): page("citizen"),
    ("POST", "/acting/agents"): page("citizen"),
    ("POST", "/acting/agencies/{agency_id}"): page("citizen"),
    ("GET", "/security"): page(),
    ("GET", "/devices"): page(),
    ("POST", "/devices/{session_id}"): page(),
    ("GET", "/notices"): page("citizen"),
    ("POST", "/notices"): page("citizen"),
    ("GET", "/accounts"): page("citizen"),
    ("POST", "/accounts"): page("citizen"),
    ("POST", "/accounts/{merge_id}"): page("citizen"),
    ("GET", "/my-data"): page(),
    ("POST", "/my-data"): page(),
    ("GET", "/my-data/close"): page("citizen"),
    ("POST", "/my-data/close"): page("citizen"),
    ("GET", "/security/mobile"): page("citizen"),
    ("POST", "/security/mobile"): page("citizen"),
    ("GET", "/security/totp"): page(),
    ("POST", "/security/totp/remove"): page(),
    ("POST", "/security/password"): page(),
    ("POST", "/security/totp"): page(),
    ("POST", "/security/totp/confirm"): page(),
    ("POST", "/security/passkeys/begin"): page(),
    ("POST", "/security/passkeys/finish"): page(),
    ("POST", "/security/passkeys/{credential}"): page(),
    ("POST", "/sign-in/passkey/begin"): open_to_all(60),
    ("POST", "/sign-in/passkey/finish"): open_to_all(60),
    ("GET", "/desk/issue"): page("officer"),
    ("GET", "/desk/issue/{type_code}"): page("officer"),
    ("POST", "/desk/issue/{type_code}"): page("officer"),
    ("GET", "/operate"): page("operator"),
    ("GET", "/operate/seals"): page("operator"),
    ("POST", "/operate/seals"): page("operator"),
    ("POST", "/operate/seals/{seal_id}"): page("operator"),
    ("GET", "/operate/seals/{seal_id}/grants"): page("operator"),
    ("POST", "/operate/seals/{seal_id}/grants"): page("operator"),
    ("POST", "/operate/seals/{seal_id}/grants/carried"): page("operator"),
    ("POST", "/operate/seals/{seal_id}/grants/{grant_id}"): page("operator"),
    ("GET", "/operate/clients"): page("operator"),
    ("GET", "/operate/client-requests"): page("operator"),
    ("POST", "/operate/client-requests/{request_id}"): page("operator"),
    ("GET", "/department/clients"): page("officer"),
    ("GET", "/department/clients/new"): page("officer"),
    ("POST", "/department/clients/new"): page("officer"),
    ("GET", "/department/clients/{client_id}"): page("officer"),
    ("POST", "/department/clients/{client_id}"): page("officer"),
    ("POST", "/department/clients/{client_id}/secret"): page("officer"),
    ("POST", "/department/requests/{request_id}"): page("officer"),
    ("POST", "/operate/clients/{client_id}"): page("operator"),
    ("GET", "/desk"): page("officer"),
    ("GET", "/desk/seal"): page("officer"),
    ("POST", "/desk/seal"): page("officer"),
    ("GET", "/desk/seal/{draft_id}"): page("officer"),
    ("POST", "/desk/seal/{draft_id}"): page("officer"),
    ("GET", "/desk/seal/{draft_id}/pages/{number}.png"): page("officer"),
    ("GET", "/desk/seals/{seal_id}.png"): page("officer"),
    ("GET", "/desk/seals"): page("officer"),
    ("POST", "/desk/seals"): page("officer"),
    ("POST", "/desk/seals/{seal_id}"): page("officer"),
    ("GET", "/desk/seals/{seal_id}/grants"): page("officer"),
    ("POST", "/desk/seals/{seal_id}/grants"): page("officer"),
    ("POST", "/desk/seals/{seal_id}/grants/carried"): page("officer"),
    ("POST", "/desk/seals/{seal_id}/grants/{grant_id}"): page("officer"),
    ("GET", "/desk/confirm/{draft_id}"): page("officer"),
    ("POST", "/desk/confirm/{draft_id}"): page("officer"),
    ("GET", "/desk/confirm/{draft_id}/preview.png"): page("officer"),
    ("GET", "/desk/done/{draft_id}"): page("officer"),
    ("GET", "/desk/done/{draft_id}/file"): page("officer"),
    ("GET", "/desk/uses"): page("officer"),
    ("GET", "/desk/issued"): page("officer"),
}


def methods_and_paths(routes: Sequence[BaseRoute]) -> list[tuple[str, str]]:
    """Return every method and path that FastAPI serves; mounted static files are not among them."""
    contexts = [context for context in iter_route_contexts(routes) if isinstance(context.original_route, APIRoute)]
    return [(method, context.path or "") for context in contexts for method in sorted(context.methods or ())]


def rows_missing(routes: Sequence[BaseRoute]) -> list[str]:
    """Name every route and method that has no row."""
    return [f"{method} {path}" for method, path in methods_and_paths(routes) if (method, path) not in ACCESS]
