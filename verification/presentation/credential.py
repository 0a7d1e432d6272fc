"""One presented credential, judged: issuer, signature, time, holder, disclosures. Pure.

The status is looked up afterwards, since it has to be fetched: `Examined.status` says where.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from verification.model import Check, Outcome
from verification.presentation.dcql import reaches
from verification.presentation.issuers import (
    IssuerKey,
    TrustedIssuer,
    UntrustedIssuer,
    check_header,
    credential_keys,
    public_key,
    signed_by,
)
from verification.presentation.sd_jwt import MalformedSdJwt, disclose, read_sd_jwt
from verification.words import Reason, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verification.presentation.dcql import CredentialQuery, Pointer
    from verification.presentation.sd_jwt import Disclosed, Jws, SdJwt

CREDENTIAL_TYPE = "dc+sd-jwt"
HOLDER_TYPE = "kb+jwt"
CLOCK_SKEW = timedelta(minutes=1)
MAXIMUM_NAME = 300
_FORM = "RFC 9901, 4 and 7.1"
_ISSUER = "SD-JWT VC, 2.5; RFC 5280"
_TYPE = "SD-JWT VC, 2.2.2.1"
_TIME = "RFC 7519, 4.1; SD-JWT VC, 2.2.2.3"
_HOLDER = "RFC 9901, 7.3; OpenID4VP 1.0, B.3"
_QUERY = "OpenID4VP 1.0, 6.4 and 14.7"
_STATUS = "Token Status List, 6.2"
UNKNOWN_REASONS = frozenset(
    {Reason.CREDENTIAL_ISSUER_UNKNOWN, Reason.REVOCATION_DATA_MISSING, Reason.DATA_MISSING, Reason.DATA_STALE}
)
"""Reasons that leave the question open: nothing is known to be wrong, and nothing is proven."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What this one request asked for: to whom, with which nonce, since when."""

    client_id: str
    nonce: str = field(repr=False)
    asked_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """Where a credential's status stands."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of one credential so far; `reason` of None means that no fault was found yet."""

    query_id: str
    reason: Reason | None
    checks: tuple[Check, ...]
    issuer: TrustedIssuer | None = None
    vct: str = ""
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
    status: StatusPlace | None = None
    as_of: datetime | None = None
    """How old what is known of the issuer's certificates is."""
    addresses: tuple[str, ...] = ()
    """Where the revocation lists are published that were missing."""


class _Fault(Exception):
    """A check failed; what follows would rest on it, so the examination ends."""

    def __init__(self, reason: Reason, check: Check) -> None:
        super().__init__(reason.value)
        self.reason, self.check = reason, check
        self.addresses: tuple[str, ...] = ()


def examine(
    unverified_text: object,
    query: CredentialQuery,
    asked: Sequence[CredentialQuery],
    expectation: Expectation,
    issuers: Iterable[TrustedIssuer],
) -> Examined:
    """Judge one presentation, its status apart.

    Args:
        unverified_text: as the wallet sent it.
        query: what it is said to answer.
        asked: every credential query of the request, since one credential may answer several.
        expectation: this request.
        issuers: the register, each with its anchors.
    """
    made: list[Check] = []
    examination = _Examination(query, expectation, made)
    try:
        return examination.run(unverified_text, asked, issuers)
    except _Fault as fault:
        return Examined(query.id, fault.reason, (*made, fault.check), addresses=fault.addresses)


