"""Schemathesis tries the running service by its own description: no server error, answers as described."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from api.openapi import document

if TYPE_CHECKING:
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = 10
for binary in ("application/ocsp-request", "application/timestamp-query"):
    schemathesis.serializer.alias(binary, "application/octet-stream")
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
DESCRIBED = schemathesis.openapi.from_dict(document()).include(
    path_regex=r"^/(api/v1|pki|tsa|log|status-lists|healthz|problems)"
)
OPERATIONS = {result.ok().label: result.ok() for result in DESCRIBED.get_all_operations() if isinstance(result, Ok)}


def try_out(operation: Any, url: str, token: str) -> None:  # noqa: ANN401 - the tool's generic
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def cases(case: Any) -> None:  # noqa: ANN401 - the tool's generic
        headers = {"authorization": f"Bearer {token}"}
        if operation.label == "POST /api/v1/licences":
            headers["idempotency-key"] = uuid.uuid4().hex
        answer = case.call(base_url=url, headers=headers)
        if answer.headers.get("content-type", [""])[0] == "application/jwt":
            # The tool takes this type for JSON; a compact JWS has three parts (RFC 7515, section 7.1).
            assert answer.text.count(".") == 2
            case.validate_response(answer, checks=[not_a_server_error, status_code_conformance])
        else:
            case.validate_response(answer, checks=CHECKS)

    cases()


@pytest.mark.parametrize("label", OPERATIONS)
async def test_no_server_error_and_answers_as_described(city: City, label: str) -> None:
    token = await city.token()
    await asyncio.to_thread(try_out, OPERATIONS[label], city.url, token)
