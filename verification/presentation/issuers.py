"""Who may issue which credential, and by which key: the register of trusted issuers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from verification.presentation.chains import Chain, Standing, read_chain
from verification.presentation.sd_jwt import Jws, MalformedSdJwt
from verification.words import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from verification.trust import TrustMaterial

ALGORITHMS = ("ES256", "ES384")
"""What issuers and holders may sign with; neither `none` nor anything symmetric is among them."""
_FOREIGN = frozenset({"jwk", "jku", "x5u", "crit", "b64"})
"""Headers that bring a key or change what is signed: a key is never taken from the token it proves."""


class TrustKind(StrEnum):
    """How an issuer's key is known."""

    JWKS = "jwks"
    ANCHORS = "anchors"
    TRUST_LIST = "trust_list"
    """By certificates under our own anchors and those of the cities we trust, for one organisation."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer and the credential types it is trusted for; for no other, whatever it signs.

    `issuer` is the `iss` of its credentials, empty where certificates say who it is.
    `organisation_code` must stand in the certificate when it is set; `material` holds the anchors.
    """

    issuer_id: str
    name: str
    kind: TrustKind
    vct_values: frozenset[str]
    issuer: str = ""
    organisation_code: str = ""
    keys: tuple[Mapping[str, Any], ...] = ()
    material: TrustMaterial | None = None
    status_required: bool = True

    def under(self, material: TrustMaterial) -> TrustedIssuer:
        """Return the issuer with our own anchors where it has none."""
        return replace(self, material=self.material or material)

    def with_lists(self, crls_der: tuple[bytes, ...]) -> TrustedIssuer:
        """Return the issuer with further revocation lists at hand."""
        if self.material is None:
            return self
        return replace(self, material=replace(self.material, crls_der=(*self.material.crls_der, *crls_der)))


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that may have signed, whose it is, and how old what is known of its revocation."""

    issuer: TrustedIssuer
    key: ECKey
    chain: Chain | None = None
    as_of: datetime | None = None


class UntrustedIssuer(Exception):
    """No trusted issuer signs so; carries the reason, and where revocation lists are that would tell more."""

    def __init__(self, reason: Reason, addresses: tuple[str, ...] = ()) -> None:
        """Keep the reason."""
        super().__init__(reason.value)
        self.reason, self.addresses = reason, addresses


class _Registry(JWSRegistry):
    """Allows for certificates in a header, and for headers nobody needs."""

    max_header_length = 32 * 1024
    max_payload_length = 64 * 1024


class _StatusRegistry(_Registry):
    """Allows for long status lists."""

    max_payload_length = 32 * 1024 * 1024


def signed_by(token: Jws, key: ECKey, *, large: bool = False) -> bool:
    """Tell whether a JWS was made by a key, with an algorithm that fits it."""
    registry = (_StatusRegistry if large else _Registry)(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        jws.deserialize_compact(token.text, key, registry=registry)
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return True


def check_header(token: Jws, typ: str) -> None:
    """Refuse a header of another kind of token, of an algorithm not allowed, or with a key in it; MalformedSdJwt."""
    if token.header.get("typ") != typ or token.header.get("alg") not in ALGORITHMS:
        raise MalformedSdJwt("It is another kind of token, or of an algorithm that is not allowed.")
    if _FOREIGN & token.header.keys():
        raise MalformedSdJwt("Its header holds what may not stand there.")


def public_key(jwk: object) -> ECKey | None:
    """Return a public EC key to check signatures with; None for anything else, a private key included."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or "d" in jwk or jwk.get("use", "sig") != "sig":
        return None
    members: dict[str, str | list[str]] = {name: str(jwk.get(name)) for name in ("kty", "crv", "x", "y")}
    try:
        return ECKey.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def credential_keys(token: Jws, issuers: Iterable[TrustedIssuer], at: datetime) -> tuple[IssuerKey, ...]:
    """Return the keys that may have signed a credential, by its type, issuer and header.

    Raises: UntrustedIssuer, MalformedSdJwt.
    """
    vct, named = token.claims.get("vct"), token.claims.get("iss")
    trusted = [item for item in issuers if vct in item.vct_values and named in (_names(item))]
    return _keys(token, trusted, at)


def status_keys(token: Jws, issuer: TrustedIssuer, at: datetime) -> tuple[IssuerKey, ...]:
    """Return the keys that may have signed a status list of an issuer; raises as `credential_keys`."""
    return _keys(token, [issuer], at)


def _names(issuer: TrustedIssuer) -> tuple[str | None, ...]:
    """Return what `iss` may be: with certificates it may be missing, since they name the issuer."""
    if issuer.kind is TrustKind.JWKS:
        return (issuer.issuer,)
    return (issuer.issuer, None) if issuer.issuer else (None,)


def _keys(token: Jws, trusted: list[TrustedIssuer], at: datetime) -> tuple[IssuerKey, ...]:
    if "x5c" in token.header:
        return _by_certificate(read_chain(token.header["x5c"]), trusted, at)
    kid = token.header.get("kid")
    found = [
        IssuerKey(item, key)
        for item in trusted
        for jwk in item.keys
        if kid is None or jwk.get("kid") == kid
        if (key := public_key(dict(jwk))) is not None
    ]
    if not found:
        raise UntrustedIssuer(Reason.CREDENTIAL_ISSUER_UNKNOWN)
    return tuple(found)


def _by_certificate(chain: Chain, trusted: list[TrustedIssuer], at: datetime) -> tuple[IssuerKey, ...]:
    key, worst = chain.key(), Standing(Reason.CREDENTIAL_ISSUER_UNKNOWN)
    for item in trusted:
        if item.kind is TrustKind.JWKS or item.material is None:
            continue
        if item.organisation_code and chain.organisation_identifier != f"NTRCN-{item.organisation_code}":
            continue
        standing = chain.judge(item.material, at)
        if standing.reason is None and key is not None:
            return (IssuerKey(item, key, chain, standing.as_of),)
        if standing.reason is not Reason.CREDENTIAL_ISSUER_UNKNOWN:
            worst = standing
    raise UntrustedIssuer(worst.reason or Reason.CERTIFICATE_UNSUITABLE, worst.addresses)
