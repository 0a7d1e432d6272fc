"""`hufu verify`: judge a sealed PDF, a code or a receipt and say so in its exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.errors import InvalidInput, TrustServiceError
from foundation.outbound import OutboundClient
from foundation.principal import SYSTEM
from hufu.commands.terminal import shown
from verification.anchors import read_anchors
from verification.as_of import EARLIEST_YEAR, LATEST_YEAR, NOW, AsOf, read_moment
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoCodeFound, NoSealFound, NotAPdf
from verification.etsi_report import etsi_report
from verification.model import Outcome, Verdict
from verification.offline import (
    judge_code_offline,
    judge_document_offline,
    judge_pack_age,
    judge_pack_signer,
    judge_receipt_offline,
)
from verification.own_documents import without_state
from verification.packs import BadPack, read_pack
from verification.receipt_papers import judge_receipt_paper
from verification.revocation import judge_with_fetching
from verification.sandbox import Sandbox
from verification.shown_licences import judge_shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from verification.model import Report
    from verification.packs import OfflinePack

EXIT_CODES = {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNDETERMINED: 2}
EXIT_NOT_EXAMINABLE = 3
EXIT_USAGE = 64
NOT_EXAMINABLE = (NotAPdf, DocumentEncrypted, NoSealFound, NoCodeFound, DocumentOverLimit)
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.UNKNOWN: "?", Outcome.NOT_APPLICABLE: "·"}


class WrongUsage(Exception):
    """The command line asks for something that cannot be done; the message says what."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a PDF, a picture of a code, or a text with a code (HF1…) or a receipt; - reads stdin",
    )
    parser.add_argument(
        "--anchors",
        metavar="PEM",
        type=Path,
        help="trust these certificates (and revocation lists) alone; no service",
    )
    parser.add_argument(
        "--pack", metavar="FILE", type=Path, help="judge by this offline pack alone, without any network"
    )
    parser.add_argument(
        "--pack-key",
        metavar="SHA256",
        help="fingerprint of the key that must have signed the pack; without it nothing is called valid on its word",
    )
    parser.add_argument("--at", metavar="TIME", help="judge as of this moment, such as 2026-11-22T08:00:00+08:00")
    parser.add_argument(
        "--known-at",
        metavar="TIME",
        help="as known at this moment; what has no history (seals, a pack made later) is not confirmed",
    )
    parser.add_argument(
        "--report", metavar="XML", type=Path, help="write the ETSI TS 119 102-2 validation report of a PDF to this file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Judge one file; 0 VALID, 1 INVALID, 2 UNDETERMINED, 3 not examinable, 64 wrong usage."""
    try:
        report = _judge(_read(arguments.file), arguments)
        if arguments.report is not None:
            _write_report(report, arguments.report)
    except WrongUsage as error:
        print(f"hufu verify: {error}", file=sys.stderr)
        return EXIT_USAGE
    except NOT_EXAMINABLE as error:
        _print_refusal(error, as_json=arguments.json)
        return EXIT_NOT_EXAMINABLE
    if arguments.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_report(report)
    return EXIT_CODES[report.verdict]


def _judge(document: bytes, arguments: argparse.Namespace) -> Report:
    now = datetime.now(UTC)
    as_of = _as_of(arguments, now)
    text = _text(document)
    if as_of != NOW and text is not None and _is_token(text):
        raise WrongUsage("a receipt states its own moments: --at and --known-at go with documents and codes")
    if arguments.pack is not None:
        if arguments.anchors is not None:
            raise WrongUsage("--pack brings its own anchors: give one of the two")
        judged = asyncio.run(_by_pack(document, arguments, as_of, now))
        return as_of.named(judged, now, knows_until=judged.data_as_of)
    if arguments.anchors is not None:
        judged = asyncio.run(_by_anchors(document, arguments.anchors, as_of, now))
        return as_of.named(as_of.known_then(judged), now, knows_until=judged.data_as_of)
    return _by_service(document, as_of, examine=arguments.report is not None)


def _as_of(arguments: argparse.Namespace, now: datetime) -> AsOf:
    as_of = AsOf(_moment(arguments.at, "--at"), _moment(arguments.known_at, "--known-at"))
    try:
        as_of.require_past(now)
    except InvalidInput as error:
        raise WrongUsage(f"--{(error.field or '').replace('_', '-')}: {error.detail}") from error
    return as_of


async def _by_anchors(document: bytes, anchors: Path, as_of: AsOf, now: datetime) -> Report:
    try:
        material = read_anchors(anchors.read_bytes())  # noqa: ASYNC240 - a command with nothing else to do
    except OSError as error:
        raise WrongUsage(f"{anchors} cannot be read") from error
    except TrustServiceError as error:
        raise WrongUsage(f"{anchors}: {error.detail}") from error
    sandbox = Sandbox(workers=1)
    outbound = OutboundClient(("127.0.0.0/8", "::1/128"))
    try:
        judged = await judge_with_fetching(sandbox, document, material, outbound, at=as_of.at or now)
        return judge_shown(without_state(judge_receipt_paper(as_of.sealed_by(judged))))
    finally:
        await sandbox.close()
        await outbound.close()


async def _by_pack(document: bytes, arguments: argparse.Namespace, as_of: AsOf, now: datetime) -> Report:
    """Judge without a network: a code as text or picture, a receipt, or a PDF."""
    pack = _open_pack(arguments.pack, arguments.pack_key)
    report = judge_pack_age(await _by_opened_pack(document, pack, as_of, now), pack, as_of.known_at)
    return judge_pack_signer(report, pack, pinned=arguments.pack_key is not None)


async def _by_opened_pack(document: bytes, pack: OfflinePack, as_of: AsOf, now: datetime) -> Report:
    text, at = _text(document), as_of.at or now
    if text is not None:
        return (judge_receipt_offline if _is_token(text) else judge_code_offline)(text, pack, at=at)
    sandbox = Sandbox(workers=1)
    try:
        if document.startswith(PICTURES):
            found = await sandbox.code_in_picture(document)
            if found is None:
                raise NoCodeFound("There is no code of a licence in the picture: take it again, closer and sharp.")
            return judge_code_offline(found, pack, at=at)
        judged = as_of.sealed_by(await sandbox.validate(document, pack.material, at=at))
        report = judge_receipt_paper(judged, dict(pack.receipt_jwks))
        return judge_document_offline(report, report.code_text, pack, at=at)
    finally:
        await sandbox.close()


def _open_pack(path: Path, key: str | None) -> OfflinePack:
    try:
        pinned = None if key is None else bytes.fromhex(key)
        return read_pack(path.read_bytes(), pinned_key_sha256=pinned)
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read") from error
    except ValueError as error:
        raise WrongUsage("--pack-key takes 64 hexadecimal digits") from error
    except BadPack as error:
        raise WrongUsage(f"{path} is no pack to rely on: {error}") from error


def _write_report(report: Report, path: Path) -> None:
    if report.indication is None or not report.subject.sha256_hex:
        raise WrongUsage("--report is for PDFs")
    try:
        path.write_bytes(etsi_report(report))
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written") from error


def _by_service(document: bytes, as_of: AsOf, *, examine: bool) -> Report:
    """Ask the service whose settings and database are here."""
    from hufu.surroundings import surroundings  # noqa: PLC0415 - with --anchors none of this is loaded
    from hufu.wiring import open_application  # noqa: PLC0415

    async def ask() -> Report:
        async with open_application(settings) as application:
            service = application.services.verification
            text = _text(document)
            if text is not None and _is_token(text):
                return await service.by_receipt(text)
            if text is not None and "HF1" in text.upper():
                return (await service.by_qr(SYSTEM, text, at=as_of.at, known_at=as_of.known_at)).report
            if document.startswith(PICTURES):
                return (await service.by_picture(SYSTEM, document, at=as_of.at, known_at=as_of.known_at)).report
            return (
                await service.by_pdf(SYSTEM, document, at=as_of.at, known_at=as_of.known_at, examine=examine)
            ).report

    with surroundings() as settings:
        return asyncio.run(ask())


def _text(document: bytes) -> str | None:
    """Return a short file as text, None when it is none."""
    try:
        text = document[:20_000].decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return None if "%PDF-" in text[:1024] else text


def _is_token(text: str) -> bool:
    """Tell a compact JWS from a code."""
    return text.startswith("ey") and text.count(".") == 2  # noqa: PLR2004 - header, payload, signature


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise WrongUsage(f"{name} cannot be read") from error


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return read_moment(text).astimezone(UTC)
    except ValueError as error:
        raise WrongUsage(
            f"{option} takes a date and time with its zone, such as 2026-11-22T08:00:00+08:00, "
            f"of the years {EARLIEST_YEAR} to {LATEST_YEAR}"
        ) from error


def _print_refusal(error: TrustServiceError, *, as_json: bool) -> None:
    if not as_json:
        print(shown(f"无法核验 Not examinable: {error.detail}"))
        return
    answer: dict[str, Any] = dict.fromkeys(("verdict", "reason", "indication", "sub_indication", "data_as_of"))
    answer |= {"checks": [], "error": type(error).__name__, "detail": error.detail}
    print(json.dumps(answer, ensure_ascii=False, indent=2))


def _print_report(report: Report) -> None:
    for line in _lines(report):
        print(shown(line))


def _lines(report: Report) -> Iterator[str]:
    verdict, reason, said = report.verdict, report.reason.sentence, report.headline
    if report.judged_at is None:
        yield f"{said.zh} {verdict.value}: {reason.zh} {reason.en}"
    else:
        yield f"{said.zh} {said.en}"
        yield f"  {verdict.value}: {reason.zh} {reason.en}"
    if report.indication is not None:
        yield f"  {report.indication.value} {report.sub_indication}".rstrip()
    yield f"  数据截至 Data as of {report.data_as_of.isoformat()}"
    yield from _facts(report)
    for seal in report.seals:
        when = "" if seal.sealed_at is None else f", {seal.sealed_at.isoformat()} ({seal.time_source})"
        yield f"  ● {seal.signer or seal.field_name} {seal.level}{when}"
    for check in report.checks:
        yield f"  {_MARKS[check.outcome]} {check.detail.zh} {check.detail.en} [{check.standard}]"
    for sentence in report.advice:
        yield f"  ! {sentence.zh} {sentence.en}"


def _facts(report: Report) -> Iterator[str]:
    """Say which licence and whose: a good code proves nothing of whoever holds it up."""
    if report.licence is not None:
        facts = report.licence
        yield f"  证照 Licence: {facts.type_name}, {facts.identifier}"
        yield f"  签发机构 Issuer: {facts.issuer_name}"
        yield f"  有效期 Valid: {facts.valid_from or ''} — {facts.valid_to or '长期 no end'}"
    if report.code is not None:
        yield f"  码中持证主体 Holder in the code: {'、'.join(report.code.holder_names)}"
        yield f"  证件号码末四位 Last four of the number: {report.code.holder_code_tail}"
    for fact in report.stated:
        yield f"  {fact.label.zh} {fact.label.en}: {fact.value.zh}"
    for item in report.comparisons:
        yield f"  {'✓ 一致 same' if item.same else '✗ 不一致 differs'}: {item.field}"
