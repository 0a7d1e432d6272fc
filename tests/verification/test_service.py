from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from sqlalchemy import select

from foundation.directory import Directory, District, Organisation
from foundation.errors import InvalidInput, NotFound, TooManyRequests
from foundation.principal import ANONYMOUS, Principal, PrincipalKind
from foundation.tables import audit_log
from keys.assembly import assemble
from tests.support.ground import hold_ceremony
from tests.verification.records import IDENTIFIER, Record, Records
from tests.verification.samples import blank, seal
from verification.assembly import assemble_verification
from verification.model import Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys
    from tests.verification.pki import Pki
    from verification.assembly import Verification

BUREAU = Principal(PrincipalKind.CLIENT, "cli_bureau", organisation_code="11500000MB0000001X")


@pytest.fixture
def records() -> Records:
    return Records(Record())


@pytest.fixture
async def keys(settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher) -> AsyncIterator[Keys]:
    await hold_ceremony("verifier", settings, database, clock, cipher)
    keys = assemble(settings, database, clock, cipher)
    await keys.service.load()
    yield keys
    await keys.close()


@pytest.fixture
async def verification(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    cache: Cache,
    keys: Keys,
    records: Records,
) -> AsyncIterator[Verification]:
    built = assemble_verification(
        settings, database, clock=clock, audit=audit, cache=cache, keys=keys, licences=records
    )
    yield built
    await built.close()


@pytest.mark.parametrize(
    ("state", "verdict", "reason"),
    [
        ("valid", Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        ("pending", Verdict.INVALID, Reason.LICENCE_PENDING),
        ("suspended", Verdict.INVALID, Reason.LICENCE_SUSPENDED),
        ("expired", Verdict.INVALID, Reason.LICENCE_EXPIRED),
        ("superseded", Verdict.INVALID, Reason.LICENCE_SUPERSEDED),
        ("cancelled", Verdict.INVALID, Reason.LICENCE_CANCELLED),
        ("withdrawn", Verdict.INVALID, Reason.LICENCE_WITHDRAWN),
        ("revoked", Verdict.INVALID, Reason.LICENCE_REVOKED),
        ("transferred", Verdict.INVALID, Reason.LICENCE_TRANSFERRED),
        ("erroneous", Verdict.INVALID, Reason.LICENCE_ERRONEOUS),
    ],
)
async def test_each_state_has_its_verdict(
    verification: Verification, records: Records, state: str, verdict: Verdict, reason: Reason
) -> None:
    records.become(state=state)
    report = (await verification.service.by_identifier(ANONYMOUS, IDENTIFIER)).report
    assert (report.verdict, report.reason) == (verdict, reason)
    text = json.dumps(report.to_json(), ensure_ascii=False)
    assert "陈伟" not in text
    assert "500101199003071232" not in text


async def test_dates_decide_by_the_civil_day_in_china(
    verification: Verification, records: Records, clock: FixedClock
) -> None:
    clock.advance(timedelta(days=1))
    records.become(valid_to=date(2026, 3, 2))
    last_hour = datetime(2026, 3, 2, 15, 59, tzinfo=UTC)
    on_the_day = await verification.service.by_identifier(ANONYMOUS, IDENTIFIER, at=last_hour)
    after = await verification.service.by_identifier(ANONYMOUS, IDENTIFIER, at=last_hour + timedelta(minutes=1))
    assert (on_the_day.report.verdict, after.report.reason) == (Verdict.VALID, Reason.LICENCE_EXPIRED)


@pytest.mark.parametrize(
    ("compare", "verdict"),
    [
        ({"holder_name": "陈伟"}, Verdict.VALID),
        ({"holder_name": " 陈 伟 ", "holder_code": "500101199003071232"}, Verdict.VALID),
        ({"holder_name": "王芳", "holder_code": "500101199003071232"}, Verdict.INVALID),
        ({"holder_name": "李四"}, Verdict.INVALID),
        ({"holder_code": ""}, Verdict.INVALID),
    ],
)
async def test_holder_data_is_compared_and_never_told(
    verification: Verification, compare: dict[str, str], verdict: Verdict
) -> None:
    report = (await verification.service.by_identifier(BUREAU, IDENTIFIER, compare=compare)).report
    assert report.verdict is verdict
    assert report.reason is (Reason.ALL_CHECKS_PASSED if verdict is Verdict.VALID else Reason.HOLDER_DIFFERS)
    text = json.dumps(report.to_json(), ensure_ascii=False)
    assert "王芳" not in text
    assert "陈" not in text


async def test_strangers_who_guess_at_one_holder_are_stopped_wherever_they_come_from(
    verification: Verification, cache: Cache
) -> None:
    del cache  # empty at the start
    service = verification.service
    for number in range(10):
        guess = {"holder_code": f"{500101199003070000 + number}"}
        assert (await service.by_identifier(ANONYMOUS, IDENTIFIER, compare=guess)).report.verdict is Verdict.INVALID
    for compare in ({"holder_code": "500101199003071232"}, {"holder_name": "陈伟"}):
        with pytest.raises(TooManyRequests):
            await service.by_identifier(ANONYMOUS, IDENTIFIER, compare=compare)
    # Who compares nothing goes on, and so does a department, which answers by name.
    assert (await service.by_identifier(ANONYMOUS, IDENTIFIER)).report.verdict is Verdict.VALID
    named = await service.by_identifier(BUREAU, IDENTIFIER, compare={"holder_name": "陈伟"})
    assert named.report.verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("known", "most"), [({"holder_code": "500101199003071233"}, 20), ({"holder_name": "陈 伟"}, 200)]
)
async def test_nobody_asks_licence_after_licence_whether_it_is_one_persons(
    verification: Verification, cache: Cache, known: dict[str, str], most: int
) -> None:
    guesses = verification.service._guesses
    for number in range(most):
        await guesses.count(f"licence {number}", known)
    with pytest.raises(TooManyRequests, match="holder"):
        await verification.service.by_identifier(
            ANONYMOUS, IDENTIFIER, compare={name: value.replace(" ", "") for name, value in known.items()}
        )
    # The cache holds nothing that tells whom it was about, and others go on.
    held = [key async for key in cache.client.scan_iter("*compared*")]
    assert not any(value.encode() in key for key in held for value in known.values())
    await verification.service.by_identifier(ANONYMOUS, IDENTIFIER, compare={"holder_name": "王芳"})


