"""Cookie names and attributes; `__Host-` wherever the service is reached by https."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.context import services_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

SESSION, PENDING, DEVICE, FORM, SHOW = "hufu-session", "hufu-pending", "hufu-device", "hufu-form", "hufu-show"
PRESENTATION = "hufu-presentation"
DEVICE_SECONDS = 400 * 24 * 3600
PREFERENCE_SECONDS = 365 * 24 * 3600


def secure(request: HTTPConnection) -> bool:
    """Tell whether the service's public address is https."""
    return services_of(request).settings.issuer.startswith("https://")


def full_name(request: HTTPConnection, name: str) -> str:
    """Return `__Host-name` under https; a plain name on http://localhost, which browsers refuse the prefix."""
    return f"__Host-{name}" if secure(request) else name


def read(request: HTTPConnection, name: str) -> str | None:
    """Return a cookie's value."""
    return request.cookies.get(full_name(request, name))


def put(request: HTTPConnection, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set a cookie that scripts cannot read and other sites' requests do not carry.

    NOTE: Lax, not Strict: a person who arrives from a department's page is signed in already.
    """
    response.set_cookie(
        full_name(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=secure(request),
        httponly=True,
        samesite="lax",
    )


def put_for_page(
    request: HTTPConnection, response: Response, name: str, value: str, *, path: str, max_age: int
) -> None:
    """Set a cookie that comes back to one page of ours alone, and to no request another site causes."""
    response.set_cookie(
        page_name(request, name),
        value,
        max_age=max_age,
        path=path,
        secure=secure(request),
        httponly=True,
        samesite="strict",
    )


def page_name(request: HTTPConnection, name: str) -> str:
    """Return `__Secure-name` under https: `__Host-` is for cookies of the whole site."""
    return f"__Secure-{name}" if secure(request) else name


def drop(request: HTTPConnection, response: Response, name: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(full_name(request, name), path="/", secure=secure(request), httponly=True, samesite="lax")
