"""The language of a page: Chinese is the source, English comes from a gettext catalogue.

Texts stand in Chinese in templates (`_("登录")`) and modules (`N_("…")`);
`locale/en/LC_MESSAGES/pages.po` holds every one of them in English, and a test fails
when one is missing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

CHINESE, ENGLISH = "zh-CN", "en"
LANGUAGES = (CHINESE, ENGLISH)
LANGUAGE_COOKIE = "hufu-language"
CATALOGUE = Path(__file__).parent / "locale" / "en" / "LC_MESSAGES" / "pages.po"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    """Mark a text for the catalogue; it is translated where it is shown."""
    return text


@cache
def english_texts() -> dict[str, str]:
    """Return the catalogue."""
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="en")
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


def translate(text: str, language: str) -> str:
    """Return a text in a language; one that is missing stays Chinese rather than failing a page."""
    return english_texts().get(text, text) if language == ENGLISH else text


def language_of(request: HTTPConnection) -> str:
    """Return the language the person chose by the switch, else Chinese.

    The browser's own wish does not count: many phones here speak English to the network
    while their owners read Chinese, and the switch stands on every page.
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else CHINESE
