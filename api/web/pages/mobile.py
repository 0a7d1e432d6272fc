"""Proving a mobile number: a code is sent to it and typed in."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.context import services_of, source_of
from api.web.csrf import checked_form, text_of
from api.web.pages.security import own_principal
from api.web.rendering import page, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.account import masked_mobile, normalise_mobile
from idp.people.mobile_codes import Purpose

router = APIRouter(include_in_schema=False)

FIELDS = frozenset({"mobile", "code"})


@router.get("/security/mobile")
async def mobile_page(request: Request) -> Response:
    """Ask for the number; one that was given before is filled in."""
    principal = await own_principal(request)
    account = await services_of(request).accounts.get(principal.subject_id)
    return await _mobile(request, values={"mobile": account.mobile or ""} if not account.mobile_verified else {})


async def _mobile(request: Request, errors: Wrong | None = None, **facts: Any) -> Response:  # noqa: ANN401 - facts of the page
    shown = {
        "code_id": "",
        "sent_to": "",
        "messages": services_of(request).people.sms.configured,
        "errors": errors or {},
        **facts,
    }
    return await page(request, "mobile.html", shown)


@router.post("/security/mobile")
async def mobile(request: Request) -> Response:
    """Send a code, or take it."""
    form = await checked_form(request)
    codes, principal = services_of(request).people.mobile_codes, await own_principal(request)
    values = {"mobile": text_of(form, "mobile", limit=20)}
    facts: dict[str, Any] = {"values": values, "code_id": text_of(form, "code_id", limit=60)}
    try:
        facts["sent_to"] = masked_mobile(normalise_mobile(values["mobile"]))
        if text_of(form, "act") == "send":
            facts["code_id"] = await codes.send(
                Purpose.VERIFY, values["mobile"], source=source_of(request), principal=principal
            )
            return await _mobile(request, **facts)
        await codes.verify_mobile(
            principal, facts["code_id"], text_of(form, "code", limit=20), source=source_of(request)
        )
    except TrustServiceError as error:
        facts["sent_to"] = facts.get("sent_to", "") if facts["code_id"] else ""
        return await _mobile(request, wrong(request, error, FIELDS), **facts)
    return see_other("/security?mobile-verified")
