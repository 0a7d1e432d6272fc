"""Hot routes without FastAPI's frame: matching and dependency solving would cost more than their work.

Such a route stays a FastAPI route for `openapi.yaml`, the access table and refusals of other methods; a
request for its exact address and method goes straight to its handler. What a handler raises is answered
by the same functions as anywhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.dependencies import guard
from api.strict import check_pairs, parse_json
from foundation.errors import TrustServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from fastapi import APIRouter
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]
    Answer = Callable[[Request, Exception], Awaitable[Response]]

ANSWERED = (TrustServiceError, RequestValidationError, HTTPException)


class ThinRoute(APIRoute):
    """Calls the endpoint with the request alone, which reads whatever it needs."""

    def get_route_handler(self) -> Handler:
        """Return the endpoint itself."""
        endpoint: Handler = self.endpoint
        return endpoint


class BodyRoute(APIRoute):
    """Calls the endpoint with the request and its JSON body, read strictly, after `guard`; nothing else is solved."""

    def get_route_handler(self) -> Handler:
        """Return what reads, guards and calls."""

        async def handler(request: Request) -> Response:
            if request.scope["query_string"]:
                check_pairs(request.query_params.multi_items(), frozenset())
            await guard(request)
            response: Response = await self.endpoint(request, self._checked(await _json_of(request)))
            return response

        return handler

    def _checked(self, value: object) -> Any:  # noqa: ANN401 - the model the endpoint names
        assert self.body_field is not None  # noqa: S101 - a body route without a body is a bug of ours
        body, errors = self.body_field.validate(value, {}, loc=("body",))
        if errors:
            raise RequestValidationError(errors)
        return body


async def _json_of(request: Request) -> object:
    """Return the parsed body, or its bytes when they are said to be something else; raises RequestValidationError."""
    body = await request.body()
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return body
    try:
        return parse_json(body)
    except json.JSONDecodeError as error:
        found = {"type": "json_invalid", "loc": ("body", error.pos), "msg": error.msg}
        raise RequestValidationError([found]) from error


class Direct:
    """Hands requests for thin routes to their handlers; everything else goes on to the router."""

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter], answer: Answer) -> None:
        self._app = app
        self._answer = answer
        self._routes: dict[tuple[str, str], tuple[APIRoute, Handler]] = {}
        for router in routers:
            for route in router.routes:
                # An address with a variable part needs the router's matching.
                if isinstance(route, ThinRoute | BodyRoute) and not route.param_convertors:
                    found = (route, route.get_route_handler())
                    self._routes |= dict.fromkeys([(method, route.path) for method in route.methods or ()], found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        found = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], handler = found
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except ANSWERED as error:
            response = await self._answer(request, error)
        except ClientDisconnect:
            response = await self._answer(request, HTTPException(400))
        await response(scope, receive, send)
