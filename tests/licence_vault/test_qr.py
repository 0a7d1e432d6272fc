"""The HF1 code, taken apart by other means than the ones that made it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
import zxingcpp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from PIL import Image

from keys.model import KeyPurpose
from licence_vault.errors import FaceTooLarge
from licence_vault.qr import QrLicence, QrWriter, picture_png, symbol

if TYPE_CHECKING:
    from keys.assembly import Keys

PAGE = "https://verify.demo.gov.cn/v"
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
IDENTIFIER = "1.2.156.3005.2.11100000MB0143028R031.115001010001234567.20260000001.001.U"
PERSON = QrLicence(
    identifier=IDENTIFIER,
    type_name="建筑施工企业安全生产管理人员考核合格证书",
    holder_names=("阿卜杜拉·买买提",),
    holder_code_tail="123X",
    valid_from=date(2026, 3, 2),
    valid_to=date(2031, 3, 1),
    status_list=123456,
    status_index=65535,
    issuer_name="演示市中心区市场监督管理局",
)


async def taken_apart(keys: Keys, text: str) -> tuple[dict[Any, Any], bytes, bytes, bytes]:
    address, _, payload = text.partition("#HF1")
    assert address == PAGE
    assert payload.isascii()
    assert payload == payload.upper()
    message = cbor2.loads(zlib.decompress(base64.b32decode(payload + "=" * (-len(payload) % 8))))
    assert message.tag == 18
    protected, unprotected, body, signature = message.value
    assert unprotected == {}
    key = await keys.service.active(KeyPurpose.QR)
    assert cbor2.loads(protected) == {1: -7, 4: key.qr_key_id}
    assert cbor2.dumps(cbor2.loads(body), canonical=True) == body
    return cbor2.loads(body), protected, body, signature


async def test_the_code_holds_what_the_contract_says_and_its_signature_stands(keys: Keys) -> None:
    writer = QrWriter(keys.service, service_id="CN-5000", verify_page=PAGE)
    text = await writer.text(PERSON, issued_at=AT)
    claims, protected, body, signature = await taken_apart(keys, text)
    days = (date(2026, 3, 2) - date(1970, 1, 1)).days
    assert claims == {
        1: "CN-5000",
        6: int(AT.timestamp()),
        4: int(datetime(2031, 3, 1, 16, tzinfo=UTC).timestamp()),
        -65537: {
            1: IDENTIFIER,
            2: PERSON.type_name,
            3: ["阿卜杜拉·买买提"],
            4: "123X",
            5: days,
            6: (date(2031, 3, 1) - date(1970, 1, 1)).days,
            7: 123456,
            8: 65535,
            9: PERSON.issuer_name,
        },
    }
    key = load_der_public_key((await keys.service.active(KeyPurpose.QR)).public_key_der)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    signed = cbor2.dumps(["Signature1", protected, b"", body])
    key.verify(der, signed, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(der, signed[:-1] + bytes([signed[-1] ^ 1]), ec.ECDSA(SHA256()))


async def test_a_long_term_licence_has_no_end_and_a_copy_says_so(keys: Keys) -> None:
    writer = QrWriter(keys.service, service_id="CN-5000", verify_page=PAGE)
    text = await writer.text(replace(PERSON, valid_to=None, purpose_bound=True), issued_at=AT)
    claims, *_ = await taken_apart(keys, text)
    assert 4 not in claims
    assert 6 not in claims[-65537]
    assert claims[-65537][10] == 1


LONG_COMPANY = "演示市山城餐饮文化发展集团股份有限公司中心区人民路第一百二十三分公司"


@pytest.mark.parametrize(
    ("name", "type_name", "most"),
    [
        ("阿卜杜拉·买买提", "食品经营许可证", 15),
        ("陈伟", PERSON.type_name, 15),
        (LONG_COMPANY, PERSON.type_name, 18),
    ],
)
async def test_the_code_stays_readable_off_paper(keys: Keys, name: str, type_name: str, most: int) -> None:
    writer = QrWriter(keys.service, service_id="CN-5000", verify_page=PAGE)
    text = await writer.text(replace(PERSON, holder_names=(name,), type_name=type_name), issued_at=AT)
    assert symbol(text).version <= most
    picture = Image.open(BytesIO(picture_png(text, scale=3)))
    read = zxingcpp.read_barcodes(picture)
    assert [(one.text, one.ec_level) for one in read] == [(text, "M")]


def test_what_no_phone_would_read_is_refused() -> None:
    with pytest.raises(FaceTooLarge):
        symbol(f"{PAGE}#HF1" + "A2B7" * 300)