class _Examination:
    def __init__(self, query: CredentialQuery, expectation: Expectation, made: list[Check]) -> None:
        self._query = query
        self._expectation = expectation
        self._made = made

    def run(
        self, unverified_text: object, asked: Sequence[CredentialQuery], issuers: Iterable[TrustedIssuer]
    ) -> Examined:
        sd_jwt, disclosed = self._form(unverified_text)
        signer = self._issuer(sd_jwt.credential, issuers)
        claims = disclosed.claims
        self._validity(claims)
        self._holder(sd_jwt, claims)
        vct = str(claims["vct"])
        self._asked_for(signer, vct, disclosed, asked)
        status = self._status(signer.issuer, claims)
        return Examined(self._query.id, None, tuple(self._made), signer.issuer, vct, claims, status, signer.as_of)

    def _pass(self, name: str, standard: str, zh: str, en: str) -> None:
        self._made.append(Check(name, standard, Outcome.PASSED, Sentence(zh, en)))

    def _form(self, unverified_text: object) -> tuple[SdJwt, Disclosed]:
        name = "credential.form"
        try:
            sd_jwt, disclosed = read_credential(unverified_text)
        except MalformedSdJwt as error:
            raise _fault(Reason.PRESENTATION_MALFORMED, name, _FORM, str(error)) from error
        self._pass(name, _FORM, "凭证结构和披露内容合规。", "The credential and its disclosures are well formed.")
        return sd_jwt, disclosed

    def _issuer(self, token: Jws, issuers: Iterable[TrustedIssuer]) -> IssuerKey:
        try:
            keys = credential_keys(token, issuers, self._expectation.now)
        except UntrustedIssuer as error:
            fault = _fault(error.reason, "credential.issuer", _ISSUER)
            fault.addresses = error.addresses
            raise fault from error
        except MalformedSdJwt as error:
            raise _fault(Reason.PRESENTATION_MALFORMED, "credential.issuer", _ISSUER, str(error)) from error
        signer = next((item for item in keys if signed_by(token, item.key)), None)
        if signer is None:
            raise _fault(Reason.CREDENTIAL_FORGED, "credential.signature", _FORM)
        self._pass("credential.issuer", _ISSUER, "签发者在可信名单内。", "The issuer is trusted for this type.")
        self._pass("credential.signature", _FORM, "签发者的签名正确。", "The issuer's signature holds.")
        return signer

    def _validity(self, claims: dict[str, Any]) -> None:
        name, now = "credential.validity", self._expectation.now
        try:
            begins, ends = moment(claims, "nbf"), moment(claims, "exp")
            issued = moment(claims, "iat")
        except MalformedSdJwt as error:
            raise _fault(Reason.PRESENTATION_MALFORMED, name, _TIME, str(error)) from error
        if any(one is not None and one > now + CLOCK_SKEW for one in (begins, issued)):
            raise _fault(Reason.CREDENTIAL_NOT_YET_VALID, name, _TIME)
        if ends is not None and ends <= now:
            raise _fault(Reason.CREDENTIAL_EXPIRED, name, _TIME)
        self._pass(name, _TIME, "在有效期内。", "It is within its period of validity.")

    def _holder(self, sd_jwt: SdJwt, claims: dict[str, Any]) -> None:
        """Check that whoever holds the credential's key signed for this request (RFC 9901, 7.3)."""
        name, token = "holder.key_binding", sd_jwt.key_binding
        confirmation = claims.get("cnf")
        key = public_key(confirmation.get("jwk")) if isinstance(confirmation, dict) else None
        if token is None or key is None:
            raise _fault(Reason.HOLDER_NOT_PROVEN, name, _HOLDER)
        try:
            check_header(token, HOLDER_TYPE)
            made_at, begins, ends = (moment(token.claims, member) for member in ("iat", "nbf", "exp"))
        except MalformedSdJwt as error:
            raise _fault(Reason.HOLDER_NOT_PROVEN, name, _HOLDER, str(error)) from error
        if not signed_by(token, key) or not _same(token.claims.get("sd_hash"), sd_jwt.sd_hash):
            raise _fault(Reason.HOLDER_NOT_PROVEN, name, _HOLDER)
        expected = self._expectation
        for_us = _same(token.claims.get("aud"), expected.client_id) and _same(token.claims.get("nonce"), expected.nonce)
        fresh = made_at is not None and expected.asked_at - CLOCK_SKEW <= made_at <= expected.now + CLOCK_SKEW
        over = ends is not None and ends <= expected.now
        if not for_us or not fresh or over or (begins is not None and begins > expected.now + CLOCK_SKEW):
            raise _fault(Reason.PRESENTATION_REPLAYED, name, _HOLDER)
        self._pass(
            name, _HOLDER, "持有人用凭证绑定的密钥为本次请求签了名。", "The holder's key signed for this request."
        )

    def _asked_for(self, signer: IssuerKey, vct: str, disclosed: Disclosed, asked: Sequence[CredentialQuery]) -> None:
        """Check type, claims and values, and that nothing else was disclosed."""
        named = frozenset() if signer.chain is None else signer.chain.authority_key_identifiers
        wanted = self._query
        if vct not in wanted.vct_values or (wanted.authorities and not named & set(wanted.authorities)):
            raise _fault(Reason.CREDENTIAL_NOT_ASKED_FOR, "credential.type", _TYPE)
        self._pass("credential.type", _TYPE, "是所要的凭证类型。", "It is of a type that was asked for.")
        pointers = [claim.path for one in asked if vct in one.vct_values for claim in one.claims]
        if not all(any(reaches(pointer, path) for pointer in pointers) for path in disclosed.paths):
            raise _fault(Reason.DISCLOSED_TOO_MUCH, "query.disclosures", _QUERY)
        if not wanted.answered_by(disclosed.claims):
            raise _fault(Reason.CREDENTIAL_NOT_ASKED_FOR, "query.claims", _QUERY)
        self._pass("query.claims", _QUERY, "披露的正是所要的内容。", "What was asked for is disclosed, and no more.")

    def _status(self, issuer: TrustedIssuer, claims: dict[str, Any]) -> StatusPlace | None:
        """Return where the status stands; a credential without one passes only where its issuer keeps none."""
        name = "credential.status"
        if "status" not in claims:
            if issuer.status_required:
                raise _fault(Reason.DATA_MISSING, name, _STATUS)
            sentence = Sentence("该签发者不公布状态。", "This issuer publishes no status.")
            self._made.append(Check(name, _STATUS, Outcome.NOT_APPLICABLE, sentence))
            return None
        status = claims["status"]
        listed = status.get("status_list") if isinstance(status, dict) else None
        index, uri = (listed.get("idx"), listed.get("uri")) if isinstance(listed, dict) else (None, None)
        if type(index) is not int or index < 0 or not _plain_name(uri):
            raise _fault(Reason.PRESENTATION_MALFORMED, name, _STATUS, "Its status names no place of a list.")
        return StatusPlace(str(uri), index)


