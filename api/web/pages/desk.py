"""The officer's desk: seal a document in three steps, and what was sealed and issued."""

from dataclasses import asdict
from pathlib import PurePath

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.drafts import Draft, Drafts
from api.web.messages import FIELD_RULES, told
from api.web.organisations import organisation_name
from api.web.pages.desk_places import (
    FIELDS,
    SEAM_SHEETS,
    default_place,
    place_in,
    place_in_address,
    placement_of,
)
from api.web.preview import preview
from api.web.rendering import page, say, see_other
from foundation.errors import NotFound, TrustServiceError
from signing.errors import KeywordNotFound
from signing.model import Seal, SealRequest, SecondFactor

router = APIRouter(include_in_schema=False)

MAX_CREDENTIAL_CHARS = 20_000
PNG_HEADERS = {"cache-control": "private, no-store"}
UPLOAD_FIELDS = frozenset({"document", "matter_code"})


def drafts_of(request: Request) -> Drafts:
    """Return the drafts of this service."""
    services = services_of(request)
    return Drafts(services.cache, services.blobs)


async def draft_of(request: Request, draft_id: str) -> Draft:
    """Return the officer's own draft; raises NotFound."""
    return await drafts_of(request).get(draft_id, principal_of(request).subject_id)


@router.get("/desk")
async def desk(request: Request) -> Response:
    """Show what the officer can do now."""
    seals = await services_of(request).seals.usable_by(principal_of(request))
    organisation = await organisation_name(request, principal_of(request).organisation_code)
    return await page(request, "desk.html", {"seals": seals, "organisation": organisation})


@router.get("/desk/seal")
async def upload_page(request: Request) -> Response:
    """Step one: which document, which seal."""
    return await _upload_page(request)


