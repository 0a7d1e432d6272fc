"""What a compromised key sealed: believed as far as a witness had seen it in the log, and no further."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from foundation.outbound import OutboundClient
from foundation.principal import ANONYMOUS, SYSTEM
from hufu import demo_city, seed
from signing.model import BaselineLevel, SealRequest
from tests.support.log_witness import LogWitness
from tests.verification.city import City, small_city
from tests.verification.pki import NOW, Pki, issue
from tests.verification.samples import blank, seal
from tests.verification.sequencing import sequence_all
from verification.limits import DEFAULT_LIMITS
from verification.log.past_seals import PastSeals, revisions
from verification.log.witnesses import WitnessAddress, Witnesses
from verification.model import Reason, Verdict
from verification.pdf import validate_pdf
from verification.sandbox.codec import decode_request, encode_request
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from verification.model import Report


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as built:
        yield built


async def judged(city: City, document: bytes) -> Report:
    city.application.verification.trust.forget()
    return (await city.application.services.verification.by_pdf(ANONYMOUS, document)).report


async def test_a_witnessed_row_proves_a_seal_older_than_its_keys_compromise(city: City) -> None:
    application = city.application
    log, database = application.verification.log, application.services.database
    outbound = OutboundClient(("127.0.0.0/8",))
    own = await seed._seal(application, demo_city.LAND_BUREAU, 2, {})
    assert own is not None
    assert own.key_id is not None

    async def sealed() -> bytes:
        request = SealRequest(own.seal_id, blank(), level=BaselineLevel.B_B)
        return (await application.signing.sealing.seal_licence(SYSTEM, request)).document

    await sequence_all(log, database)
    with LogWitness((await log.verifier_key()).text) as witness, LogWitness(witness.key, "other.example/w") as other:
        address = WitnessAddress.parse(f"{witness.key} {witness.url}")
        witnesses = Witnesses(database, log, outbound, (address,))
        application.services.verification._past = PastSeals(database, log, (address.key,))
        early = await sealed()
        await sequence_all(log, database)
        await witnesses.run()
        late = await sealed()
        # Certificates and cosignatures tell whole seconds.
        await asyncio.sleep(1.01 - time.time() % 1)
        keys = application.keys.service
        await keys.compromise(SYSTEM, own.key_id, application.services.clock.now())
        await sequence_all(log, database)
        await witnesses.run()

        passed = await judged(city, early)
        assert (passed.verdict, passed.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED), passed.checks
        assert passed.seals[0].time_source == "log"
        assert "seal.in_the_log" in {check.name for check in passed.checks}
        # The same key's other seal is in the log as well, and no witness had seen it before.
        refused = await judged(city, late)
        assert (refused.verdict, refused.seals[0].sub_indication) == (Verdict.UNDETERMINED, "REVOKED_NO_POE")

        stranger = WitnessAddress.parse(f"{other.key} {other.url}").key
        application.services.verification._past = PastSeals(database, log, (stranger,))
        assert (await judged(city, early)).seals[0].sub_indication == "REVOKED_NO_POE"
        application.services.verification._past = PastSeals(database, log, (address.key,))
        async with database.transaction() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            change = "UPDATE audit_log SET recorded_at = recorded_at - interval '1 day' WHERE action = 'seal.use'"
            await connection.execute(text(change))
        assert (await judged(city, early)).seals[0].sub_indication == "REVOKED_NO_POE", "its row says something else"
    await outbound.close()


@pytest.mark.parametrize(
    ("hours", "short_of", "verdict"),
    [(3, 0, Verdict.VALID), (1, 0, Verdict.UNDETERMINED), (3, 1, Verdict.UNDETERMINED)],
    ids=["before", "after", "another revision"],
)
def test_a_seal_counts_as_of_when_its_revision_is_known_to_have_existed(
    hours: int, short_of: int, verdict: Verdict
) -> None:
    pki = Pki()
    sealing = issue("印章", pki.issuing)
    document = seal(blank(), pki, identity=sealing, timestamp=False)
    pki.revoked.append((sealing.certificate, NOW - timedelta(hours=2)))
    existed = {len(document) - short_of: NOW - timedelta(hours=hours)}
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls(), existed=existed)
    assert decode_request(encode_request(material, NOW, DEFAULT_LIMITS))[0] == material
    assert validate_pdf(document, material, at=NOW).verdict is verdict


def test_every_revision_has_its_digest() -> None:
    document = b"%PDF-1.7 a %%EOF\n b %%EOF\r\n c"
    ends = (17, 27, 29)
    assert revisions(document) == {hashlib.sha256(document[:end]).hexdigest(): end for end in ends}
