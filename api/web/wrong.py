"""What is wrong with a form: sentences by field, and the status the page answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.web.i18n import ENGLISH, N_, language_of, translate
from api.web.messages import sentence_of, told
from foundation.errors import NotPermitted, TooManyRequests, TrustServiceError
from idp.people.errors import SignInRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

FORM = "_form"
FORBIDDEN, UNPROCESSABLE, TOO_MANY = 403, 422, 429
MINUTE, HOUR = 60, 3600
WAIT = N_("请等大约 %(wait)s 再试。")


class Wrong(dict[str, str]):
    """Sentences by field; `_form` stands above the form. `page` takes its status and waiting time."""

    def __init__(
        self, sentences: Mapping[str, str], *, status: int = UNPROCESSABLE, retry_after_seconds: int | None = None
    ) -> None:
        """Keep the sentences, already in the page's language."""
        super().__init__(sentences)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


def wrong(request: Request, error: TrustServiceError, fields: frozenset[str] = frozenset()) -> Wrong:
    """Return what a form says about an error: at its field, else above the form.

    Not permitted answers 403, too many requests 429 with the time to wait, everything else 422.
    """
    language = language_of(request)
    found = told(error, fields)
    field = FORM if isinstance(error, SignInRefused) else found.field or FORM
    text = translate(found.text, language)
    if isinstance(error, TooManyRequests):
        seconds = error.retry_after_seconds
        return Wrong({field: _with_wait(text, seconds, language)}, status=TOO_MANY, retry_after_seconds=seconds)
    return Wrong({field: text}, status=FORBIDDEN if isinstance(error, NotPermitted) else UNPROCESSABLE)


def waiting_sentence(seconds: int, language: str) -> str:
    """Return how long to wait, in words, rounded up to what a person counts in."""
    if seconds < MINUTE:
        count, unit = seconds, N_("%(count)s 秒")
    elif seconds < 2 * HOUR:
        count, unit = -(-seconds // MINUTE), N_("%(count)s 分钟")
    else:
        count, unit = -(-seconds // HOUR), N_("%(count)s 小时")
    return translate(WAIT, language) % {"wait": translate(unit, language) % {"count": count}}


def error_sentence(error: TrustServiceError, language: str) -> str:
    """Return the sentence of an error page."""
    text = translate(sentence_of(error), language)
    return _with_wait(text, error.retry_after_seconds, language) if isinstance(error, TooManyRequests) else text


def _with_wait(text: str, seconds: int, language: str) -> str:
    return text + (" " if language == ENGLISH else "") + waiting_sentence(seconds, language)
