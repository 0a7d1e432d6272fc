"""The verdict on everything a wallet sent: each credential, its status, and whether it is all that was asked."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from verification.model import Check, Outcome, Report, Subject, Verdict
from verification.presentation.credential import UNKNOWN_REASONS, Examined, examine, told
from verification.presentation.sd_jwt import MalformedSdJwt, strict_json
from verification.words import Reason, Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from verification.presentation.credential import Expectation
    from verification.presentation.dcql import Query
    from verification.presentation.issuers import TrustedIssuer
    from verification.presentation.statuses import CredentialStatuses
    from verification.revocation import RevocationLists

MAXIMUM_PRESENTATIONS = 16
_TOKEN = "OpenID4VP 1.0, 8.1 and 8.6"  # noqa: S105 - a standard's name
_SETS = "OpenID4VP 1.0, 6.4.2"


@dataclass(frozen=True, slots=True)
class PresentedCredential:
    """What was asked for of one sound credential."""

    query_id: str
    vct: str
    issuer: str
    claims: Mapping[str, Any] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored, encrypted, and told to whoever asked."""
        return {"id": self.query_id, "vct": self.vct, "issuer": self.issuer, "claims": dict(self.claims)}


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict, and what was presented when it is VALID; otherwise nothing of it is kept."""

    report: Report
    credentials: tuple[PresentedCredential, ...] = ()


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a verdict rests on: issuers with their anchors, their lists of credentials, and those of certificates."""

    issuers: Sequence[TrustedIssuer]
    statuses: CredentialStatuses
    lists: RevocationLists


async def judge_answer(vp_token: object, query: Query, expectation: Expectation, trusted: Trusted) -> Judged:
    """Judge a `vp_token`: as an object when it came encrypted, as JSON text when it came in a form."""
    text = vp_token if isinstance(vp_token, str) else ""
    try:
        presented = _presentations(vp_token, query)
    except MalformedSdJwt as error:
        reason = Reason.PRESENTATION_MALFORMED
        check = Check("presentation.form", _TOKEN, Outcome.FAILED, Sentence(reason.sentence.zh, str(error)))
        return Judged(_report(reason, (check,), _digest([text]), expectation.now, expectation.now))
    subject = _digest([item for _, item in presented])
    examined = await asyncio.to_thread(_examine_all, presented, query, expectation, trusted.issuers)
    missing = [address for one in examined for address in one.addresses]
    if fetched := await trusted.lists.fetch(missing):
        issuers = [item.with_lists(fetched) for item in trusted.issuers]
        examined = await asyncio.to_thread(_examine_all, presented, query, expectation, issuers)
    with_status, oldest = await _look_up(examined, expectation.now, trusted)
    return _conclude(with_status, query, subject, expectation.now, oldest)


def _presentations(vp_token: object, query: Query) -> list[tuple[str, str]]:
    """Return the presentations by query id; raises MalformedSdJwt."""
    found = strict_json(vp_token.encode("utf-8", "replace")) if isinstance(vp_token, str) else vp_token
    if not isinstance(found, dict) or not found:
        raise MalformedSdJwt("The vp_token is no object by query id.")
    presented = []
    for query_id, listed in found.items():
        asked = query.find(query_id)
        if asked is None or not isinstance(listed, list) or not listed:
            raise MalformedSdJwt("The vp_token answers something that was not asked.")
        if len(listed) > 1 and not asked.multiple:
            raise MalformedSdJwt("The vp_token answers one query several times.")
        presented += [(query_id, item) for item in listed]
    if len(presented) > MAXIMUM_PRESENTATIONS or not all(isinstance(item, str) for _, item in presented):
        raise MalformedSdJwt("The vp_token holds something else than presentations, or too many.")
    return presented


def _examine_all(
    presented: list[tuple[str, str]], query: Query, expectation: Expectation, issuers: Sequence[TrustedIssuer]
) -> list[Examined]:
    asked = {item.id: item for item in query.credentials}
    return [examine(item, asked[name], query.credentials, expectation, issuers) for name, item in presented]


async def _look_up(examined: list[Examined], now: datetime, trusted: Trusted) -> tuple[list[Examined], datetime]:
    """Add each credential's status; return the age of the oldest list with it, those of certificates included."""
    found, oldest = [], now
    for one in examined:
        oldest = min(oldest, one.as_of or oldest)
        if one.status is None or one.issuer is None:
            found.append(one)
            continue
        finding = await trusted.statuses.find(one.status, one.issuer, now)
        oldest = min(oldest, finding.as_of)
        found.append(replace(one, reason=finding.reason, checks=(*one.checks, finding.check)))
    return found, oldest


def _conclude(examined: list[Examined], query: Query, subject: Subject, now: datetime, oldest: datetime) -> Judged:
    several = len(examined) > 1
    checks = tuple(_named(check, one.query_id) if several else check for one in examined for check in one.checks)
    reasons = [one.reason for one in examined if one.reason is not None]
    certain = [reason for reason in reasons if reason not in UNKNOWN_REASONS]
    if reasons:
        return Judged(_report((certain or reasons)[0], checks, subject, now, oldest))
    answered = {one.query_id for one in examined}
    complete = query.satisfied_by(answered)
    sentence = (
        Sentence("所要的凭证齐全。", "Every credential that was required is there.")
        if complete
        else Reason.CREDENTIAL_NOT_ASKED_FOR.sentence
    )
    checks = (*checks, Check("query.sets", _SETS, Outcome.PASSED if complete else Outcome.FAILED, sentence))
    if not complete:
        return Judged(_report(Reason.CREDENTIAL_NOT_ASKED_FOR, checks, subject, now, oldest))
    asked = {item.id: item for item in query.credentials}
    credentials = tuple(
        PresentedCredential(
            one.query_id, one.vct, "" if one.issuer is None else one.issuer.name, told(one.claims, asked[one.query_id])
        )
        for one in examined
    )
    return Judged(_report(Reason.ALL_CHECKS_PASSED, checks, subject, now, oldest), credentials)


def _named(check: Check, query_id: str) -> Check:
    return replace(check, detail=Sentence(f"{query_id}：{check.detail.zh}", f"{query_id}: {check.detail.en}"))


def _digest(presented: list[str]) -> Subject:
    """Name what was presented by its digest: it holds signatures and salts, so nobody can guess it."""
    return Subject(
        "presentation", sha256_hex=hashlib.sha256("\n".join(presented).encode("utf-8", "replace")).hexdigest()
    )


def _report(reason: Reason, checks: tuple[Check, ...], subject: Subject, now: datetime, data_as_of: datetime) -> Report:
    valid = reason is Reason.ALL_CHECKS_PASSED
    failed = Verdict.UNDETERMINED if reason in UNKNOWN_REASONS else Verdict.INVALID
    return Report(
        verdict=Verdict.VALID if valid else failed,
        reason=reason,
        subject=subject,
        checked_at=now,
        data_as_of=data_as_of,
        checks=checks,
        advice=(_BEARER,) if valid else (),
    )


_BEARER = Sentence(
    "出示者证明了他持有凭证的密钥；当面办理时请核对本人。",
    "Whoever presented it holds the credential's key; at a window, look at the person as well.",
)
