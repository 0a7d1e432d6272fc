"""Writes the HF1 code (docs/architecture.md): a signed licence summary as text and picture."""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import cbor2
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from PIL import Image

from foundation.clock import CIVIL_TIME
from keys.model import KeyPurpose
from licence_vault.errors import FaceTooLarge

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from keys.service import KeyService

_EPOCH = date(1970, 1, 1)
CLAIM_ISS, CLAIM_EXP, CLAIM_IAT, CLAIM_LICENCE = 1, 4, 6, -65537
COSE_SIGN1_TAG = 18
ES256 = -7
MAX_VERSION = 18
QUIET_ZONE = 4


@dataclass(frozen=True, slots=True)
class QrLicence:
    """What the code says of a licence; `holder_code_tail` is the last four characters."""

    identifier: str
    type_name: str
    holder_names: tuple[str, ...]
    holder_code_tail: str
    valid_from: date
    valid_to: date | None
    status_list: int
    status_index: int
    issuer_name: str
    purpose_bound: bool = False


def _days(day: date) -> int:
    return (day - _EPOCH).days


def claims(licence: QrLicence, *, service_id: str, issued_at: datetime) -> dict[int, Any]:
    """Return the CWT claims set of a licence."""
    summary: dict[int, Any] = {
        1: licence.identifier,
        2: licence.type_name,
        3: list(licence.holder_names),
        4: licence.holder_code_tail,
        5: _days(licence.valid_from),
        7: licence.status_list,
        8: licence.status_index,
        9: licence.issuer_name,
    }
    result: dict[int, Any] = {CLAIM_ISS: service_id, CLAIM_IAT: int(issued_at.timestamp()), CLAIM_LICENCE: summary}
    if licence.valid_to is not None:
        summary[6] = _days(licence.valid_to)
        end = datetime.combine(licence.valid_to + timedelta(days=1), time(), CIVIL_TIME)
        result[CLAIM_EXP] = int(end.timestamp())
    if licence.purpose_bound:
        summary[10] = 1
    return result


def signature_structure(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure that COSE_Sign1 signs (RFC 9052 section 4.4), empty external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)


class QrWriter:
    """Makes the text of codes for one service."""

    def __init__(self, keys: KeyService, *, service_id: str, verify_page: str) -> None:
        """Take the key service, the `iss` claim and the page a phone's camera opens."""
        self._keys = keys
        self._service_id = service_id
        self._verify_page = verify_page

    async def text(self, licence: QrLicence, *, issued_at: datetime) -> str:
        """Return the HF1 text of a licence, signed by the active `qr` key."""
        key = await self._keys.active(KeyPurpose.QR)
        protected = cbor2.dumps({1: ES256, 4: key.qr_key_id}, canonical=True)
        payload = cbor2.dumps(claims(licence, service_id=self._service_id, issued_at=issued_at), canonical=True)
        digest = hashlib.sha256(signature_structure(protected, payload)).digest()
        r, s = decode_dss_signature(await self._keys.sign_digest(key.key_id, KeyPurpose.QR, digest))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        message = cbor2.CBORTag(COSE_SIGN1_TAG, [protected, {}, payload, signature])
        packed = zlib.compress(cbor2.dumps(message, canonical=True), 9)
        return f"{self._verify_page}#HF1{base64.b32encode(packed).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A QR code: its version (1 to 40) and its modules with quiet zone, row by row, 0 black and 255 white."""

    version: int
    side: int
    modules: bytes = field(repr=False)

    def png(self, *, scale: int = 6) -> bytes:
        """Return the picture as PNG, `scale` pixels a module."""
        picture = Image.frombytes("L", (self.side, self.side), self.modules)
        out = BytesIO()
        picture.resize((self.side * scale, self.side * scale), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
        return out.getvalue()


def symbol(text: str) -> Symbol:
    """Return the code of an HF1 text at error correction level M.

    Raises: FaceTooLarge beyond version 18, which phones no longer read well off paper.
    """
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    modules = bytes(memoryview(cast("Buffer", code.to_image(scale=1, add_quiet_zones=True))))
    side = math.isqrt(len(modules))
    version = (side - 2 * QUIET_ZONE - 17) // 4
    if version > MAX_VERSION:
        raise FaceTooLarge("二维码内容过长,请缩短名称 / the QR code would be too dense.", field="holders")
    return Symbol(version, side, modules)


def picture_png(text: str, *, scale: int = 6) -> bytes:
    """Return the code of an HF1 text as a PNG picture."""
    return symbol(text).png(scale=scale)
