"""ID card 身份证: two elements, name and number, against the population register."""

from __future__ import annotations

from idp.people.methods.base import MethodSpec, citizen_id_number, person_name
from idp.people.proof import Method

SPEC = MethodSpec(Method.ID_CARD, {"name": person_name, "citizen_id_number": citizen_id_number})
