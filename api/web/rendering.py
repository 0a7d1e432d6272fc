"""Templates into pages: language, large type, the signed-in person, form tokens."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.context import request_id_of, services_of
from api.web import csrf
from api.web.i18n import ENGLISH, LANGUAGES, english_texts, language_of, translate
from api.web.navigation import links_of
from api.web.sessions import current
from api.web.wrong import Wrong
from idp.people.account import AccountKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from idp.people.session import Session

HERE = Path(__file__).parent
STATIC = HERE / "static"
TYPE_COOKIE = "hufu-type"
CIVIL_TIME = ZoneInfo("Asia/Shanghai")
MAX_NEXT_CHARS = 1000
SERVER_ERROR = 500


@cache
def environment(language: str) -> Environment:
    """Return the template environment of one language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    gettext = partial(translate, language=language)
    made.install_gettext_callables(gettext, lambda one, _many, _count: gettext(one), newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(day=partial(day, language=language), moment=partial(moment, language=language), grouped=grouped)
    made.globals.update(asset=asset)
    return made


@cache
def asset(name: str) -> str:
    """Return a static file's address with a digest of its content, so that it may be cached for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def day(value: date | None, *, language: str) -> str:
    """Return a date as people read it; None is a licence without an end."""
    if value is None:
        return translate("长期", language)
    return value.isoformat() if language == ENGLISH else f"{value.year}年{value.month}月{value.day}日"


def moment(value: datetime | None, *, language: str) -> str:
    """Return a moment in China's civil time."""
    if value is None:
        return "—"
    local = value.astimezone(CIVIL_TIME)
    return f"{day(local.date(), language=language)} {local:%H:%M}"


def grouped(text: str, size: int = 4) -> str:
    """Return text in groups that can be read out."""
    return " ".join(text[at : at + size] for at in range(0, len(text), size))


async def page(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    """Render a page for this browser."""
    language = language_of(request)
    session = await current(request)
    shown: dict[str, Any] = {
        "request_path": request.url.path,
        "navigation": links_of(session, asks_wallets=await _asks_wallets(request, session, status)),
        "language": language,
        "languages": LANGUAGES,
        "large": request.cookies.get(TYPE_COOKIE) == "large",
        "session": session,
        "city": services_of(request).settings.city_name,
        "form_token": csrf.token(request),
        "request_id": request_id_of(request),
        "now": datetime.now(UTC),
        "errors": {},
        "values": {},
        "notice": None,
    }
    shown |= context or {}
    headers = {"cache-control": "no-store", "content-language": language}
    errors = shown["errors"]
    if isinstance(errors, Wrong) and errors:
        status = errors.status
        headers |= {"retry-after": str(errors.retry_after_seconds)} if errors.retry_after_seconds else {}
    html = environment(language).get_template(template).render(shown)
    response = HTMLResponse(html, status, headers=headers)
    csrf.keep_secret(request, response)
    return response


async def _asks_wallets(request: Request, session: Session | None, status: int) -> bool:
    """Tell whether an officer's organisation is registered to ask wallets; a page about a failure does not look."""
    if session is None or session.kind is not AccountKind.OFFICER or session.unfinished or status >= SERVER_ERROR:
        return False
    return bool(await services_of(request).verification_parts.presentation_register.permissions(session.principal()))


def say(request: Request, text: str, **values: object) -> str:
    """Return a marked text in the page's language."""
    found = translate(text, language_of(request))
    return found % values if values else found


def see_other(address: str) -> Response:
    """Answer a form with another page (303), so that a reload repeats nothing."""
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


async def continue_to(request: Request, address: str) -> Response:
    """Answer a form with a page that moves on by itself.

    NOTE: browsers hold a redirect after a form against `form-action 'self'`, all the way
    along; a page in between ends the form's own navigation, so the policy stays strict.
    """
    return await page(request, "continue.html", {"address": address})


def safe_next(unverified: str | None, default: str) -> str:
    """Return a path of ours to go on to; anything that could lead elsewhere gives the default."""
    if not unverified or len(unverified) > MAX_NEXT_CHARS or not unverified.isascii() or not unverified.isprintable():
        return default
    parts = urlsplit(unverified)
    bad_start = not unverified.startswith("/") or unverified.startswith(("//", "/\\")) or "\\" in unverified
    return default if bad_start or parts.scheme or parts.netloc or parts.fragment else unverified


def with_next(path: str, following: str | None) -> str:
    """Return `path?next=…`."""
    return f"{path}?next={quote(following, safe='')}" if following else path


def catalogue_ready() -> bool:
    """Load the catalogue at start rather than at the first page."""
    return bool(english_texts())
