"""A window asks a person's wallet: choose what, show the code, wait, see the answer once."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of
from api.dependencies import principal_of
from api.routes.presentations import presentations_of
from api.web import cookies
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.messages import told
from api.web.pages.public import ADVICE, data_address
from api.web.rendering import page, say, see_other
from foundation.errors import Conflict, NotFound, TrustServiceError
from licence_vault import qr
from verification.model import Verdict
from verification.presentation.dcql import Pointer
from verification.presentation.register import Permission
from verification.presentation.repository import State, Transaction
from verification.presentation.request_object import wallet_link
from verification.presentation.service import LIFETIME, MAXIMUM_PURPOSE, PresentationRequest

router = APIRouter(include_in_schema=False)

HANDLE = re.compile(r"[A-Za-z0-9_-]{32}")
FIELDS = frozenset({"permission", "purpose"})
CHOOSE = N_("请选择要核对的凭证。")
YES, NO = N_("是"), N_("否")
CLAIMS: Mapping[str, str] = {
    "name": N_("姓名或名称"),
    "family_name": N_("姓"),
    "given_name": N_("名"),
    "birthdate": N_("出生日期"),
    "sex": N_("性别"),
    "nationalities": N_("国籍"),
    "address": N_("地址"),
    "country": N_("国家"),
    "region": N_("省（区、市）"),
    "locality": N_("城市"),
    "street_address": N_("街道门牌"),
    "postal_code": N_("邮政编码"),
    "phone_number": N_("手机号"),
    "document_number": N_("证件号码"),
    "credit_code": N_("统一社会信用代码"),
    "licence_number": N_("证照编号"),
    "issuing_authority": N_("签发机构"),
    "date_of_issuance": N_("签发日期"),
    "date_of_expiry": N_("有效期至"),
}
"""What claims are called that many issuers name alike; others show under their own name."""


@router.get("/desk/presentations")
async def begin(request: Request) -> Response:
    """Ask which credential, and what for."""
    return await _begin_page(request)


async def _begin_page(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    choices = [(item, _claim_words(request, item.claims)) for item in await _permissions(request)]
    shown = {"choices": choices, "errors": errors or {}, "values": values or {}, "longest": MAXIMUM_PURPOSE}
    return await page(request, "presentation.html", shown, status=422 if errors else 200)


@router.post("/desk/presentations")
async def start(request: Request) -> Response:
    """Start a request for everything that the chosen permission allows.

    Where the request lies stays in a cookie of the page that draws it; here is only its digest.
    """
    form = await checked_form(request)
    values = {name: text_of(form, name) for name in FIELDS}
    permissions = await _permissions(request)
    chosen = next((item for item in permissions if item.permission_id == values["permission"]), None)
    if chosen is None:
        return await _begin_page(request, {"permission": say(request, CHOOSE)}, values)
    claims = [{"path": list(pointer)} for pointer in chosen.claims]
    credential = {"id": "credential", "format": "dc+sd-jwt", "meta": {"vct_values": [chosen.vct]}, "claims": claims}
    asked = PresentationRequest({"credentials": [credential]}, values["purpose"])
    try:
        started = await presentations_of(request).start(principal_of(request), asked)
    except TrustServiceError as error:
        told_of = told(error, FIELDS)
        return await _begin_page(request, {told_of.field or "_form": say(request, told_of.text)}, values)
    address = f"/desk/presentations/{started.transaction.transaction_id}"
    response = see_other(address)
    handle, seconds = started.request_uri.rpartition("/")[2], int(LIFETIME.total_seconds())
    cookies.put_for_page(request, response, cookies.PRESENTATION, handle, path=address, max_age=seconds)
    return response


@router.get("/desk/presentations/{transaction_id}")
async def watch(request: Request, transaction_id: str) -> Response:
    """Draw the code while nobody answered, then say how it went.

    What is over is deleted a minute later, so that an old page finds nothing any more.
    """
    try:
        found = await presentations_of(request).status(principal_of(request), transaction_id)
    except NotFound:
        return await page(request, "presentation_wait.html", {"state": "gone"}, status=404)
    credential = found.query["credentials"][0]
    types = credential["meta"]["vct_values"]
    titles = [item.title for item in await _permissions(request) if item.vct in types]
    shown: dict[str, Any] = {
        "asked": found,
        "state": found.state.value,
        "title": (titles or types)[0],
        "claims": _claim_words(request, [claim["path"] for claim in credential["claims"]]),
    }
    return await page(request, "presentation_wait.html", shown | _code(request, found))


def _code(request: Request, found: Transaction) -> dict[str, Any]:
    """Return the picture of the code while it can be scanned, in the browser that asked."""
    handle = request.cookies.get(cookies.page_name(request, cookies.PRESENTATION), "")
    if found.state is not State.WAITING or not HANDLE.fullmatch(handle):
        return {}
    services = services_of(request)
    link = wallet_link(found.client_id, f"{services.settings.issuer}/openid4vp/requests/{handle}")
    left = found.expires_at - services.clock.now()
    picture = data_address("image/png", qr.picture_png(link))
    return {"picture": picture, "seconds": max(1, int(left.total_seconds()))}


@router.get("/desk/presentations/{transaction_id}/state")
async def state(request: Request, transaction_id: str) -> Response:
    """Tell the page that shows the code whether a wallet answered."""
    found = await presentations_of(request).status(principal_of(request), transaction_id)
    body = orjson.dumps({"state": found.state.value})
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


@router.post("/desk/presentations/{transaction_id}")
async def decide(request: Request, transaction_id: str) -> Response:
    """Show the answer, once; or take the request back. What is too late leads to how it stands."""
    form = await checked_form(request)
    try:
        if text_of(form, "answer") == "cancel":
            await presentations_of(request).cancel(principal_of(request), transaction_id)
            return see_other("/desk/presentations")
        return await _result(request, transaction_id)
    except Conflict:
        return see_other(f"/desk/presentations/{transaction_id}")


async def _result(request: Request, transaction_id: str) -> Response:
    found = await presentations_of(request).collect(principal_of(request), transaction_id)
    verdict = Verdict(found.report["verdict"])
    request.app.state.metrics.verdict("presentation", verdict.value)
    titles = {item.vct: item.title for item in await _permissions(request)}
    credentials = [
        (titles.get(item["vct"], item["vct"]), item["issuer"], list(_rows(request, item["claims"])))
        for item in found.credentials
    ]
    shown = {
        "report": found.report,
        "todo": say(request, ADVICE[verdict]),
        "credentials": credentials,
        "times": [datetime.fromisoformat(found.report[name]) for name in ("checked_at", "data_as_of")],
        "receipt": found.receipt,
        "receipt_id": found.receipt_id,
    }
    return await page(request, "presentation_done.html", shown)


async def _permissions(request: Request) -> tuple[Permission, ...]:
    return await services_of(request).verification_parts.presentation_register.permissions(principal_of(request))


def _claim_words(request: Request, pointers: Iterable[Pointer]) -> list[str]:
    return [_word(request, [str(part) for part in pointer if part is not None]) for pointer in pointers]


def _word(request: Request, path: Iterable[str]) -> str:
    return " · ".join(say(request, CLAIMS[name]) if name in CLAIMS else _visible(name) for name in path)


def _visible(text: str) -> str:
    """Return a stranger's text as it is stored: what would turn round or hide its neighbours shows as its code."""
    return "".join(f"[U+{ord(char):04X}]" if unicodedata.category(char) in {"Cc", "Cf"} else char for char in text)


def _rows(request: Request, value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield what was presented as lines: objects and lists by their parts."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _rows(request, part, (*path, key))
    elif isinstance(value, list):
        for part in value:
            yield from _rows(request, part, path)
    elif isinstance(value, bool):
        yield _word(request, path), say(request, YES if value else NO)
    elif value is not None:
        yield _word(request, path), _visible(str(value))