async def test_an_unknown_licence_is_invalid_here_and_undetermined_elsewhere(
    verification: Verification, records: Records, database: Database
) -> None:
    records.record = None
    elsewhere = (await verification.service.by_identifier(ANONYMOUS, IDENTIFIER)).report
    assert (elsewhere.verdict, elsewhere.reason) == (Verdict.UNDETERMINED, Reason.LICENCE_OF_ANOTHER_CITY)
    directory = Directory(database)
    async with database.transaction() as connection:
        await directory.add_district(connection, District("500100", "演示市", None))
        await directory.add_organisation(
            connection, Organisation("11430000006122244L", "演示市市场监督管理局", "500100", "city")
        )
    here = (await verification.service.by_identifier(ANONYMOUS, IDENTIFIER)).report
    assert (here.verdict, here.reason) == (Verdict.INVALID, Reason.LICENCE_UNKNOWN)


async def test_a_mistyped_identifier_is_explained(verification: Verification) -> None:
    report = (await verification.service.by_identifier(ANONYMOUS, IDENTIFIER[:-1] + "V")).report
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.IDENTIFIER_MALFORMED)
    assert "校验位" in report.checks[0].detail.zh


async def test_a_receipt_says_who_asked_what_and_the_verdict_and_nothing_of_the_holder(
    verification: Verification, keys: Keys, database: Database
) -> None:
    verified = await verification.service.by_identifier(BUREAU, IDENTIFIER, compare={"holder_name": "陈伟"})
    key = jwt.PyJWKSet.from_dict(keys.receipts.jwks())[jwt.get_unverified_header(verified.receipt)["kid"]]
    claims = jwt.decode(verified.receipt, key, algorithms=["ES256"], options={"verify_iat": False})
    assert claims["asked_by"] == {"name": "client:cli_bureau", "organisation": "11500000MB0000001X"}
    assert (claims["verdict"], claims["subject"]["identifier"]) == ("VALID", IDENTIFIER)
    assert "陈" not in json.dumps(claims, ensure_ascii=False)
    async with database.read() as connection:
        row = (await connection.execute(select(audit_log).where(audit_log.c.action == "verification.judge"))).one()
    assert claims["audit"]["number"] == row.audit_id
    genuine = await verification.service.by_receipt(verified.receipt)
    assert (genuine.verdict, genuine.subject.identifier) == (Verdict.VALID, IDENTIFIER)


