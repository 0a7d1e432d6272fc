"""Forms come from our own pages: the Origin must be ours, and the form carries the session's token.

The token is an HMAC under the session's secret, so nothing is stored for it and it ends
with the session. Before sign-in a random cookie of the browser takes the secret's place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from api.context import services_of
from api.strict import check_pairs
from api.web import cookies
from foundation.errors import NotPermitted
from foundation.ids import new_secret

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

FIELD = "form_token"
_NEW, _READ, _TYPED = "hufu.form_secret", "hufu.forms", "hufu.typed"
MAX_FIELDS = 120
MAX_TYPED, MAX_TYPED_CHARS = 20, 500
_SECRET = re.compile("token|password|code|secret|once|ticket|collector|_id$|act$|answer|response")
MAX_PASSWORD_CHARS = 500


class ForeignForm(NotPermitted):
    """The form was not sent from a page of ours, or its session has ended."""


def token(request: Request) -> str:
    """Return the token for forms of this browser's session; a browser without a cookie is given one."""
    secret = cookies.read(request, cookies.SESSION) or cookies.read(request, cookies.FORM) or request.scope.get(_NEW)
    if not secret:
        secret = request.scope[_NEW] = new_secret()
    return hmac.new(secret.encode(), b"hufu form", hashlib.sha256).hexdigest()


def keep_secret(request: Request, response: Response) -> None:
    """Set the cookie that `token` made up, if it did."""
    if _NEW in request.scope:
        cookies.put(request, response, cookies.FORM, request.scope[_NEW])


def check_origin(request: Request) -> None:
    """Refuse a request another site's page caused; raises ForeignForm.

    A browser that sends no Origin says by Sec-Fetch-Site or Referer where the form stood.
    """
    origin = request.headers.get("origin")
    if origin is None:
        site = request.headers.get("sec-fetch-site")
        referer = request.headers.get("referer", "")
        if site == "same-origin" or (site is None and referer and _same(request, referer)):
            return
    elif _same(request, origin):
        return
    raise ForeignForm("The form was not sent from a page of this service.")


def _same(request: Request, address: str) -> bool:
    ours, theirs = urlsplit(services_of(request).settings.issuer), urlsplit(address)
    return (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())


async def public_form(request: Request) -> FormData:
    """Return the form of a page that works without a session; raises ForeignForm, InvalidBody."""
    check_origin(request)
    form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=256 * 1024)
    request.scope.setdefault(_READ, []).append(form)
    check_pairs([(name, value if isinstance(value, str) else "") for name, value in form.multi_items()], None)
    return form


def keep_typed(request: Request, form: FormData) -> None:
    """Keep what was typed for the error page, so that it can be copied: texts of the person's own, no secrets."""
    texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and value.strip()]
    request.scope[_TYPED] = [value[:MAX_TYPED_CHARS] for name, value in texts if not _SECRET.search(name)][:MAX_TYPED]


async def keep_typed_if_ours(request: Request) -> None:
    """Keep what a form of ours held; what another site or a program sent is not looked at."""
    try:
        keep_typed(request, await public_form(request))
    except (ForeignForm, HTTPException):
        return


def typed_before(request: Request) -> list[str]:
    """Return what a form held that could not be taken."""
    return list(request.scope.get(_TYPED, ()))


async def close_forms(request: Request) -> None:
    """Close the temporary files of what was uploaded."""
    for form in request.scope.pop(_READ, ()):
        await form.close()


async def checked_form(request: Request) -> FormData:
    """Return the form after checking origin and token; raises ForeignForm, InvalidBody."""
    form = await public_form(request)
    given = form.get(FIELD)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), token(request).encode()):
        keep_typed(request, form)
        raise ForeignForm("The page was open for too long; load it again and repeat.")
    return form


def text_of(form: FormData, name: str, *, limit: int = 200) -> str:
    """Return a text field, stripped and cut at a length no honest input reaches."""
    value = form.get(name)
    return value.strip()[:limit] if isinstance(value, str) else ""


def password_of(form: FormData, name: str) -> str:
    """Return a password exactly as typed, cut at a length no honest input reaches."""
    value = form.get(name)
    return value[:MAX_PASSWORD_CHARS] if isinstance(value, str) else ""
