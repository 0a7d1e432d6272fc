"""Telecom operator 电信运营商: name, ID number and mobile number.

The gateway finds the operator; a number carried over from another one (携号转网) is asked where it is now.
"""

from __future__ import annotations

from idp.people.methods.base import MethodSpec, citizen_id_number, mobile, person_name
from idp.people.proof import Method

SPEC = MethodSpec(Method.TELECOM, {"name": person_name, "citizen_id_number": citizen_id_number, "mobile": mobile})
