"""RFC 9457 problem documents: one table from error class to status, type and title.

A class without a row of its own takes the row of its nearest mapped ancestor at run
time, so that nothing leaks; a test walks every subclass and fails on a missing row,
so that nobody relies on it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.context import prefers_english, request_id_of
from api.problem_table import BY_STATUS, INTERNAL, INVALID, MALFORMED, PROBLEMS, Problem
from api.strict import InvalidBody
from api.web.errors import error_page, wants_page
from foundation import errors as base
from idp.oauth.errors import DpopNonceNeeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

LOGGER = logging.getLogger("hufu.api")
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/problems/"


def problem_of(error: base.TrustServiceError) -> Problem:
    """Return the row of the error's class or of its nearest mapped ancestor."""
    for ancestor in type(error).__mro__:
        row = PROBLEMS.get(ancestor)
        if row is not None:
            return row
    return INTERNAL


def headers_of(error: base.TrustServiceError, realm: str) -> dict[str, str]:
    """Return the headers that belong to an error: Retry-After, WWW-Authenticate (RFC 6750, 9470)."""
    if isinstance(error, base.TooManyRequests):
        return {"retry-after": str(error.retry_after_seconds)}
    if isinstance(error, base.StepUpRequired):
        parts = [f'Bearer realm="{realm}"', 'error="insufficient_user_authentication"']
        if error.acr_values:
            parts.append(f'acr_values="{error.acr_values}"')
        if error.max_age is not None:
            parts.append(f'max_age="{error.max_age}"')
        return {"www-authenticate": ", ".join(parts)}
    if isinstance(error, DpopNonceNeeded):
        challenge = f'DPoP realm="{realm}", error="use_dpop_nonce"'
        return {"www-authenticate": challenge, "dpop-nonce": error.nonce}
    if isinstance(error, base.NotAuthenticated):
        return {"www-authenticate": f'Bearer realm="{realm}"'}
    return {}


def problem_response(
    request: Request,
    problem: Problem,
    *,
    detail: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem document; `errors` names each offending field and its rule."""
    english = prefers_english(request.headers.get("accept-language", ""))
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title_en if english else problem.title,
        "status": problem.status,
        "request_id": request_id_of(request),
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = list(errors)
    content_language = {"content-language": "en" if english else "zh-CN", "cache-control": "no-store"}
    return Response(orjson.dumps(body), problem.status, {**content_language, **(headers or {})}, media_type=MEDIA_TYPE)


def respond(request: Request, error: base.TrustServiceError) -> Response:
    """Turn a named error into its problem document."""
    problem = problem_of(error)
    if problem.status >= INTERNAL.status:
        LOGGER.error("request failed", extra={"request_id": request_id_of(request)}, exc_info=error)
    if problem is INTERNAL:
        return problem_response(request, INTERNAL)
    field = error.field
    fields = [{"field": field, "rule": error.detail or problem.title_en}] if field else []
    headers = headers_of(error, request.app.state.services.settings.issuer)
    return problem_response(request, problem, detail=error.detail, errors=fields, headers=headers)


def field_path(location: Sequence[str | int]) -> str:
    """Return `face.holders.0.name` for a pydantic location; the leading part (body, query) is dropped."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


async def on_service_error(request: Request, error: Exception) -> Response:
    """Answer a TrustServiceError."""
    assert isinstance(error, base.TrustServiceError)  # noqa: S101 - registered for this class alone
    if wants_page(request):
        status = problem_of(error).status
        if status >= INTERNAL.status:
            LOGGER.error("page failed", extra={"request_id": request_id_of(request)}, exc_info=error)
        return await error_page(request, status, error)
    return respond(request, error)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Answer a request whose shape is wrong, naming each field and rule, never the value."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(request, MALFORMED, detail="The body is not valid JSON.")
    fields = [{"field": field_path(item["loc"]), "rule": str(item["msg"])} for item in found[:50]]
    return problem_response(request, INVALID, detail="One or more fields break a rule.", errors=fields)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: no such route, wrong method, unreadable body."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if wants_page(request):
        return await error_page(request, error.status_code, None)
    if isinstance(error, InvalidBody):
        return problem_response(
            request, INVALID, detail=error.rule, errors=[{"field": error.field, "rule": error.rule}]
        )
    problem = BY_STATUS.get(error.status_code, Problem(error.status_code, "http", "请求被拒绝", "Request refused"))
    return problem_response(request, problem, headers=error.headers)


async def on_answered(request: Request, error: Exception) -> Response:
    """Answer whichever of the three kinds above it is, as FastAPI would choose."""
    if isinstance(error, base.TrustServiceError):
        return await on_service_error(request, error)
    if isinstance(error, RequestValidationError):
        return await on_validation_error(request, error)
    return await on_http_exception(request, error)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Answer anything else with a request id and nothing more; the cause goes to the log."""
    LOGGER.error("unexpected error", extra={"request_id": request_id_of(request)}, exc_info=error)
    if wants_page(request):
        try:
            return await error_page(request, INTERNAL.status, None)
        except Exception:  # the last resort: whatever hinders the page, an answer goes out
            LOGGER.exception("error page failed", extra={"request_id": request_id_of(request)})
    return problem_response(request, INTERNAL)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(base.TrustServiceError, on_service_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
