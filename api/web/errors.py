"""Errors as pages: a word, what to do, and the number to read out to support."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api.context import services_of
from api.web import sessions
from api.web.csrf import typed_before
from api.web.i18n import N_, language_of, translate
from api.web.rendering import page, see_other, with_next
from api.web.wrong import error_sentence
from foundation.errors import NotAuthenticated, ServiceUnavailable, TrustServiceError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

HEADINGS = {
    403: N_("没有权限"),
    404: N_("没有这一页"),
    405: N_("不能这样打开这一页"),
    413: N_("内容超过上限"),
    422: N_("内容不符合要求"),
    429: N_("操作太频繁"),
    503: N_("服务暂时不可用"),
}
OTHER = N_("出了点问题")
INTERNAL = N_("问题已记录，您的操作没有生效。请稍后再试。")
MISSING = N_("地址可能写错了，或者内容已经移走。")
TOO_BIG = N_("发来的内容太大，没有接收。请换小一点的文件再试；要核验的文件最大 50 MB。")
METHOD = N_("这一页要从上一页的按钮进入，不能直接打开或刷新。请返回后再点一次按钮。")
SERVER_ERROR = 500
WRONG_METHOD = 405
NOT_FOUND = 404
TOO_LARGE = 413
UNNAMED = {WRONG_METHOD: METHOD, TOO_LARGE: TOO_BIG}


def wants_page(request: Request) -> bool:
    """Tell whether a person is looking: a browser's navigation, outside the API."""
    path = request.url.path
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


async def error_page(request: Request, status: int, error: TrustServiceError | None) -> Response:
    """Render an error; a page that needs a sign-in leads there and comes back."""
    if isinstance(error, NotAuthenticated) and request.method == "GET":
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return see_other(with_next("/sign-in", address))
    try:
        await sessions.current(request)
    except ServiceUnavailable:
        sessions.forget(request)
    language = language_of(request)
    unnamed = INTERNAL if status >= SERVER_ERROR else UNNAMED.get(status, MISSING)
    sentence = error_sentence(error, language) if error else translate(unnamed, language)
    context = {
        "heading": translate(HEADINGS.get(status, OTHER), language),
        "sentence": sentence,
        "back": back_address(request),
        "typed": typed_before(request),
        "sign_in": with_next("/sign-in", back_address(request)) if isinstance(error, NotAuthenticated) else "",
    }
    return await page(request, "error.html", context, status=status)


def back_address(request: Request) -> str:
    """Return the page of ours the person came from, else the start."""
    referer = urlsplit(request.headers.get("referer", ""))
    ours = urlsplit(services_of(request).settings.issuer)
    if referer.netloc != ours.netloc or not referer.path.startswith("/") or referer.path.startswith("//"):
        return "/"
    return referer.path + (f"?{referer.query}" if referer.query else "")
