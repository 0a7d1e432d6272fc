"""What the provider's endpoints take and return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Parameters = tuple[tuple[str, str], ...]
"""Form or query parameters in order, duplicates kept so that they can be refused."""

USER_SCOPES = frozenset({"openid", "profile", "phone", "real_name", "offline_access"})
CLIENT_SCOPES = frozenset(
    {
        "licence:issue",
        "licence:read",
        "licence:status",
        "seal:apply",
        "verify:read",
        "verify:batch",
        "verify:present",
    }
)

BOUND_SCOPES = frozenset({"seal:apply"})
"""Scopes for clients only whose every access token is bound to a key of theirs (DPoP or mutual TLS)."""


class ResponseMode(StrEnum):
    """How an authorization response travels back."""

    QUERY = "query"
    FRAGMENT = "fragment"
    FORM_POST = "form_post"


SIGNED_MODES = {
    "jwt": ResponseMode.QUERY,
    "query.jwt": ResponseMode.QUERY,
    "fragment.jwt": ResponseMode.FRAGMENT,
    "form_post.jwt": ResponseMode.FORM_POST,
}
"""Modes whose answer is one signed JWT (JARM), and how that JWT travels."""


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One request to a back-channel endpoint (token, introspection, revocation).

    `url` is the endpoint's public address without query; `dpop` holds every DPoP header;
    `certificate_der` is the client certificate a trusted proxy verified and passed on.
    """

    parameters: Parameters
    authorization: str | None = None
    method: str = "POST"
    url: str = ""
    dpop: tuple[str, ...] = ()
    certificate_der: bytes | None = None
    source: str = ""
    accept: str = ""


@dataclass(frozen=True, slots=True)
class EndpointResponse:
    """A successful back-channel answer: JSON members, or text such as a JWT, and headers."""

    body: Mapping[str, Any] | str
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"
    status: int = 200


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """An answer for the client, to be sent to a proven `redirect_uri` in one mode."""

    redirect_uri: str
    parameters: Parameters
    mode: ResponseMode = ResponseMode.QUERY


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """The person signs in (again, or more strongly), then the browser opens `/oauth/continue/<interaction_id>`.

    `step_up` says that a session exists and a stronger proof (`acr`) is wanted; `forced` that a
    present session does not do (`prompt=login`, `max_age`).
    """

    interaction_id: str
    acr: str | None = None
    login_hint: str | None = None
    ui_locales: str | None = None
    step_up: bool = False
    forced: bool = False


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The person is asked; the browser opens the consent page with this identifier."""

    interaction_id: str


AuthorizationOutcome = SignInNeeded | ConsentNeeded | AuthorizationResponse


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the consent page shows; answer with `OpenIdProvider.decide`.

    `detail` is the one act asked for: a licence to be read or a document to be confirmed.
    """

    interaction_id: str
    client_name: str
    organisation_code: str
    redirect_host: str
    scopes: tuple[str, ...]
    purpose: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SenderProof:
    """What a caller of a protected resource sent to prove possession of its key.

    `dpop` holds every DPoP header, `url` the public address without query and fragment.
    """

    method: str = "GET"
    url: str = ""
    dpop: tuple[str, ...] = ()
    certificate_der: bytes | None = None
