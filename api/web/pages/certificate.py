"""An own certificate: it proves the real name, and signs in. The key signs a text of ours, wherever it is kept."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import client_certificate, services_of, source_of
from api.dependencies import principal_of
from api.web.arriving import arrival_of, following_of, go_on
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.pages.sign_in import step_query
from api.web.rendering import page, say, see_other
from api.web.wrong import Wrong, wrong
from foundation.errors import TrustServiceError
from idp.people.proof import Outcome

router = APIRouter(include_in_schema=False)

CHAIN_CHARS, SIGNATURE_CHARS = 20_000, 2_000
SENTENCES = {
    Outcome.MISMATCH: N_("证书或签名没有通过核对。请确认是本人有效的个人证书，并对这次显示的文字签名。"),
    Outcome.UNAVAILABLE: N_("现在查不到证书是否已吊销，请稍后再试，或换一种方式。"),
}


@router.get("/real-name/certificate")
async def proof_form(request: Request) -> Response:
    """Show what to sign."""
    return await _proof(request)


async def _proof(request: Request, errors: Wrong | None = None) -> Response:
    ceremony = await services_of(request).people.certificates.begin(principal_of(request))
    shown = {
        "ceremony": ceremony,
        "presented": presented(request) is not None,
        "action": "/real-name/certificate",
        "signing_in": False,
        "errors": errors or {},
    }
    return await page(request, "certificate.html", shown)


@router.post("/real-name/certificate")
async def prove(request: Request) -> Response:
    """Judge the signature and keep the certificate as evidence."""
    form = await checked_form(request)
    service = services_of(request).people.certificates
    try:
        by_browser = presented(request) if _by_browser(form) else None
        if by_browser is None:
            result = await service.prove(principal_of(request), *_given(form))
        else:
            result = await service.prove_presented(principal_of(request), by_browser)
    except TrustServiceError as error:
        return await _proof(request, wrong(request, error))
    if result.outcome is not Outcome.MATCH:
        return await _proof(request, Wrong({"_form": say(request, SENTENCES[result.outcome])}))
    return see_other("/me")


@router.get("/sign-in/certificate")
async def sign_in_form(request: Request) -> Response:
    """Show what to sign."""
    return await _sign_in(request)


async def _sign_in(request: Request, errors: Wrong | None = None) -> Response:
    ceremony = await services_of(request).people.certificates.begin_sign_in(source=source_of(request))
    action = f"/sign-in/certificate{step_query(request)}"
    shown = {
        "ceremony": ceremony,
        "presented": presented(request) is not None,
        "action": action,
        "signing_in": True,
        "errors": errors or {},
    }
    return await page(request, "certificate.html", shown)


@router.post("/sign-in/certificate")
async def sign_in(request: Request) -> Response:
    """Open a session for the account that was proven with this certificate."""
    form = await checked_form(request)
    service = services_of(request).people.certificates
    try:
        by_browser, arrival = presented(request) if _by_browser(form) else None, await arrival_of(request)
        if by_browser is None:
            session = await service.sign_in(*_given(form), arrival)
        else:
            session = await service.sign_in_presented(by_browser, arrival)
    except TrustServiceError as error:
        return await _sign_in(request, wrong(request, error))
    return await go_on(request, session, following_of(request))


def presented(request: Request) -> bytes | None:
    """Return the certificate the browser showed to our proxy, where the operator has named its header."""
    return client_certificate(request) if services_of(request).settings.client_certificate_header else None


def _by_browser(form: FormData) -> bool:
    return text_of(form, "by") == "browser"


def _given(form: FormData) -> tuple[str, str, str]:
    return (
        text_of(form, "ceremony"),
        text_of(form, "chain", limit=CHAIN_CHARS),
        "".join(text_of(form, "signature", limit=SIGNATURE_CHARS).split()),
    )
