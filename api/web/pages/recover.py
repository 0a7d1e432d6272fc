"""A forgotten password: prove the real name once more, with the phone the proof names.

One page in two states: the person fills in who it is and has a code sent; the page comes back
with everything typed, and asks for the code and a new password.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of, source_of
from api.web.arriving import arrival_of, browser_of, following_of
from api.web.csrf import checked_form, password_of, text_of
from api.web.pages.account import PASSWORDS_DIFFER
from api.web.pages.sign_in import step_query
from api.web.rendering import page, say, see_other, with_next
from api.web.wrong import Wrong, wrong
from foundation.clock import civil_date
from foundation.errors import TrustServiceError
from idp.people.account import masked_mobile
from idp.people.methods import spec_of
from idp.people.mobile_codes import Purpose
from idp.people.proof import Method

router = APIRouter(include_in_schema=False)

ELEMENTS = {
    Method.TELECOM.value: ("name", "citizen_id_number", "mobile"),
    Method.BANK_CARD.value: ("name", "citizen_id_number", "card_number", "mobile"),
}
FIELDS = frozenset({"username", "name", "citizen_id_number", "card_number", "mobile", "code", "password"})


@router.get("/recover")
async def recover_page(request: Request) -> Response:
    """Ask who it is; `way=bank_card` asks for a card as well."""
    return await _recover(request, request.query_params.get("way", ""))


async def _recover(request: Request, way: str, errors: Wrong | None = None, **facts: Any) -> Response:  # noqa: ANN401 - facts of the page
    way = way if way in ELEMENTS else Method.TELECOM.value
    following = following_of(request)
    shown = {
        "way": way,
        "other": with_next("/recover", following) + ("&" if following else "?") + "way=",
        "action": f"/recover{step_query(request)}",
        "back": with_next("/sign-in", following),
        "messages": services_of(request).people.sms.configured,
        "code_id": "",
        "sent_to": "",
        "errors": errors or {},
        **facts,
    }
    return await page(request, "recover.html", shown)


@router.post("/recover")
async def recover(request: Request) -> Response:
    """Send the code, or set the new password."""
    form = await checked_form(request)
    way = text_of(form, "way")
    way = way if way in ELEMENTS else Method.TELECOM.value
    values = {name: text_of(form, name, limit=64) for name in ("username", *ELEMENTS[way])}
    facts: dict[str, Any] = {"values": values, "code_id": text_of(form, "code_id", limit=60)}
    try:
        today = civil_date(services_of(request).clock.now())
        elements = spec_of(way).read({name: values[name] for name in ELEMENTS[way]}, today)
        mobile = elements["mobile"]
        facts["sent_to"] = masked_mobile(mobile)
        if text_of(form, "act") == "send":
            facts["code_id"] = await services_of(request).people.mobile_codes.send(
                Purpose.RECOVER,
                mobile,
                source=source_of(request),
                browser=browser_of(request),
                claimed_owner=elements["citizen_id_number"],
            )
            return await _recover(request, way, **facts)
        if password_of(form, "password") != password_of(form, "password_again"):
            return await _recover(request, way, Wrong({"password_again": say(request, PASSWORDS_DIFFER)}), **facts)
        await _set(request, form, way, values, facts["code_id"])
    except TrustServiceError as error:
        facts["sent_to"] = facts.get("sent_to", "") if facts["code_id"] else ""
        return await _recover(request, way, wrong(request, error, FIELDS), **facts)
    following = following_of(request)
    return see_other(with_next("/sign-in", following) + ("&" if following else "?") + "recovered")


async def _set(request: Request, form: FormData, way: str, values: dict[str, str], code_id: str) -> None:
    await services_of(request).people.recovery.recover(
        values["username"],
        way,
        {name: values[name] for name in ELEMENTS[way]},
        code_id=code_id,
        unverified_code=text_of(form, "code", limit=20),
        unverified_new_password=password_of(form, "password"),
        channel=(await arrival_of(request)).channel,
    )
