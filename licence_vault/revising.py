"""What a new version takes from the old one, and which licences can have one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from licence_vault.errors import StateTransitionRefused
from licence_vault.identifier import MAX_VERSION
from licence_vault.model import IssueRequest, LicenceState, ReasonCode, RevisionKind, StateChange
from licence_vault.states import state_at
from licence_vault.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from licence_vault.model import Revision, StateRecord
    from licence_vault.repository import StoredLicence

REVISABLE = frozenset({LicenceState.VALID, LicenceState.EXPIRED})
MAX_REASON = 500
MAX_BASIS = 300
_REASONS = {
    RevisionKind.CHANGE: ReasonCode.CHANGED,
    RevisionKind.EXTENSION: ReasonCode.EXTENDED,
    RevisionKind.CORRECTION: ReasonCode.CORRECTED,
}


def require_revisable(previous: StoredLicence, records: Sequence[StateRecord], now: datetime) -> None:
    """Raise StateTransitionRefused unless a licence can have a new version now."""
    state = state_at(records, valid_from=previous.valid_from, valid_to=previous.valid_to, at=now, known_at=now).state
    if state not in REVISABLE:
        raise StateTransitionRefused(f"{state.label}的证照不能换发 / a {state} licence takes no new version.")
    if previous.version >= MAX_VERSION:
        raise StateTransitionRefused("版本号已用完 / all version numbers are used.")


def revised_request(previous: StoredLicence, revision: Revision) -> IssueRequest:
    """Return the request for the new version; raises InvalidInput naming what does not fit the kind."""
    _check(previous, revision)
    extension = revision.kind is RevisionKind.EXTENSION
    return IssueRequest(
        type_code=previous.type_code,
        issuer_code=previous.issuer_code,
        holders=previous.holders if revision.holders is None else revision.holders,
        face=previous.face if revision.face is None else revision.face,
        valid_from=revision.valid_from or previous.valid_from,
        valid_to=revision.valid_to if extension else revision.valid_to or previous.valid_to,
        idempotency_key=revision.idempotency_key,
        issued_on=revision.issued_on,
        licence_number=previous.licence_number if revision.licence_number is None else revision.licence_number,
        seal_id=revision.seal_id,
        matter_code=revision.matter_code,
        case_number=revision.case_number,
    )


def superseding(revision: Revision) -> StateChange:
    """Return what is recorded about the old version."""
    return StateChange(LicenceState.SUPERSEDED, _REASONS[revision.kind], revision.reason_text, revision.legal_basis)


def _check(previous: StoredLicence, revision: Revision) -> None:
    check_text(revision.reason_text, "reason_text", max_length=MAX_REASON)
    if revision.legal_basis:
        check_text(revision.legal_basis, "legal_basis", max_length=MAX_BASIS)
    changed = (revision.holders, revision.face, revision.licence_number)
    if revision.kind is RevisionKind.EXTENSION:
        if any(part is not None for part in changed):
            raise InvalidInput("延续不改变登载内容 / an extension changes nothing but the period.", field="kind")
        if previous.valid_to is None or (revision.valid_to is not None and revision.valid_to <= previous.valid_to):
            raise InvalidInput("延续须晚于原截止日期 / an extension ends later than before.", field="valid_to")
    elif all(part is None for part in changed) and revision.valid_from is None and revision.valid_to is None:
        raise InvalidInput("没有变更内容 / nothing is changed.", field="kind")