async def _upload_page(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    seals = await services_of(request).seals.usable_by(principal_of(request))
    shown = {"seals": seals, "errors": errors or {}, "values": values or {}}
    return await page(request, "desk_upload.html", shown, status=422 if errors else 200)


@router.post("/desk/seal")
async def upload(request: Request) -> Response:
    """Keep the upload and go on to placing."""
    form = await checked_form(request)
    values = {"seal_id": text_of(form, "seal_id"), "matter_code": text_of(form, "matter_code")}
    document = form.get("document")
    data = await document.read() if isinstance(document, UploadFile) else b""
    if not data:
        return await _upload_page(request, {"document": say(request, FIELD_RULES["document"])}, values)
    try:
        seal = await _usable(request, values["seal_id"], values["matter_code"])
        first = await preview(data, 1)
    except TrustServiceError as error:
        found = told(error, UPLOAD_FIELDS)
        return await _upload_page(request, {found.field or "_form": say(request, found.text)}, values)
    name = PurePath(document.filename or "").name[:120] if isinstance(document, UploadFile) else ""
    draft = await drafts_of(request).begin(
        data,
        owner=principal_of(request).subject_id,
        file_name=name or "document.pdf",
        page_count=first.page_count,
        seal_id=seal.seal_id,
        seal_name=seal.name,
        organisation_name=seal.organisation_name,
        matter_code=values["matter_code"] or None,
    )
    return see_other(f"/desk/seal/{draft.draft_id}?page={first.page_count}")


async def _usable(request: Request, seal_id: str, matter_code: str) -> Seal:
    await services_of(request).seals.require_matter(matter_code or None)
    seals = await services_of(request).seals.usable_by(principal_of(request), matter_code=matter_code or None)
    for seal in seals:
        if seal.seal_id == seal_id:
            return seal
    raise NotFound("There is no such seal, or it may not be used for this matter.")


@router.get("/desk/seal/{draft_id}")
async def place_page(request: Request, draft_id: str) -> Response:
    """Step two: where the seal goes."""
    draft = await draft_of(request, draft_id)
    number = _page_number(request.query_params.get("page"), draft)
    return await _place_page(request, draft, number, values=place_in_address(request.query_params))


async def _place_page(
    request: Request,
    draft: Draft,
    number: int,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    size = await preview(await drafts_of(request).document(draft), number)
    shown = {
        "draft": draft,
        "page_number": number,
        "shown_pages": page_links(number, draft.page_count),
        "size": size,
        "errors": errors or {},
        "values": default_place(size) | (draft.place or {}) | (values or {}),
        "seam_sheets": SEAM_SHEETS,
    }
    return await page(request, "desk_place.html", shown, status=422 if errors else 200)


def page_links(current: int, count: int) -> list[int]:
    """Return the pages to link to; 0 stands for a gap."""
    wanted = sorted({1, count, *(number for number in range(current - 2, current + 3) if 1 <= number <= count)})
    found: list[int] = []
    for number in wanted:
        if found and number - found[-1] > 1:
            found.append(0)
        found.append(number)
    return found


def _page_number(unverified: str | None, draft: Draft) -> int:
    number = int(unverified) if unverified and unverified.isascii() and unverified.isdigit() else 1
    return min(max(number, 1), draft.page_count)


@router.get("/desk/seal/{draft_id}/pages/{number}.png")
async def page_picture(request: Request, draft_id: str, number: int) -> Response:
    """Return one page of the upload as a picture."""
    draft = await draft_of(request, draft_id)
    made = await preview(await drafts_of(request).document(draft), number)
    return Response(made.png, media_type="image/png", headers=PNG_HEADERS)


@router.get("/desk/seals/{seal_id}.png")
async def seal_picture(request: Request, seal_id: str) -> Response:
    """Return a seal's picture to its own organisation."""
    image = await services_of(request).seals.image(principal_of(request), seal_id)
    return Response(image.png, media_type="image/png", headers=PNG_HEADERS)


@router.post("/desk/seal/{draft_id}")
async def place(request: Request, draft_id: str) -> Response:
    """Prepare the sealing: policy, content check, and the document as it will be."""
    form = await checked_form(request)
    draft = await draft_of(request, draft_id)
    number = _page_number(text_of(form, "page"), draft)
    values = place_in(form)
    try:
        order = SealRequest(
            seal_id=draft.seal_id,
            document=await drafts_of(request).document(draft),
            placement=placement_of(values, number),
            matter_code=draft.matter_code,
        )
        prepared = await services_of(request).sealing.prepare(principal_of(request), order)
    except TrustServiceError as error:
        return await _place_page(request, draft, number, _wrong_place(request, error), values)
    drafts = drafts_of(request)
    await drafts.change(
        draft,
        intention_id=prepared.intention_id,
        preview_ref=await drafts.put(prepared.preview),
        digest=prepared.document_digest.hex(),
        challenge=prepared.challenge.hex(),
        attachments=tuple(asdict(each) for each in prepared.attachments),
        # A keyword alone decides its page; the others are looked at where the officer was.
        page=number if number in prepared.pages else next(iter(prepared.pages), None),
        place=values,
    )
    return see_other(f"/desk/confirm/{draft_id}")


def _wrong_place(request: Request, error: TrustServiceError) -> dict[str, str]:
    found = told(error, FIELDS)
    field = "keyword" if isinstance(error, KeywordNotFound) else found.field
    return {field or "_form": say(request, found.text)}


@router.get("/desk/confirm/{draft_id}")
async def confirm_page(request: Request, draft_id: str) -> Response:
    """Step three: exactly what will happen, and the second factor."""
    return await _confirm_page(request, await draft_of(request, draft_id))


async def _confirm_page(request: Request, draft: Draft, errors: dict[str, str] | None = None) -> Response:
    if draft.sealed:
        return see_other(f"/desk/done/{draft.draft_id}")
    if not draft.intention_id:
        return see_other(f"/desk/seal/{draft.draft_id}")
    number = _page_number(request.query_params.get("page") or str(draft.page or 1), draft)
    shown = {
        "prepared": draft,
        "page_number": number,
        "shown_pages": page_links(number, draft.page_count),
        "seam_sheets": SEAM_SHEETS,
        "passkey_options": await _passkey_options(request, draft),
        "errors": errors or {},
    }
    return await page(request, "desk_confirm.html", shown, status=422 if errors else 200)


async def _passkey_options(request: Request, draft: Draft) -> str:
    """Return what makes a passkey sign the intention itself, or nothing for an officer without one."""
    passkeys, principal = services_of(request).people.passkeys, principal_of(request)
    if not await passkeys.of_account(principal):
        return ""
    return orjson.dumps(await passkeys.act_options(principal, bytes.fromhex(draft.challenge))).decode()


@router.get("/desk/confirm/{draft_id}/preview.png")
async def confirm_picture(request: Request, draft_id: str) -> Response:
    """Return a page with the seal as it will be."""
    draft = await draft_of(request, draft_id)
    if not draft.preview_ref or draft.sealed:
        raise NotFound("There is no preview.")
    number = _page_number(request.query_params.get("page") or str(draft.page or 1), draft)
    made = await preview(await drafts_of(request).read(draft.preview_ref), number)
    return Response(made.png, media_type="image/png", headers=PNG_HEADERS)


@router.post("/desk/confirm/{draft_id}")
async def confirm(request: Request, draft_id: str) -> Response:
    """Check the second factor and seal; a repeated click finds what the first one did."""
    form = await checked_form(request)
    draft = await draft_of(request, draft_id)
    if draft.sealed or not draft.intention_id:
        return await _confirm_page(request, draft)
    response = text_of(form, "response", limit=MAX_CREDENTIAL_CHARS)
    factor = SecondFactor("passkey", response) if response else SecondFactor("totp", text_of(form, "code", limit=40))
    try:
        sealed = await services_of(request).sealing.confirm(principal_of(request), draft.intention_id, factor)
    except TrustServiceError as error:
        found = told(error, frozenset({"code"}))
        return await _confirm_page(request, draft, {found.field or "_form": say(request, found.text)})
    drafts = drafts_of(request)
    done = {
        "document_id": sealed.document_id,
        "use_number": sealed.use_number,
        "level": sealed.level.value,
        "sha256": sealed.sha256.hex(),
        "sealed_at": sealed.sealed_at.isoformat(),
    }
    draft = await drafts.change(draft, sealed=done)
    await drafts.discard_files(draft)
    return see_other(f"/desk/done/{draft_id}")
