"""Writing down what became of a proof, whoever vouched: an authority or two officers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from idp.people.account import DocumentType
from idp.people.account_repository import Accounts, Persons
from idp.people.levels import recompute
from idp.people.proof import NO_LEVEL, Method, Outcome
from idp.people.proof_repository import Proofs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.account import Account
    from idp.people.gateway import GatewayAnswer
    from idp.people.tools import Tools


@dataclass(frozen=True, slots=True)
class Asked:
    """One proof under way: for whom, by which method, with what, and the counter it took from.

    Without an account the person has none: somebody verified at a counter who uses no device. What is
    shown as proof may end earlier than the proof would: a certificate on `valid_until`.
    """

    account: Account | None
    method: Method
    elements: Mapping[str, str] = field(repr=False)
    evidence_id: str
    counted: bytes | None = None
    document_type: DocumentType = DocumentType.ID_CARD
    valid_until: datetime | None = None

    @property
    def document_number(self) -> str:
        """Return the number the proof is about."""
        name = "citizen_id_number" if self.document_type is DocumentType.ID_CARD else "document_number"
        return self.elements[name]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Where a proof led: the person, the level after it, and the kind of contradiction if there is one."""

    person_id: str | None
    level: str
    conflict: str = ""


async def conclude(
    connection: AsyncConnection, tools: Tools, principal: Principal, asked: Asked, answer: GatewayAnswer
) -> Conclusion:
    """Write evidence, person, level, audit and notices in the caller's transaction."""
    proofs = Proofs(connection, tools.cipher)
    person_id, conflict = (asked.account.person_id if asked.account else None), ""
    if answer.outcome is Outcome.MATCH:
        person_id, conflict = await _link(connection, tools, asked)
    columns = _columns(tools, asked, answer, None if conflict else person_id)
    written = await proofs.finish(asked.evidence_id, answer.outcome, columns)
    level = NO_LEVEL
    if person_id is not None:
        level = await recompute(connection, tools, principal, person_id, because=f"proof by {asked.method}")
    if conflict and written:
        account_id = asked.account.account_id if asked.account else None
        await proofs.note_conflict(conflict, account_id, person_id, asked.evidence_id, tools.clock.now())
    detail = {
        "method": str(asked.method),
        "outcome": str(answer.outcome),
        "level": level,
        "account_id": asked.account.account_id if asked.account else None,
    }
    await tools.audit.record(connection, principal, AuditEvent("people.prove", "evidence", asked.evidence_id, detail))
    return Conclusion(person_id, level, conflict)


async def _link(connection: AsyncConnection, tools: Tools, asked: Asked) -> tuple[str, str]:
    """Find or add the person and attach the account; return the person and the kind of conflict, if any."""
    now = tools.clock.now()
    persons = Persons(connection, tools.cipher)
    person_id = await persons.add(asked.document_type, asked.document_number, asked.elements["name"], now)
    person = await persons.by_id(person_id)
    if person is None or person.name != asked.elements["name"]:
        return person_id, "same number, other name"
    if asked.account is None:
        return person_id, ""
    if not await Accounts(connection, tools.cipher).link(asked.account.account_id, person_id, now):
        return person_id, "account of another person"
    return person_id, ""


def _columns(tools: Tools, asked: Asked, answer: GatewayAnswer, person_id: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "findings": _findings(asked, answer),
        "authority": answer.authority,
        "transaction_id": answer.transaction_id,
    }
    if answer.outcome is Outcome.MATCH:
        now = tools.clock.now()
        expires_at = now + tools.policy.lifetimes[asked.method]
        if asked.valid_until is not None:
            expires_at = min(expires_at, asked.valid_until)
        values |= {"person_id": person_id, "verified_at": now, "expires_at": expires_at}
    return values


def _findings(asked: Asked, answer: GatewayAnswer) -> dict[str, Any]:
    failed = set(answer.failed_elements)
    if answer.outcome is Outcome.MATCH:
        matched = list(asked.elements)
    elif answer.outcome is Outcome.MISMATCH and failed:
        matched = [name for name in asked.elements if name not in failed]
    else:
        matched = []
    return {"matched": matched, "failed": sorted(failed), "reason": answer.reason}
