"""The processes in which uploads are read: nothing to lose, nothing to reach."""

from __future__ import annotations

import gc
import json
import os
import pickle
import socket
import struct
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foundation.confinement import UNPRIVILEGED_ID
from signing.answers import MAX_JSON_MARKS, UnreadableAnswer, decode, encode_fault, encode_refusal, encode_value
from signing.errors import ActiveContent, KeywordNotFound, UnexaminablePdf
from signing.model import Attachment, Finding
from signing.preparation import Ready
from signing.signature_field import Prepared
from signing.workshop import Workshop, process_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    workshop = Workshop(workers=1, functions=[what_it_may, answer_with, fault])
    yield workshop
    await workshop.close()


READY = Ready(
    Prepared(9, b"s" * 32, b"update", 4, 8, b"d" * 32, "Seal1", (1, 2)),
    b"flattened",
    (Finding("form", 1, None, "is a field"),),
    (Attachment("明细.xml", "application/xml", 6),),
)
STOLEN = Path("/tmp/stolen-by-pickle")  # noqa: S108 - nothing is to be written there


class Hostile:
    """What a pickle does when it is read."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (STOLEN,)


def was_stolen() -> bool:
    return STOLEN.exists()


def answer_with(data: bytes) -> bytes:
    """Answer as a process taken over does: with bytes of its own, past the coding."""
    (pipe,) = (one for one in gc.get_objects() if isinstance(one, Connection) and not one.closed and one.writable)
    pipe.send_bytes(data)
    return b""


def fault() -> bytes:
    message = "陈伟 500101199003078888"
    raise LookupError(message)


def changed(**fields: object) -> bytes:
    """Return the frame of `READY` with fields of its JSON replaced."""
    frame = encode_value(READY)
    (length,) = struct.unpack_from(">I", frame)
    told = json.loads(frame[4 : 4 + length])
    told["value"].update(fields)
    text = json.dumps(told).encode()
    return struct.pack(">I", len(text)) + text + frame[4 + length :]


def told(**fields: object) -> bytes:
    """Return a frame of these fields and no more, as a process taken over may make one."""
    text = json.dumps(fields).encode()
    return struct.pack(">I", len(text)) + text


def test_an_answer_is_what_was_said() -> None:
    assert decode(encode_value(READY), Ready) == READY
    assert decode(encode_value(None), bytes | None) is None
    for error in (KeywordNotFound("Not there.", field="keyword"), ActiveContent(READY.findings)):
        with pytest.raises(type(error)) as caught:
            decode(encode_refusal(error), Ready)
        assert (caught.value.detail, caught.value.field) == (error.detail, error.field)


FRAMES = {
    "pickle": pickle.dumps(Hostile()),
    "pickled call": struct.pack(">I", 2) + b"{}" + pickle.dumps(Hostile()),
    "nothing": b"",
    "no JSON": struct.pack(">I", 4) + b"{]}}",
    "longer than it is": struct.pack(">I", 2**31) + b"{}",
    "deep": struct.pack(">I", 200_000) + b"[" * 200_000,
    "another type": encode_value((1, 2)),
    "more bytes": encode_value(READY) + b"x",
    "fewer bytes": encode_value(READY)[:-1],
    "a field less": changed(source=None)[:-9].replace(b'"attachments"', b'"attachmentz"'),
    "text for bytes": changed(source="flattened"),
    "negative length": changed(source={"bytes": -9}),
    "true for a number": changed(attachments=[{"name": "a", "media_type": "", "size": True}]),
    "no list": changed(findings={"0": 1}),
    "a long text": told(refusal="UnexaminablePdf", detail="x" * 1001, field=None),
    "a long field": told(refusal="UnexaminablePdf", detail="x", field="x" * 1001),
    "half a character": told(refusal="UnexaminablePdf", detail="\ud800", field=None),
    "a control character": told(refusal="UnexaminablePdf", detail="a\x1b[2J", field=None),
    "half a character for a key": changed(findings=[{"\ud800": 1}]),
    "a long number": changed(attachments=[{"name": "a", "media_type": "", "size": 2**63}]),
    "a fault of no name": told(fault="Gone\n2026-11-23 root signed in"),
    "a long fault": told(fault="x" * 15_000),
    "an error of Python's": b"".join((struct.pack(">I", 47), b'{"refusal": "SystemExit", "detail": "", "field":0}')),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_what_is_no_answer_is_not_read_as_one(frame: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        decode(frame, Ready)
    assert not was_stolen()


@pytest.mark.parametrize("lists", [49_998, 49_999, 5_500_000])
def test_an_answer_of_nothing_but_lists_is_not_even_parsed(lists: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(len(text)) or loads(text))
    text = b'{"value":[' + b"[]," * lists + b"0]}"
    with pytest.raises(UnreadableAnswer):
        decode(struct.pack(">I", len(text)) + text, Ready)
    assert len(parsed) == (lists * 2 + 2 <= MAX_JSON_MARKS)


def test_a_document_with_odd_names_is_examined_still() -> None:
    odd = replace(READY, attachments=(Attachment("a\ud800\n" + "长" * 1500, "application/xml", 6),))
    (read,) = decode(encode_value(odd), Ready).attachments
    assert read.name == "a\ufffd\ufffd" + "长" * 997
    with pytest.raises(UnexaminablePdf):
        encode_value(("x" * 999,) * 1100)


def test_a_mistake_of_a_parsers_is_told_by_the_kind_of_pythons_it_is() -> None:
    class ParserError(KeyError):
        pass

    with pytest.raises(RuntimeError, match=r"^examining a document failed: KeyError$"):
        decode(encode_fault(ParserError("x")), Ready)


async def test_a_process_that_answers_with_a_pickle_is_ended_and_nothing_of_it_runs(workshop: Workshop) -> None:
    before = await workshop.run(process_id)
    with pytest.raises(UnexaminablePdf):
        await workshop.run(answer_with, pickle.dumps(Hostile()))
    assert not was_stolen()
    assert await workshop.run(process_id) != before


async def test_a_mistake_of_ours_is_told_by_its_class_alone(workshop: Workshop) -> None:
    with pytest.raises(RuntimeError, match=r"^examining a document failed: LookupError$"):
        await workshop.run(fault)


def what_it_may() -> dict[str, str]:
    """Try what a parser taken over would; runs in the worker process."""
    tried: dict[str, str] = {"environment": str(dict(os.environ))}
    for name, act in (
        ("read", lambda: Path("/etc/hostname").read_bytes()),
        ("write", lambda: Path("/tmp/taken-over").write_bytes(b"x")),  # noqa: S108 - nothing is to be written there
        ("fork", os.fork),
        ("connect", lambda: socket.create_connection(("127.0.0.1", 5432), timeout=1)),
    ):
        try:
            act()
        except OSError as error:
            tried[name] = type(error).__name__
        else:
            tried[name] = "done"
    return tried


async def test_a_process_taken_over_reads_and_writes_no_file_starts_nothing_and_reaches_nobody(
    workshop: Workshop,
) -> None:
    tried = await workshop.run(what_it_may)
    assert tried.pop("environment") == "{}"
    assert set(tried) == {"read", "write", "fork", "connect"}
    assert "done" not in tried.values()


async def test_a_process_is_nobody_and_stays_so(workshop: Workshop) -> None:
    examine_process(Path(f"/proc/{await workshop.run(process_id)}"))


def examine_process(process: Path) -> None:
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(UNPRIVILEGED_ID)}
        assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