def read_credential(unverified_text: object) -> tuple[SdJwt, Disclosed]:
    """Read an SD-JWT VC by its form alone; raises MalformedSdJwt."""
    if not isinstance(unverified_text, str):
        raise MalformedSdJwt("A presentation is a text.")
    sd_jwt = read_sd_jwt(unverified_text)
    check_header(sd_jwt.credential, CREDENTIAL_TYPE)
    disclosed = disclose(sd_jwt)
    if not _plain_name(disclosed.claims.get("vct")):
        raise MalformedSdJwt("The credential names no type.")
    return sd_jwt, disclosed


def told(claims: dict[str, Any], query: CredentialQuery) -> Any:  # noqa: ANN401 - any JSON value
    """Return of a credential's claims what was asked for, in that order, and nothing besides."""
    return _narrow(claims, [claim.path for claim in query.claims])


def _narrow(value: Any, pointers: Sequence[Pointer]) -> Any:  # noqa: ANN401 - any JSON value
    if not all(pointers):
        return value
    if isinstance(value, dict):
        return {
            name: _narrow(value[name], [rest[1:] for rest in pointers if rest[0] == name])
            for name in dict.fromkeys(part for part, *_ in pointers)
            if name in value
        }
    if isinstance(value, list):
        return [
            _narrow(member, fitting)
            for place, member in enumerate(value)
            if (fitting := [rest[1:] for rest in pointers if rest[0] is None or rest[0] == place])
        ]
    return None


def _fault(reason: Reason, name: str, standard: str, en: str = "") -> _Fault:
    outcome = Outcome.UNKNOWN if reason in UNKNOWN_REASONS else Outcome.FAILED
    sentence = Sentence(reason.sentence.zh, en) if en else reason.sentence
    return _Fault(reason, Check(name, standard, outcome, sentence))


def _same(said: object, expected: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(), expected.encode())


def _plain_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAXIMUM_NAME and value.isprintable()


def moment(claims: dict[str, Any], name: str) -> datetime | None:
    """Return a NumericDate of a token, None where it has none; raises MalformedSdJwt."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedSdJwt("A moment is not a number.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedSdJwt("A moment lies beyond the calendar.") from error
