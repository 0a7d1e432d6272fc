"""`verified_claims` of OpenID Identity Assurance 1.0: what was verified, how, when and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from idp.people.account import DocumentType
from idp.people.proof import Method, level_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from idp.people.account import Person
    from idp.people.proof import Evidence, LevelPolicy

TRUST_FRAMEWORK = "cn_hufu_real_name"

_CHECK_METHODS = {Method.COUNTER: "pvp"}
"""`vdig`, a check against a digital record, for all but the physical presence at a counter."""

RECORD_TYPES = {
    Method.ID_CARD: "population_register",
    Method.SOCIAL_SECURITY_CARD: "social_security_register",
    Method.BANK_CARD: "bank_account",
    Method.TELECOM: "mobile_network_operator",
    Method.HOUSING_FUND: "housing_fund_register",
    Method.COUNTER: "id_document_seen",
    Method.CERTIFICATE: "electronic_signature_certificate",
}
"""The word of another provider rests on no record we saw: it is a `vouch`."""


def verified_claims(
    person: Person, evidence: Sequence[Evidence], policy: LevelPolicy, now: datetime
) -> dict[str, Any] | None:
    """Return the claim over the evidence that counts at `now`; None when none does."""
    counting = [item for item in evidence if policy.counts(item, now)]
    if not counting:
        return None
    return {
        "verification": {
            "trust_framework": TRUST_FRAMEWORK,
            "assurance_level": level_at(evidence, policy, now),
            "time": max(item.verified_at for item in counting).isoformat(),
            "evidence": [_evidence(item) for item in counting],
        },
        "claims": {
            "name": person.name,
            ("citizen_id_number" if person.document_type is DocumentType.ID_CARD else "document_number"): (
                person.document_number
            ),
        },
    }


def _vouch(item: Evidence) -> dict[str, Any]:
    return {
        "type": "vouch",
        "attestation": {
            "type": "digital_attestation",
            "date_of_issuance": item.verified_at.date().isoformat(),
            "voucher": {"organization": item.authority},
        },
        "method": str(item.method),
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    if item.method is Method.UPSTREAM:
        return _vouch(item)
    return {
        "type": "electronic_record",
        "check_details": [
            {
                "check_method": _CHECK_METHODS.get(item.method, "vdig"),
                "organization": item.authority,
                "txn": item.transaction_id,
                "time": item.verified_at.isoformat(),
            }
        ],
        "record": {"type": RECORD_TYPES[item.method], "source": {"name": item.authority}},
        "method": str(item.method),
    }
