"""Every kind of seal at every level, and what four strangers' programs say of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pyhanko.sign.ades.report import AdESPassed

from foundation.clock import FixedClock
from keys.ca import Issuer
from keys.model import KeyPurpose
from signing.model import Appearance, BaselineLevel, SealRequest
from signing.placement import Invisible, Rectangle, Seam
from signing.validation_data import ValidationDataSource
from tests.signing.conftest import make_active
from tests.signing.documents import typeset
from tests.signing.peers import (
    ades_basic,
    ades_lta,
    ades_with_time,
    openssl_accepts_timestamp,
    pdfsig_verdicts,
    qpdf_is_content,
)

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.principal import Principal
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal

PLACE = Rectangle(1, 380, 80)
TODAY = datetime.now(UTC).replace(microsecond=0)
KINDS: dict[str, tuple[dict[str, object], ...]] = {
    "image": ({"placement": PLACE},),
    "text": ({"placement": PLACE, "appearance": Appearance(show_name=True, show_time=True)},),
    "invisible": ({"placement": Invisible()},),
    "certify": ({"placement": PLACE, "certify": True},),
    "second seal": ({"placement": PLACE}, {"placement": Rectangle(1, 200, 80)}),
    "seam": ({"placement": Seam()},),
}
"""Each kind as the requests that make it, one after the other."""


@pytest.fixture
def clock() -> FixedClock:
    """Stand at the present: pyHanko takes what it is handed to exist from the machine's own time on."""
    return FixedClock(TODAY)


@pytest.fixture
async def seal_of(signing: Signing, operator: Principal, second_operator: Principal, algorithm: str) -> Seal:
    return await make_active(signing, operator, second_operator, algorithm=algorithm)


@pytest.mark.parametrize(
    ("algorithm", "kinds"),
    [("ecdsa-p256-sha256", tuple(KINDS)), ("rsa-3072-sha256", ("image",))],
    ids=["p256", "rsa"],
)
async def test_strangers_accept_every_kind_of_seal_at_every_level(
    signing: Signing,
    seal_of: Seal,
    client: Principal,
    keys: Keys,
    clock: FixedClock,
    tmp_path: Path,
    kinds: tuple[str, ...],
) -> None:
    refused = []
    for kind in kinds:
        for level in BaselineLevel:
            document = typeset(3 if kind == "seam" else 1)
            for wishes in KINDS[kind]:
                request = SealRequest(seal_of.seal_id, document, level=level, **wishes)  # type: ignore[arg-type]  # the table's
                sealed = await signing.sealing.seal(client, request)
                assert sealed.level is level
                document = sealed.document
            complaints = await judged(document, level, len(KINDS[kind]), keys, seal_of, clock.now(), tmp_path)
            refused += [(kind, level, complaint) for complaint in complaints]
    assert refused == []


async def judged(
    document: bytes, level: BaselineLevel, seals: int, keys: Keys, seal: Seal, at: datetime, directory: Path
) -> list[str]:
    """Return what pyHanko, qpdf, pdfsig and openssl have against a document."""
    complaints = []
    root = await keys.ca.certificate_der(Issuer.ROOT)
    for number in range(seals):
        result = await by_ades(document, level, number, keys, seal, at)
        if result.ades_subindic is not AdESPassed.OK:
            complaints.append(f"pyHanko, seal {number}: {result.ades_subindic} {result.failure_msg}")
    path = directory / "sealed.pdf"
    path.write_bytes(document)
    if not qpdf_is_content(path):
        complaints.append("qpdf")
    # Poppler has no word for document timestamps: each of them counts as a signature it cannot judge.
    archived = seals if level is BaselineLevel.B_LTA else 0
    verdicts = [valid for valid, _ in pdfsig_verdicts(path)]
    if (verdicts.count(True), len(verdicts)) != (seals, seals + archived):
        complaints.append(f"pdfsig: {verdicts}")
    if level.timestamped:
        issuer = await keys.ca.certificate_der(Issuer.INFRASTRUCTURE)
        answer = openssl_accepts_timestamp(document, root, issuer, at, directory)
        if "Verification: OK" not in answer.stdout:
            complaints.append(f"openssl: {answer.stderr}")
    return complaints


async def by_ades(document: bytes, level: BaselineLevel, number: int, keys: Keys, seal: Seal, at: datetime):  # type: ignore[no-untyped-def]  # noqa: ANN201 - pyHanko's result
    """Have pyHanko follow the procedure of a level; below B-LT it is given what a verifier would fetch."""
    root = await keys.ca.certificate_der(Issuer.ROOT)
    if level is BaselineLevel.B_LTA:
        return await ades_lta(document, root, at + timedelta(hours=1), number=number)
    if level is BaselineLevel.B_LT:
        return await ades_with_time(document, root, at, number=number)
    assert seal.key_id is not None
    owners = (await keys.service.get(seal.key_id), await keys.service.active(KeyPurpose.TSA))
    chains = [owner.certificate_chain_der for owner in owners]
    data = await ValidationDataSource(keys.ca, keys.ocsp).collect(chains)
    procedure = ades_with_time if level.timestamped else ades_basic
    return await procedure(document, root, at, data=data, number=number)
