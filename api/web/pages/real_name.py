"""Proving the real name: choose a method, give its elements, learn the outcome and no more."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of, source_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.rendering import continue_to, page, safe_next, see_other, with_next
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.proof import Method, Outcome

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Way:
    """How a method is offered: its title, what must be at hand, who is asked, the fields besides name and number."""

    method: Method
    title: str
    needed: str
    asked: str
    extra: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return every field of the form."""
        return ("name", "citizen_id_number", *self.extra)


WAYS = {
    way.method.value: way
    for way in (
        Way(
            Method.SOCIAL_SECURITY_CARD, N_("用社会保障卡"), N_("身份证、社会保障卡"), N_("社保部门"), ("card_number",)
        ),
        Way(
            Method.BANK_CARD,
            N_("用银行卡"),
            N_("身份证、本人的借记卡、办卡时留的手机号"),
            N_("银联"),
            ("card_number", "mobile"),
        ),
        Way(Method.HOUSING_FUND, N_("用公积金账号"), N_("身份证、公积金个人账号"), N_("公积金中心"), ("fund_account",)),
        Way(Method.TELECOM, N_("用手机号"), N_("身份证、本人实名登记的手机号"), N_("手机运营商"), ("mobile",)),
        Way(Method.ID_CARD, N_("用身份证"), N_("身份证"), N_("公安人口库"), ()),
    )
}


@router.get("/real-name")
async def choose(request: Request) -> Response:
    """Show the methods with the level each gives; asked for a level, those that do not reach it are left out."""
    following, wanted = request.query_params.get("next", ""), request.query_params.get("acr", "")
    levels = services_of(request).people.policy.grants
    ways = [way for way in WAYS.values() if levels[way.method] >= wanted or wanted not in {"L1", "L2"}]
    links = [(way, with_next(f"/real-name/{way.method.value}", following)) for way in ways]
    groups = [
        (level, [link for link in links if levels[link[0].method] == level]) for level in ("L4", "L3", "L2", "L1")
    ]
    shown = {
        "groups": [group for group in groups if group[1]],
        "following": following,
        "certificates": services_of(request).people.certificates.offered,
    }
    return await page(request, "real_name_choose.html", shown)


@router.get("/real-name/{method}")
async def form_page(request: Request, method: str) -> Response:
    """Ask for one method's elements."""
    if method not in WAYS:
        return see_other(with_next("/real-name", request.query_params.get("next")))
    return await _form_page(request, WAYS[method])


async def _form_page(
    request: Request, way: Way, errors: Wrong | None = None, values: dict[str, str] | None = None
) -> Response:
    following = request.query_params.get("next", "")
    shown = {
        "way": way,
        "action": with_next(f"/real-name/{way.method.value}", following),
        "others": with_next("/real-name", following),
        "following": following,
        "errors": errors or {},
        "values": values or {},
    }
    return await page(request, "real_name.html", shown)


@router.post("/real-name/{method}")
async def prove(request: Request, method: str) -> Response:
    """Ask the authority, and tell the outcome without saying which element failed."""
    form = await checked_form(request)
    if method not in WAYS:
        return see_other("/real-name")
    way = WAYS[method]
    elements = {name: text_of(form, name, limit=60) for name in way.fields}
    try:
        result = await services_of(request).real_name.prove(
            principal_of(request), way.method.value, elements, source=source_of(request)
        )
    except TrustServiceError as error:
        return await _form_page(request, way, wrong(request, error, frozenset(way.fields)), elements)
    following = safe_next(request.query_params.get("next"), "/home")
    if result.outcome is Outcome.MATCH and following.startswith("/oauth/"):
        return await continue_to(request, following)
    shown = {
        "outcome": result.outcome.value,
        "way": way,
        "level": result.level,
        "following": following,
        "again": with_next("/real-name", request.query_params.get("next")),
    }
    return await page(request, "real_name_done.html", shown)
