"""The real-name methods that an authority answers; `counter` is answered by officers instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from idp.people.methods import bank_card, housing_fund, id_card, social_security_card, telecom

if TYPE_CHECKING:
    from idp.people.methods.base import MethodSpec
    from idp.people.proof import Method

SPECS: dict[Method, MethodSpec] = {
    spec.method: spec
    for spec in (id_card.SPEC, social_security_card.SPEC, bank_card.SPEC, telecom.SPEC, housing_fund.SPEC)
}


def spec_of(unverified_method: str) -> MethodSpec:
    """Return what a method asks for; raises InvalidInput."""
    for method, spec in SPECS.items():
        if method == unverified_method:
            return spec
    raise InvalidInput("The method is one of " + ", ".join(SPECS) + ".", field="method")
