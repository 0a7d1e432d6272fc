"""The issue desk: an officer issues a licence by a form made from the type's own schema."""

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.context import services_of
from api.dependencies import principal_of
from api.web.csrf import checked_form, text_of
from api.web.i18n import N_
from api.web.messages import told
from api.web.rendering import page, say, see_other
from foundation.errors import InvalidInput, TrustServiceError
from licence_vault.catalogue import LicenceType
from licence_vault.model import Holder, IssueRequest

router = APIRouter(include_in_schema=False)

LONG_CHARS = 100
MAX_VALUE_CHARS = 4000
BAD_DATE = N_("请填日期，例如 2026-11-22。")
OWN_FIELDS = frozenset({"holder_name", "holder_code", "licence_number", "valid_from", "valid_to", "matter_code"})
CODE_TYPES = {"001": N_("统一社会信用代码"), "111": N_("公民身份号码"), "414": N_("护照"), "511": N_("台湾居民通行证")}
FIELD_OF = {"holders": "holder_code", "holders.0.name": "holder_name", "holders.0.code": "holder_code"}


@dataclass(frozen=True, slots=True)
class FaceField:
    """One field of the face as the form shows it: `kind` is text, area, lines, choice, date or number."""

    name: str
    label: str
    kind: str
    required: bool
    choices: tuple[str, ...]
    longest: int


def face_fields(licence_type: LicenceType) -> list[FaceField]:
    """Return the form fields of a type's schema, in its order."""
    required = set(licence_type.schema.get("required", ()))
    found = []
    for name, rule in licence_type.schema.get("properties", {}).items():
        longest = int(rule.get("maxLength", MAX_VALUE_CHARS))
        field = FaceField(
            f"face_{name}",
            rule.get("title", name),
            _kind(rule, longest),
            name in required,
            tuple(rule.get("enum", ())),
            longest,
        )
        found.append(field)
    return found


def _kind(rule: dict[str, Any], longest: int) -> str:
    if "enum" in rule:
        return "choice"
    by_type = {"array": "lines", "integer": "number"}
    if rule.get("type") in by_type:
        return by_type[rule["type"]]
    if rule.get("format") == "date":
        return "date"
    return "area" if longest > LONG_CHARS else "text"


@router.get("/desk/issue")
async def choose(request: Request) -> Response:
    """Show the types."""
    return await page(request, "issue_choose.html", {"types": await services_of(request).catalogue.types()})


@router.get("/desk/issue/{type_code}")
async def form_page(request: Request, type_code: str) -> Response:
    """Show a type's form."""
    return await _form_page(request, await services_of(request).catalogue.get(type_code), {"key": uuid.uuid4().hex})


async def _form_page(
    request: Request, licence_type: LicenceType, values: dict[str, str], errors: dict[str, str] | None = None
) -> Response:
    code = principal_of(request).organisation_code
    matters = await services_of(request).directory.matters(owner_code=code)
    shown = {
        "type": licence_type,
        "fields": face_fields(licence_type),
        "matters": matters,
        "code_types": [(item, CODE_TYPES.get(item, item)) for item in licence_type.holder_code_types],
        "values": values,
        "errors": errors or {},
    }
    return await page(request, "issue.html", shown, status=422 if errors else 200)


@router.post("/desk/issue/{type_code}")
async def issue(request: Request, type_code: str) -> Response:
    """Issue; the form's own key makes a second click find the first one's licence."""
    form = await checked_form(request)
    services, principal = services_of(request), principal_of(request)
    licence_type = await services.catalogue.get(type_code)
    values = {name: text_of(form, name, limit=MAX_VALUE_CHARS) for name in form if name != "form_token"}
    try:
        order = order_of(form, licence_type, principal.organisation_code or "")
        licence = await services.licences.issue(principal, order)
    except TrustServiceError as error:
        return await _form_page(request, licence_type, values, _errors(request, error, licence_type))
    return see_other(f"/desk/issued?new={licence.identifier}")


def order_of(form: FormData, licence_type: LicenceType, issuer_code: str) -> IssueRequest:
    """Return the order a form stands for; raises InvalidInput naming the field of a bad date."""
    face = {field.name.removeprefix("face_"): _value(form, field) for field in face_fields(licence_type)}
    return IssueRequest(
        type_code=licence_type.code,
        issuer_code=issuer_code,
        holders=(Holder(text_of(form, "holder_name"), text_of(form, "code_type"), text_of(form, "holder_code")),),
        face={name: value for name, value in face.items() if value not in (None, "", [])},
        valid_from=_date(form, "valid_from") or date.min,
        valid_to=_date(form, "valid_to"),
        licence_number=text_of(form, "licence_number"),
        matter_code=text_of(form, "matter_code") or None,
        idempotency_key=f"desk-{text_of(form, 'key', limit=40)}",
    )


def _value(form: FormData, field: FaceField) -> object:
    text = text_of(form, field.name, limit=MAX_VALUE_CHARS)
    if field.kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == "number" and text.isascii() and text.isdigit():
        return int(text)
    return text


def _date(form: FormData, name: str) -> date | None:
    text = text_of(form, name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(BAD_DATE, field=name) from error


def _errors(request: Request, error: TrustServiceError, licence_type: LicenceType) -> dict[str, str]:
    """Return the error at the field it names: the vault's own sentence says the rule in Chinese and English."""
    field = error.field or ""
    face = {one.name for one in face_fields(licence_type)}
    name = FIELD_OF.get(field, field)
    if field.startswith("face."):
        name = "face_" + field.split(".")[1]
    if name in OWN_FIELDS | face:
        return {name: error.detail or say(request, told(error).text)}
    sentence = say(request, told(error).text)
    return {"_form": f"{sentence} {error.detail}" if isinstance(error, InvalidInput) else sentence}
