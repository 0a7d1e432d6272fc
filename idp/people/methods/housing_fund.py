"""Housing fund 公积金账号: name, ID number and personal fund account."""

from __future__ import annotations

from idp.people.methods.base import MethodSpec, citizen_id_number, digits, person_name
from idp.people.proof import Method

SPEC = MethodSpec(
    Method.HOUSING_FUND,
    {
        "name": person_name,
        "citizen_id_number": citizen_id_number,
        "fund_account": digits(9, 20, "A housing fund account"),
    },
)
