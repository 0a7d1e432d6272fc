"""Status lists of credential issuers (Token Status List): fetched, kept for as long as they say, never longer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.errors import UpstreamUnavailable
from verification.model import Check, Outcome
from verification.presentation.credential import CLOCK_SKEW, moment
from verification.presentation.issuers import UntrustedIssuer, check_header, signed_by, status_keys
from verification.presentation.sd_jwt import Jws, MalformedSdJwt, read_jws, unbase64url
from verification.status.encoding import JWT_TYPE, BadStatusList, inflate
from verification.words import Reason, Sentence

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.outbound import OutboundClient
    from verification.presentation.credential import StatusPlace
    from verification.presentation.issuers import TrustedIssuer
    from verification.revocation import RevocationLists

MAXIMUM_BYTES = 4 * 1024 * 1024
MAXIMUM_INFLATED = 16 * 1024 * 1024
MAXIMUM_KEPT = 16
DEFAULT_TTL = timedelta(minutes=5)
LONGEST_TTL = timedelta(minutes=15)
OLDEST = timedelta(hours=24)
"""A list that names no end is believed so long; one that does, until its end."""
_STANDARD = "Token Status List, 8.3"
_OK = 200
_PLACES = {1: 8, 2: 4, 4: 2, 8: 1}
VALID, INVALID, SUSPENDED = 0, 1, 2
_REASONS = {INVALID: Reason.CREDENTIAL_REVOKED, SUSPENDED: Reason.CREDENTIAL_SUSPENDED}


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list whose signature holds."""

    bits: int
    packed: bytes
    issued_at: datetime
    expires_at: datetime
    ttl: timedelta

    def at(self, index: int) -> int | None:
        """Return the value at a place, None beyond the end."""
        byte, place = divmod(index, _PLACES[self.bits])
        if byte >= len(self.packed):
            return None
        return self.packed[byte] >> (self.bits * place) & ((1 << self.bits) - 1)


@dataclass(frozen=True, slots=True)
class StatusFinding:
    """What a status list says of one credential; `reason` of None is VALID as of `as_of`."""

    reason: Reason | None
    check: Check
    as_of: datetime


def read_list(unverified_token: str, uri: str, issuer: TrustedIssuer, at: datetime) -> StatusList:
    """Read and check a status list token in JWT form, at the address it was fetched from.

    Raises: MalformedSdJwt, UntrustedIssuer, BadStatusList.
    """
    token = read_jws(unverified_token)
    check_header(token, JWT_TYPE)
    if token.claims.get("sub") != uri:
        raise BadStatusList("It is another list.")
    keys = status_keys(token, issuer, at)
    if not any(signed_by(token, item.key, large=True) for item in keys):
        raise BadStatusList("Its signature does not hold.")
    return _unpacked(token)


def _unpacked(token: Jws) -> StatusList:
    listed: Any = token.claims.get("status_list")
    bits, lst = (listed.get("bits"), listed.get("lst")) if isinstance(listed, dict) else (None, None)
    if type(bits) is not int or bits not in _PLACES or not isinstance(lst, str):
        raise BadStatusList("It holds no list.")
    issued, ends = moment(token.claims, "iat"), moment(token.claims, "exp")
    if issued is not None and ends is None:
        ends = moment({"exp": token.claims["iat"] + OLDEST.total_seconds()}, "exp")
    if issued is None or ends is None:
        raise BadStatusList("It does not say of when it is.")
    ttl = token.claims.get("ttl")
    seconds = ttl if isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl > 0 else None
    kept = DEFAULT_TTL if seconds is None else timedelta(seconds=min(seconds, LONGEST_TTL.total_seconds()))
    return StatusList(bits, inflate(unbase64url(lst), MAXIMUM_INFLATED), issued, ends, kept)


def judge_status(found: StatusList | None, index: int, now: datetime) -> StatusFinding:
    """Say what a list means for one place; without a fresh list nothing is VALID."""
    if found is None:
        return _finding(Reason.DATA_MISSING, now)
    if found.expires_at <= now or found.issued_at > now + CLOCK_SKEW:
        return _finding(Reason.DATA_STALE, found.issued_at)
    value = found.at(index)
    if value == VALID:
        sentence = Sentence("状态列表中未被撤销或暂停。", "The status list has it neither revoked nor suspended.")
        return StatusFinding(None, Check("credential.status", _STANDARD, Outcome.PASSED, sentence), found.issued_at)
    if value is None:
        return _finding(Reason.DATA_MISSING, found.issued_at)
    # Values that are the issuer's own are no permission to be taken for valid.
    return _finding(_REASONS.get(value, Reason.CREDENTIAL_REVOKED), found.issued_at)


def _finding(reason: Reason, as_of: datetime) -> StatusFinding:
    outcome = Outcome.UNKNOWN if reason in {Reason.DATA_MISSING, Reason.DATA_STALE} else Outcome.FAILED
    return StatusFinding(reason, Check("credential.status", _STANDARD, outcome, reason.sentence), as_of)


class CredentialStatuses:
    """Fetches lists; a few are kept, each no longer than its `ttl`."""

    def __init__(self, outbound: OutboundClient, lists: RevocationLists) -> None:
        """Take the one way out, and the lists of certificates that sign lists."""
        self._outbound, self._lists = outbound, lists
        self._kept: dict[tuple[str, str], tuple[float, StatusList]] = {}

    async def find(self, place: StatusPlace, issuer: TrustedIssuer, now: datetime) -> StatusFinding:
        """Look one credential's status up."""
        key = (issuer.issuer_id, place.uri)
        kept = self._kept.get(key)
        if kept is None or time.monotonic() >= kept[0]:
            self._kept.pop(key, None)
            fetched = await self._fetch(place.uri, issuer, now)
            if fetched is None:
                return judge_status(None, place.index, now)
            if len(self._kept) >= MAXIMUM_KEPT:
                self._kept.pop(next(iter(self._kept)))
            kept = self._kept[key] = (time.monotonic() + fetched.ttl.total_seconds(), fetched)
        return judge_status(kept[1], place.index, now)

    async def _fetch(self, uri: str, issuer: TrustedIssuer, now: datetime) -> StatusList | None:
        try:
            response = await self._outbound.request(
                "GET", uri, headers={"accept": f"application/{JWT_TYPE}"}, max_bytes=MAXIMUM_BYTES
            )
            if response.status != _OK:
                return None
            return await self._read(response.body.decode("ascii"), uri, issuer, now)
        except (UpstreamUnavailable, MalformedSdJwt, UntrustedIssuer, BadStatusList, UnicodeDecodeError):
            return None

    async def _read(self, unverified_token: str, uri: str, issuer: TrustedIssuer, now: datetime) -> StatusList:
        """Read a list aside, since it takes its time; with its signer's revocation list where that is missing."""
        try:
            return await asyncio.to_thread(read_list, unverified_token, uri, issuer, now)
        except UntrustedIssuer as error:
            further = issuer.with_lists(await self._lists.fetch(error.addresses))
            return await asyncio.to_thread(read_list, unverified_token, uri, further, now)
