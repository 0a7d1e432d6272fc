"""Checking a request against its type, the fonts and the issuer's seal, without writing anything."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from foundation.clock import civil_date
from foundation.errors import InvalidInput, NotFound
from licence_vault.errors import NoUsableSeal, UnknownLicenceType
from licence_vault.holders import check_holders
from licence_vault.texts import check_text, normalise_face
from licence_vault.validity import check_validity
from signing.errors import SealNotActive, SealNotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from foundation.clock import Clock
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from licence_vault.catalogue import Catalogue
    from licence_vault.definitions import LicenceType
    from licence_vault.fonts import FontSet
    from licence_vault.model import Holder, IssueRequest
    from signing.seals import SealService

MAX_KEY = 100
MAX_CASE_NUMBER = 64
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request after every rule: what will be stored, save its number."""

    request: IssueRequest
    licence_type: LicenceType
    issuer_name: str
    holders: tuple[Holder, ...]
    face: dict[str, Any]
    issued_on: date
    seal_id: str
    digest: bytes


class RequestChecker:
    """Turns what an authority asks for into what will be stored."""

    def __init__(
        self,
        *,
        clock: Clock,
        cipher: FieldCipher,
        directory: Directory,
        catalogue: Catalogue,
        seals: SealService,
        fonts: Callable[[], FontSet],
    ) -> None:
        """Take the collaborators; `fonts` is asked at the first check, since reading them takes a second."""
        self._clock = clock
        self._cipher = cipher
        self._directory = directory
        self._catalogue = catalogue
        self._seals = seals
        self._fonts = fonts

    async def check(self, request: IssueRequest) -> CheckedRequest:
        """Check every field against the type and its fonts; raises what `issue` lists."""
        if not _KEY.fullmatch(request.idempotency_key):
            raise InvalidInput(f"1 to {MAX_KEY} visible ASCII characters.", field="idempotency_key")
        if len(request.case_number) > MAX_CASE_NUMBER:
            raise InvalidInput(f"At most {MAX_CASE_NUMBER} characters.", field="case_number")
        if request.matter_code is not None:
            await self._directory.require_matter(request.matter_code)
        try:
            licence_type = await self._catalogue.get(request.type_code)
        except UnknownLicenceType as error:
            raise InvalidInput(error.detail, field="type_code") from None
        today = civil_date(self._clock.now())
        holders = check_holders(request.holders, licence_type, today)
        face = normalise_face(dict(request.face))
        (await self._catalogue.schema(licence_type)).check(face)
        issued_on = request.issued_on or today
        check_validity(licence_type, request.valid_from, request.valid_to, issued_on, today)
        number = _check_number(request.licence_number, licence_type)
        issuer_name = await self._issuer_name(request.issuer_code)
        fonts = self._fonts()
        for position, holder in enumerate(holders):
            fonts.require(holder.name, f"holders.{position}.name")
        _require_glyphs(face, "face", fonts.require)
        fonts.require(number, "licence_number")
        seal_id = request.seal_id or await self._default_seal(request.issuer_code)
        normal = replace(request, holders=holders, face=face, licence_number=number)
        return CheckedRequest(
            normal, licence_type, issuer_name, holders, face, issued_on, seal_id, self._digest(normal)
        )

    async def _issuer_name(self, issuer_code: str) -> str:
        try:
            return (await self._directory.organisation(issuer_code)).name
        except NotFound as error:
            raise InvalidInput(
                "签发机构未登记 / the issuing authority is not registered.", field="issuer_code"
            ) from error

    async def _default_seal(self, issuer_code: str) -> str:
        try:
            return (await self._seals.statutory_seal(issuer_code)).seal_id
        except (SealNotFound, SealNotActive) as error:
            raise NoUsableSeal("签发机构没有启用的法定名称章 / the issuer has no active statutory seal.") from error

    def _digest(self, request: IssueRequest) -> bytes:
        """Return a keyed digest of the request, so that equal requests are known without storing them in clear."""
        values = {
            "type_code": request.type_code,
            "holders": [[holder.name, holder.code_type, holder.code] for holder in request.holders],
            "face": dict(request.face),
            "valid_from": request.valid_from.isoformat(),
            "valid_to": request.valid_to and request.valid_to.isoformat(),
            "issued_on": request.issued_on and request.issued_on.isoformat(),
            "licence_number": request.licence_number,
            "seal_id": request.seal_id,
            "matter_code": request.matter_code,
            "case_number": request.case_number,
        }
        return self._cipher.blind_index(json.dumps(values, ensure_ascii=False, sort_keys=True), "licences.request")


def _check_number(unverified: str, licence_type: LicenceType) -> str:
    """Return the printed number checked against the type's pattern; empty stays empty unless one is required."""
    if not unverified:
        if licence_type.number_pattern:
            raise InvalidInput("须填写证照编号 / the licence number is required.", field="licence_number")
        return ""
    number = check_text(unverified, "licence_number", max_length=80)
    if licence_type.number_pattern and not re.fullmatch(licence_type.number_pattern, number):
        raise InvalidInput("证照编号格式不符合该类型 / the number has not the type's form.", field="licence_number")
    return number


def _require_glyphs(value: Any, field: str, require: Callable[[str, str], None]) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        require(value, field)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _require_glyphs(inner, f"{field}.{name}", require)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _require_glyphs(inner, f"{field}.{index}", require)
