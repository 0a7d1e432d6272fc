"""The officer's desk: seal a document in three steps, and what was sealed and issued."""

from pathlib import PurePath
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.drafts import Draft, Drafts
from api.web.messages import FIELD_RULES, told
from api.web.preview import Preview, preview
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, NotFound, TrustServiceError
from signing.model import Seal, SealRequest, SecondFactor
from signing.placement import ROUND_SEAL_POINTS, Invisible, Placement, Rectangle

router = APIRouter(include_in_schema=False)

POINTS_PER_MM = 72 / 25.4
MARGIN_MM = 25.0
MAX_MM = 5000.0
MAX_CREDENTIAL_CHARS = 20_000
PNG_HEADERS = {"cache-control": "private, no-store"}
UPLOAD_FIELDS = frozenset({"document", "matter_code"})
PLACE_FIELDS = frozenset({"x", "y", "size"})


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
    return await page(request, "desk.html", {"seals": seals, "organisation": await organisation_name(request)})


async def organisation_name(request: Request) -> str:
    """Return the name of the officer's organisation, or nothing while the directory lacks it."""
    code = principal_of(request).organisation_code
    try:
        return (await services_of(request).directory.organisation(code)).name if code else ""
    except NotFound:
        return ""


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
    seals = await services_of(request).seals.usable_by(principal_of(request), matter_code=matter_code or None)
    for seal in seals:
        if seal.seal_id == seal_id:
            return seal
    raise NotFound("There is no such seal, or it may not be used for this matter.")


@router.get("/desk/seal/{draft_id}")
async def place_page(request: Request, draft_id: str) -> Response:
    """Step two: where the seal goes."""
    draft = await draft_of(request, draft_id)
    return await _place_page(request, draft, _page_number(request.query_params.get("page"), draft))


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
        "values": values or _default_place(draft, size),
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


def _default_place(draft: Draft, size: Preview) -> dict[str, str]:
    if draft.size:
        return {"x": _mm(draft.x), "y": _mm(draft.y), "size": _mm(draft.size)}
    x = max(0.0, size.width - ROUND_SEAL_POINTS - MARGIN_MM * POINTS_PER_MM)
    return {"x": _mm(x), "y": _mm(MARGIN_MM * 2 * POINTS_PER_MM), "size": _mm(ROUND_SEAL_POINTS)}


def _mm(points: float) -> str:
    return f"{points / POINTS_PER_MM:.1f}".removesuffix(".0")


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
    values = {name: text_of(form, name, limit=10) for name in ("x", "y", "size")}
    try:
        placement = _placement(form, number, values)
        order = SealRequest(
            seal_id=draft.seal_id,
            document=await drafts_of(request).document(draft),
            placement=placement,
            matter_code=draft.matter_code,
        )
        prepared = await services_of(request).sealing.prepare(principal_of(request), order)
    except TrustServiceError as error:
        found = told(error, PLACE_FIELDS)
        wrong = {found.field or "_form": say(request, found.text)}
        return await _place_page(request, draft, number, wrong, values)
    drafts = drafts_of(request)
    facts: dict[str, Any] = {"page": None}
    if isinstance(placement, Rectangle):
        facts = {"page": number, "x": placement.x, "y": placement.y, "size": placement.width}
    await drafts.change(
        draft,
        intention_id=prepared.intention_id,
        preview_ref=await drafts.put(prepared.preview),
        digest=prepared.document_digest.hex(),
        challenge=prepared.challenge.hex(),
        **facts,
    )
    return see_other(f"/desk/confirm/{draft_id}")


def _placement(form: FormData, number: int, values: dict[str, str]) -> Placement:
    if text_of(form, "invisible") == "yes":
        return Invisible()
    size = _points(values["size"], "size")
    return Rectangle(number, _points(values["x"], "x"), _points(values["y"], "y"), size, size)


def _points(unverified: str, field: str) -> float:
    text = unverified.replace("，", ".").replace(",", ".")
    try:
        millimetres = float(text) if text.isascii() else -1.0
    except ValueError:
        millimetres = -1.0
    if not 0 <= millimetres <= MAX_MM:
        raise InvalidInput("A length is given in millimetres.", field=field)
    return millimetres * POINTS_PER_MM


@router.get("/desk/confirm/{draft_id}")
async def confirm_page(request: Request, draft_id: str) -> Response:
    """Step three: exactly what will happen, and the second factor."""
    return await _confirm_page(request, await draft_of(request, draft_id))


async def _confirm_page(request: Request, draft: Draft, errors: dict[str, str] | None = None) -> Response:
    if draft.sealed:
        return see_other(f"/desk/done/{draft.draft_id}")
    if not draft.intention_id:
        return see_other(f"/desk/seal/{draft.draft_id}")
    shown = {"prepared": draft, "passkey_options": await _passkey_options(request, draft), "errors": errors or {}}
    return await page(request, "desk_confirm.html", shown, status=422 if errors else 200)


async def _passkey_options(request: Request, draft: Draft) -> str:
    """Return what makes a passkey sign the intention itself, or nothing for an officer without one."""
    passkeys, principal = services_of(request).people.passkeys, principal_of(request)
    if not await passkeys.of_account(principal):
        return ""
    return orjson.dumps(await passkeys.act_options(principal, bytes.fromhex(draft.challenge))).decode()


@router.get("/desk/confirm/{draft_id}/preview.png")
async def confirm_picture(request: Request, draft_id: str) -> Response:
    """Return the page with the seal as it will be."""
    draft = await draft_of(request, draft_id)
    if not draft.preview_ref or draft.sealed:
        raise NotFound("There is no preview.")
    made = await preview(await drafts_of(request).read(draft.preview_ref), draft.page or 1)
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
