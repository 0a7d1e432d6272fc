"""The auditor: recomputes a log from its entries and finds every change, drop or reorder. Offline and pure.

What it is given: a signed checkpoint, the entry bundles, optionally the audit rows with
their salts, and a checkpoint the auditor kept from before.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent, canonical_row
from verification.log.cosignatures import cosignatures
from verification.log.layout import CHECKPOINT, entries_path, tile_path, unbundle
from verification.log.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_WIDTH,
    Tiles,
    leaf_hash,
    root,
)
from verification.log.notes import BadNote, Checkpoint, NoteKey, open_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the log promised."""

    what: str
    where: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What was covered, and what was found."""

    size: int
    rows: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit row with the salt that opens its commitment, as an export holds it."""

    leaf_index: int
    audit_id: int
    row: bytes
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """Return the commitment this row and salt amount to."""
        return hashlib.sha256(self.salt + self.row).digest()

    @classmethod
    def parse(cls, line: str) -> AuditRow:
        """Read one line of an export; raises ValueError, KeyError or TypeError."""
        fields: Mapping[str, Any] = json.loads(line)
        event = AuditEvent(fields["action"], fields["object_type"], fields["object_id"], fields["detail"])
        row = canonical_row(
            event,
            actor=fields["actor"],
            channel=fields["channel"],
            recorded_at=datetime.fromisoformat(fields["recorded_at"]),
        )
        return cls(int(fields["leaf_index"]), int(fields["audit_id"]), row, bytes.fromhex(fields["salt"]))


def audit_log(
    read: Callable[[str], bytes | None],
    key: NoteKey,
    *,
    rows: Iterable[str] | None = None,
    earlier: str | None = None,
    witnesses: Collection[NoteKey] = (),
    witnesses_needed: int | None = None,
) -> AuditResult:
    """Audit a log.

    Args:
        read: returns the bytes at a path of the tlog-tiles layout, or None.
        key: the log's verifier key, from a source other than the log.
        rows: exported audit rows, one JSON object a line; every leaf must then have its row.
        earlier: a checkpoint note the auditor kept; the tree must have grown from it.
        witnesses: whose cosignatures count.
        witnesses_needed: how many of them must stand under the checkpoint; all when None.
    """
    findings: list[Finding] = []
    note = read(CHECKPOINT)
    if note is None:
        return AuditResult(0, 0, (Finding("the checkpoint is missing", CHECKPOINT),))
    try:
        checkpoint = open_checkpoint(note.decode("utf-8", "replace"), key)
    except BadNote as error:
        return AuditResult(0, 0, (Finding(str(error), CHECKPOINT),))
    entries = _entries(read, checkpoint.size, findings)
    if findings:
        return AuditResult(checkpoint.size, 0, tuple(findings))
    tiles = Tiles()
    tiles.append(0, [leaf_hash(entry) for entry in entries])
    if root(tiles, checkpoint.size) != checkpoint.root:
        findings.append(Finding("the entries do not amount to the signed root", "entries"))
    findings += _check_tiles(read, tiles, checkpoint.size)
    findings += _check_earlier(tiles, checkpoint, earlier, key)
    findings += _check_witnesses(note.decode("utf-8", "replace"), witnesses, witnesses_needed)
    counted = 0
    if rows is not None:
        counted = _check_rows(rows, entries, findings)
    return AuditResult(checkpoint.size, counted, tuple(findings))


def _entries(read: Callable[[str], bytes | None], size: int, findings: list[Finding]) -> list[bytes]:
    entries: list[bytes] = []
    for start in range(0, size, TILE_WIDTH):
        index, width = start // TILE_WIDTH, min(TILE_WIDTH, size - start)
        path = entries_path(index, width)
        data = read(path)
        if data is None:
            findings.append(Finding("an entry bundle is missing", path))
            continue
        try:
            found = unbundle(data)
        except ValueError as error:
            findings.append(Finding(str(error), path))
            continue
        if len(found) != width:
            findings.append(Finding(f"an entry bundle holds {len(found)} entries instead of {width}", path))
        entries += found
    return entries


def _check_tiles(read: Callable[[str], bytes | None], computed: Tiles, size: int) -> list[Finding]:
    """Compare every published tile with the one computed from the entries."""
    findings = []
    for (level, index), hashes in sorted(computed.tiles.items()):
        width = min(len(hashes) // HASH_BYTES, (size >> (8 * level)) - index * TILE_WIDTH)
        path = tile_path(level, index, width)
        published = read(path)
        if published is None:
            findings.append(Finding("a tile is missing", path))
        elif published != hashes[: width * HASH_BYTES]:
            findings.append(Finding("a tile differs from its entries", path))
    return findings


def _check_earlier(tiles: Tiles, checkpoint: Checkpoint, earlier: str | None, key: NoteKey) -> list[Finding]:
    if earlier is None:
        return []
    try:
        kept = open_checkpoint(earlier, key)
    except BadNote as error:
        return [Finding(f"the kept checkpoint: {error}", "earlier checkpoint")]
    if kept.size > checkpoint.size:
        return [Finding(f"the tree shrank from {kept.size} to {checkpoint.size} leaves", CHECKPOINT)]
    past = EMPTY_ROOT if kept.size == 0 else root(tiles, kept.size)
    if past != kept.root:
        return [Finding(f"the first {kept.size} leaves are not those of the kept checkpoint", "entries")]
    return []


def _check_witnesses(note: str, witnesses: Collection[NoteKey], needed: int | None) -> list[Finding]:
    needed = len(witnesses) if needed is None else needed
    found = {one.witness for one in cosignatures(note, witnesses)}
    if len(found) >= needed:
        return []
    missing = ", ".join(sorted(key.name for key in witnesses if key.name not in found))
    return [Finding(f"{len(found)} of {needed} witnesses cosigned it; missing: {missing}", CHECKPOINT)]


def _check_rows(rows: Iterable[str], entries: list[bytes], findings: list[Finding]) -> int:
    seen: set[int] = set()
    for number, line in enumerate(rows, 1):
        where = f"rows, line {number}"
        try:
            row = AuditRow.parse(line)
        except (ValueError, KeyError, TypeError) as error:
            findings.append(Finding(f"a row cannot be read ({type(error).__name__})", where))
            continue
        if row.leaf_index in seen:
            findings.append(Finding(f"leaf {row.leaf_index} has two rows", where))
        elif not 0 <= row.leaf_index < len(entries):
            findings.append(Finding(f"there is no leaf {row.leaf_index}", where))
        elif entries[row.leaf_index] != row.commitment:
            findings.append(
                Finding(f"audit row {row.audit_id} is not the one that leaf {row.leaf_index} commits to", where)
            )
        seen.add(row.leaf_index)
    findings += [Finding(f"leaf {index} has no row", "rows") for index in range(len(entries)) if index not in seen]
    return len(seen)