async def test_a_receipt_of_a_refusal_is_not_shown_as_valid(verification: Verification) -> None:
    refused = await verification.service.by_identifier(BUREAU, "1.2.156.3005.2.X")
    assert refused.report.verdict is Verdict.INVALID
    read = await verification.service.by_receipt(refused.receipt)
    assert (read.verdict, read.reason) == (Verdict.INVALID, refused.report.reason)
    assert read.advice


async def test_an_answer_by_old_records_says_so_in_report_and_receipt(
    verification: Verification, clock: FixedClock
) -> None:
    then = clock.now() - timedelta(days=1)
    verified = await verification.service.by_identifier(BUREAU, IDENTIFIER, known_at=then, at=then)
    assert (verified.report.known_at, verified.report.judged_at, verified.report.data_as_of) == (then, then, then)
    read = await verification.service.by_receipt(verified.receipt)
    assert (read.known_at, read.judged_at) == (then, then)
    statement = next(check for check in read.checks if check.name == "receipt.statement").detail
    assert statement.en.count(then.isoformat()) == 2


async def test_nobody_is_told_of_the_future(verification: Verification, clock: FixedClock) -> None:
    later = clock.now() + timedelta(days=1)
    for field in ("at", "known_at"):
        with pytest.raises(InvalidInput, match="future") as refused:
            await verification.service.by_identifier(BUREAU, IDENTIFIER, **{field: later})
        assert refused.value.field == field


async def test_no_altered_receipt_is_genuine(verification: Verification) -> None:
    receipt = (await verification.service.by_identifier(BUREAU, IDENTIFIER)).receipt
    header, payload, signature = receipt.split(".")
    for forged in (
        f"{header}.{payload[:-6]}AAAAAA.{signature}",
        f"{header}.{payload}.{'A' * len(signature)}",
        f"{header}.{payload}",
        "",
        "x" * 20_000,
        receipt[:-8],
    ):
        report = await verification.service.by_receipt(forged)
        assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.RECEIPT_FORGED)


async def test_a_strangers_pdf_is_undetermined_and_a_known_one_answers_from_the_record(
    verification: Verification, records: Records, pki: Pki
) -> None:
    document = seal(blank(), pki)
    stranger = (await verification.service.by_pdf(ANONYMOUS, document)).report
    assert (stranger.verdict, stranger.reason) == (Verdict.UNDETERMINED, Reason.CERTIFICATE_UNTRUSTED)
    records.become(document_sha256=(hashlib.sha256(document).digest(),))
    known = (await verification.service.by_pdf(ANONYMOUS, document)).report
    assert (known.verdict, known.subject.identifier) == (Verdict.VALID, IDENTIFIER)
    records.become(state="revoked")
    revoked = (await verification.service.by_pdf(ANONYMOUS, document)).report
    assert (revoked.verdict, revoked.reason) == (Verdict.INVALID, Reason.LICENCE_REVOKED)


async def test_a_directory_that_does_not_know_an_organisation_says_so(database: Database) -> None:
    with pytest.raises(NotFound):
        await Directory(database).organisation("11430000006122244L")
