"""The optional members of a client's registration, named as RFC 7591 and its extensions name them. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foundation import channels
from foundation.errors import InvalidInput
from idp.oauth.authorization_details import DETAIL_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_URI = 2_000
MAX_URIS = 20
SIGNING_ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
FAPI_ALGORITHMS = ("ES256", "EdDSA", "PS256")
ENCRYPTION_ALGORITHMS = ("ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256")
ENCRYPTION_METHODS = ("A256GCM", "A128GCM", "A128CBC-HS256")
POLL, PING = "poll", "ping"
DELIVERY_MODES = (POLL, PING)
CHANNELS = channels.REGISTERED

_LISTS = ("post_logout_redirect_uris",)
_URI = ("backchannel_logout_uri", "frontchannel_logout_uri", "backchannel_client_notification_endpoint")
_CHOICES: dict[str, tuple[str, ...]] = {
    "userinfo_signed_response_alg": SIGNING_ALGORITHMS,
    "introspection_signed_response_alg": SIGNING_ALGORITHMS,
    "authorization_signed_response_alg": SIGNING_ALGORITHMS,
    "request_object_signing_alg": FAPI_ALGORITHMS,
    "id_token_encrypted_response_alg": ENCRYPTION_ALGORITHMS,
    "id_token_encrypted_response_enc": ENCRYPTION_METHODS,
    "userinfo_encrypted_response_alg": ENCRYPTION_ALGORITHMS,
    "userinfo_encrypted_response_enc": ENCRYPTION_METHODS,
    "backchannel_token_delivery_mode": DELIVERY_MODES,
    "backchannel_authentication_request_signing_alg": FAPI_ALGORITHMS,
    "channel": CHANNELS,
}


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What a client chose beyond the basics; everything has a safe default.

    `fapi` holds the client to the FAPI 2.0 Security Profile: pushed requests, sender-constrained
    tokens, private_key_jwt or mutual TLS, no RS256. `may_act` names the client that may exchange
    this one's tokens. `channel` says where people meet the client, when that is not a browser of
    their own: what comes through it is recorded so, an operator has agreed to it, and the client's
    authorization requests are pushed, since anybody can open an address with its `client_id`.
    """

    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    authorization_details_types: tuple[str, ...] = ()
    may_act: str | None = None
    fapi: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    tls_client_auth_subject_dn: str | None = None
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    introspection_signed_response_alg: str | None = None
    authorization_signed_response_alg: str | None = None
    backchannel_token_delivery_mode: str | None = None
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    channel: str | None = None

    @property
    def pushed_only(self) -> bool:
        """Tell whether authorization requests must be pushed."""
        return self.fapi or self.require_pushed_authorization_requests or self.channel is not None

    @property
    def sender_constrained(self) -> bool:
        """Tell whether every access token is bound to a key of the client."""
        return self.fapi or self.dpop_bound_access_tokens or self.tls_client_certificate_bound_access_tokens

    def stored(self) -> dict[str, Any]:
        """Return the members that differ from their defaults, as JSON holds them."""
        default = asdict(ClientMetadata())
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != default[name]
        }


MEMBERS = frozenset(field.name for field in fields(ClientMetadata))
_FLAGS = frozenset(field.name for field in fields(ClientMetadata) if field.type == "bool")


def read_metadata(values: Mapping[str, Any]) -> ClientMetadata:
    """Return checked metadata; raises InvalidInput naming the member."""
    for name, value in values.items():
        _check(name, value)
    members: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    metadata = ClientMetadata(**members)
    _check_together(metadata)
    return metadata


def check_address(uri: object, field: str) -> None:
    """Refuse anything but an absolute https address (http on loopback) without fragment or user."""
    rule = "Must be an absolute https address (http on loopback only) without fragment or user."
    if not isinstance(uri, str) or len(uri) > MAX_URI or not uri.isascii() or not uri.isprintable():
        raise InvalidInput(rule, field=field)
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(rule, field=field) from error
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    forbidden = any(character in uri for character in ' "<>\\^`{|}*#')
    if not secure or not parts.hostname or "@" in parts.netloc or forbidden:
        raise InvalidInput(rule, field=field)


def _check(name: str, value: object) -> None:
    if name not in MEMBERS:
        raise InvalidInput("This service does not know the member.", field=name)
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise InvalidInput("Must be true or false.", field=name)
    elif name == "authorization_details_types":
        if not isinstance(value, list | tuple) or any(item not in DETAIL_TYPES for item in value):
            raise InvalidInput(f"Must be a list among {', '.join(DETAIL_TYPES)}.", field=name)
    elif name in _LISTS:
        _check_list(name, value)
    elif value is None:
        return
    elif name in _URI:
        check_address(value, name)
    elif not isinstance(value, str) or len(value) > MAX_URI or (name in _CHOICES and value not in _CHOICES[name]):
        raise InvalidInput("Must be one of the supported values.", field=name)


def _check_list(name: str, value: object) -> None:
    if not isinstance(value, list | tuple) or len(value) > MAX_URIS:
        raise InvalidInput(f"Must be a list of at most {MAX_URIS} values.", field=name)
    for item in value:
        check_address(item, name)


def _check_together(metadata: ClientMetadata) -> None:
    for use in ("id_token", "userinfo"):
        algorithm = getattr(metadata, f"{use}_encrypted_response_alg")
        if getattr(metadata, f"{use}_encrypted_response_enc") is not None and algorithm is None:
            raise InvalidInput("Needs the algorithm beside it.", field=f"{use}_encrypted_response_enc")
    if metadata.backchannel_token_delivery_mode == PING and not metadata.backchannel_client_notification_endpoint:
        raise InvalidInput("The ping mode needs an address.", field="backchannel_client_notification_endpoint")
    if metadata.frontchannel_logout_session_required and not metadata.frontchannel_logout_uri:
        raise InvalidInput("Needs the address beside it.", field="frontchannel_logout_session_required")
    if metadata.dpop_bound_access_tokens and metadata.tls_client_certificate_bound_access_tokens:
        raise InvalidInput("Tokens are bound to one kind of key.", field="dpop_bound_access_tokens")
