"""Reading requests strictly: nothing twice, nothing unknown, no characters a database cannot hold."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from fastapi import UploadFile
from fastapi.routing import APIRoute
from starlette._utils import AwaitableOrContextManagerWrapper
from starlette.exceptions import HTTPException
from starlette.requests import Request

from foundation.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    from starlette.datastructures import FormData
    from starlette.responses import Response

MAX_DEPTH = 32
MAX_LISTED_FILES = 200
ALLOWED_CONTROLS = frozenset("\t\n\r")


class InvalidBody(HTTPException):
    """The body is JSON and breaks a rule; FastAPI lets an HTTPException out of its body reading, and no other."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(422)
        self.field = field
        self.rule = rule


class _DuplicateMember(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class StrictRequest(Request):
    """A request whose JSON or form may not name a member twice (RFC 8259 section 4 leaves that open)."""

    known: frozenset[str] | None = None
    lists: frozenset[str] = frozenset()
    """Names of fields that take several files."""

    async def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the parsed body; raises InvalidBody naming a repeated member."""
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json

    def form(
        self, *, max_files: float = 4, max_fields: float = 64, max_part_size: int = 256 * 1024
    ) -> AwaitableOrContextManagerWrapper[FormData]:
        """Return the parsed form; raises InvalidBody naming a repeated or unknown field."""
        limits = (
            MAX_LISTED_FILES if self.lists else min(max_files, 4),
            min(max_fields, 64),
            min(max_part_size, 256 * 1024),
        )
        return AwaitableOrContextManagerWrapper(self._strict_form(*limits))

    async def _strict_form(self, max_files: float, max_fields: float, max_part_size: int) -> FormData:
        form = await super().form(max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)
        try:
            pairs = [
                (name, value if isinstance(value, str) else "")
                for name, value in form.multi_items()
                if name not in self.lists or isinstance(value, str)
            ]
            check_pairs(pairs, self.known)
        except InvalidBody:
            await form.close()
            raise
        return form


class StrictRoute(APIRoute):
    """A route that reads its request strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the stock handler with our request class."""
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            check_addresses(request, {field.alias for field in self.dependant.query_params})
            strict = StrictRequest(request.scope, request.receive)
            strict.known = frozenset(field.alias for field in self.dependant.body_params) or None
            strict.lists = frozenset(
                field.alias for field in self.dependant.body_params if field.field_info.annotation == list[UploadFile]
            )
            return await original(strict)

        return handler


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse UTF-8 JSON without repeated members, NaN, lone surrogates or deep nesting."""
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _DuplicateMember as error:
        raise _invalid((clean_name(error.name),), "The field is given twice.") from error
    except RecursionError as error:
        raise _invalid((), "The body is nested too deeply.") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise json.JSONDecodeError("not UTF-8 JSON", "", 0) from error
    _walk(value, (), 0)
    return value


def check_addresses(request: Request, known: Collection[str] | None) -> None:
    """Refuse repeated or unknown query parameters and unprintable path values; None knows every parameter."""
    for value in request.path_params.values():
        if isinstance(value, str) and unusable(value, allowed=frozenset()):
            raise NotFound("There is no such object.")
    check_pairs(request.query_params.multi_items(), known)


def check_pairs(pairs: list[tuple[str, str]], known: Collection[str] | None) -> None:
    """Refuse repeated or unknown parameters and control characters; None knows every name. Raises InvalidBody."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise InvalidBody(clean_name(name), "The field is given twice.")
        if known is not None and name not in known:
            raise InvalidBody(clean_name(name), "There is no such field.")
    for name, value in pairs:
        if unusable(value):
            raise InvalidBody(clean_name(name), "The text holds control characters.")


def one_header(request: Request, name: str) -> None:
    """Refuse a header that is sent twice."""
    if len(request.headers.getlist(name)) > 1:
        raise InvalidInput("The header is given twice.", field=name)


def unusable(text: str, *, allowed: frozenset[str] = ALLOWED_CONTROLS) -> bool:
    """Tell whether text holds control characters or lone surrogates."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(char) in {"Cc", "Cs"} and char not in allowed for char in text)


def clean_name(name: str) -> str:
    """Return a field name fit for an answer, whatever a caller put there."""
    return "".join(char if char.isprintable() else "?" for char in name[:64])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateMember(name)
        found[name] = value
    return found


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


def _walk(value: object, path: tuple[str | int, ...], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _invalid(path[:3], "The body is nested too deeply.")
    if isinstance(value, str) and unusable(value):
        raise _invalid(path, "The text holds control characters.")
    members: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, member in members:
        if isinstance(name, str) and unusable(name, allowed=frozenset()):
            raise _invalid(path, "A field name holds control characters.")
        _walk(member, (*path, clean_name(name) if isinstance(name, str) else name), depth + 1)


def _invalid(location: tuple[str | int, ...], rule: str) -> InvalidBody:
    return InvalidBody(".".join(str(part) for part in location) or "body", rule)
