"""Streams that different readers draw differently, or whose content is not in the file at all.

A seal covers bytes. Another picture for paper, a page of another file drawn in place of this one, data behind an
address, PostScript that printers alone run: of these the bytes say nothing. Something that draws itself is drawn as
far as each reader pleases.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from signing.pdf_file import PdfFile

SUBSTITUTES = {
    "/Alternates": ("alternate picture", "may be shown or printed as another picture"),
    "/Ref": ("reference to another file", "is drawn by some readers from another file"),
    "/OPI": ("print substitution", "is replaced by something else in printing"),
}
"""What flattening takes away: without these entries every reader draws what most draw with them."""
EXTERNAL = ("/F", "/FFilter", "/FDecodeParms")
_USES = {"Do": "/XObject", "scn": "/Pattern", "SCN": "/Pattern", "gs": "/ExtGState", "Tf": "/Font"}
_COMPOSITE = (pikepdf.Dictionary, pikepdf.Array, pikepdf.Stream)
_UPWARDS = frozenset({"/Parent", "/P", "/Annots", "/StructParent", "/B", "/PieceInfo"})

Key = tuple[int, int]


def examine_streams(file: PdfFile) -> Iterator[Finding]:
    """Yield what the streams of a file hold that depends on the reader; raises as pikepdf does on damage."""
    found = [*_entries(file.pdf), *_drawing_themselves(file.pdf)]
    pages = _pages_of({key for key, _, _ in found}, file) if found else {}
    for key, kind, detail in found:
        yield Finding(kind, pages.get(key), key[0], detail)


def remove_substitutes(pdf: pikepdf.Pdf) -> None:
    """Take away what stands in for the streams themselves."""
    for each in _streams(pdf):
        for key in SUBSTITUTES:
            if key in each:
                del each[key]


def _streams(pdf: pikepdf.Pdf) -> Iterator[pikepdf.Stream]:
    return (each for each in pdf.objects if isinstance(each, pikepdf.Stream))


def _entries(pdf: pikepdf.Pdf) -> Iterator[tuple[Key, str, str]]:
    for each in _streams(pdf):
        for key, (kind, detail) in SUBSTITUTES.items():
            if key in each:
                yield each.objgen, kind, detail
        if any(key in each for key in EXTERNAL):
            yield each.objgen, "data outside the file", "is read from another file or address"
        if each.get("/Subtype") == "/PS" or "/Subtype2" in each:
            yield each.objgen, "postscript", "is drawn by printers alone"


def _drawing_themselves(pdf: pikepdf.Pdf) -> Iterator[tuple[Key, str, str]]:
    """Follow what forms, patterns and glyphs draw; streams left over when all others are taken off draw in a circle."""
    draws = _drawings(pdf)
    rest = set(draws)
    while True:
        ended = {key for key in rest if not draws[key] & rest}
        if not ended:
            break
        rest -= ended
    for key in sorted(rest):
        if _comes_back(key, draws):
            yield key, "recursive drawing", "draws itself"


def _comes_back(start: Key, draws: dict[Key, set[Key]]) -> bool:
    pending, seen = [start], set[Key]()
    while pending:
        reached = draws.get(pending.pop(), set()) - seen
        if start in reached:
            return True
        seen |= reached
        pending.extend(reached)
    return False


def _drawings(pdf: pikepdf.Pdf) -> dict[Key, set[Key]]:
    """Return for each stream that draws with resources which such streams it draws."""
    drawing: dict[Key, tuple[pikepdf.Stream, Any]] = {}
    anywhere: dict[tuple[str, str], set[Key]] = defaultdict(set)
    for each in pdf.objects:
        if isinstance(each, pikepdf.Stream) and (each.get("/Subtype") == "/Form" or each.get("/PatternType") == 1):
            drawing[each.objgen] = each, each.get("/Resources")
        for resources in _resources_in(each):
            for use, resource in _all_entries(resources):
                for target in _targets(resource):
                    anywhere[use].add(target.objgen)
                    if isinstance(resource, pikepdf.Dictionary):  # a glyph draws with the resources of its font
                        own = target.get("/Resources", resource.get("/Resources"))
                        drawing.setdefault(target.objgen, (target, own))
    operators = [operator for operator, category in _USES.items() if any(category == use[0] for use in anywhere)]
    return {
        key: {target for use in _uses(stream, operators) for target in _resolve(use, resources, anywhere)}
        for key, (stream, resources) in drawing.items()
    }


def _resources_in(value: Any) -> Iterator[Any]:  # noqa: ANN401 - pikepdf objects carry no useful static type
    if isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
        yield value.get("/Resources")
    if isinstance(value, pikepdf.Dictionary):
        yield value  # a resource dictionary that is an object of its own


def _entries_of(resources: Any, category: str) -> Iterable[tuple[str, Any]]:  # noqa: ANN401
    entries = resources.get(category) if isinstance(resources, pikepdf.Dictionary) else None
    return tuple(entries.items()) if isinstance(entries, pikepdf.Dictionary) else ()


def _all_entries(resources: Any) -> Iterator[tuple[tuple[str, str], Any]]:  # noqa: ANN401
    for category in set(_USES.values()):
        for name, resource in _entries_of(resources, category):
            yield (category, name), resource


def _targets(resource: Any) -> list[pikepdf.Stream]:  # noqa: ANN401
    """Return the streams that using a resource draws: itself, a soft mask's group, a font's glyphs."""
    if isinstance(resource, pikepdf.Stream):
        return [resource]
    if not isinstance(resource, pikepdf.Dictionary):
        return []
    mask, glyphs = resource.get("/SMask"), resource.get("/CharProcs")
    found = [mask.get("/G")] if isinstance(mask, pikepdf.Dictionary) else []
    found += list(glyphs.values()) if isinstance(glyphs, pikepdf.Dictionary) else []
    return [each for each in found if isinstance(each, pikepdf.Stream)]


def _uses(stream: pikepdf.Stream, operators: list[str]) -> set[tuple[str, str]]:
    """Return category and name of every resource that a stream's operators use."""
    data = stream.read_bytes()
    if not any(operator.encode() in data for operator in operators):
        return set()
    found = set()
    for each in pikepdf.parse_content_stream(stream, " ".join(operators)):
        names = [str(operand) for operand in each.operands if isinstance(operand, pikepdf.Name)]
        if names:
            found.add((_USES[str(each.operator)], names[-1]))
    return found


def _resolve(use: tuple[str, str], resources: Any, anywhere: dict[tuple[str, str], set[Key]]) -> set[Key]:  # noqa: ANN401
    """Look a name up among a stream's own resources; readers look for others in those of whatever draws it."""
    own = dict(_entries_of(resources, use[0])).get(use[1])
    return {each.objgen for each in _targets(own)} if own is not None else anywhere.get(use, set())


def _pages_of(wanted: set[Key], file: PdfFile) -> dict[Key, int]:
    """Return for each object the first page that leads to it."""
    pages: dict[Key, int] = {}
    seen: set[Key] = set()
    for number in range(1, file.page_count + 1):
        page = file.page(number)
        pending = [page.get("/Contents"), pikepdf.Page(page).resources]
        while pending:
            value = pending.pop()
            if not isinstance(value, _COMPOSITE):
                continue
            if value.is_indirect:
                if value.objgen in seen:
                    continue
                seen.add(value.objgen)
                if value.objgen in wanted:
                    pages[value.objgen] = number
            if isinstance(value, pikepdf.Array):
                pending.extend(value)
            else:
                pending.extend(entry for key, entry in value.items() if key not in _UPWARDS)
    return pages
