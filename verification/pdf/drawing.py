"""Does the file itself say what it shows, to every reader?

A sound seal over a picture with another one for paper, over a page of somebody else's file, over data
at an address or over a drawing that never ends covers bytes, not what a person sees. The readers
compared elsewhere know none of these and so agree on them; they are looked for by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pikepdf

from verification.pdf.agreement import Disagreement

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTRIES = {
    "/Alternates": ("图像另有替换图像", "is a picture with another one in its place"),
    "/Ref": ("引用文件以外的页面", "draws a page of another file"),
    "/OPI": ("印刷时换成其他内容", "is replaced in printing"),
    "/F": ("数据在文件之外", "has its data outside the file"),
    "/FFilter": ("数据在文件之外", "has its data outside the file"),
    "/FDecodeParms": ("数据在文件之外", "has its data outside the file"),
    "/Subtype2": ("含只供打印机执行的 PostScript", "is PostScript for printers"),
}
_CATEGORIES = {b"Do": "/XObject", b"scn": "/Pattern", b"SCN": "/Pattern", b"gs": "/ExtGState", b"Tf": "/Font"}
_COLOURS = frozenset({"/Indexed", "/ICCBased", "/Separation", "/DeviceN", "/Pattern"})
_DEEP = 20
"""Drawings within each other; pdfium draws nothing of what lies some thirty deep."""
_LONGEST = 128
"""Letters of a name with its stroke; longer ones pdfium cuts off (ISO 32000-1, C.2)."""
_NAMES_HELD = frozenset(_CATEGORIES.values())
_Key = tuple[int, int]
_Names = dict[tuple[str, str], list[pikepdf.Stream]]


def differs_by_reader(pdf: pikepdf.Pdf) -> Disagreement | None:
    """Return the first stream whose looks are the reader's choice; raises as pikepdf does on damage."""
    for item in pdf.objects:
        if isinstance(item, pikepdf.Stream):
            told = next((told for key, told in _ENTRIES.items() if key in item), None)
            if item.get("/Subtype") == "/PS":
                told = _ENTRIES["/Subtype2"]
            if told is not None:
                return _told(item.objgen, *told)
    circles = _Circles(pdf)
    if circles.odd is not None:
        return circles.odd
    circle = circles.find()
    if circle is not None:
        return _told(circle, "循环绘制自身", "draws itself")
    if circles.deep is not None:
        return _told(circles.deep, "的绘图嵌套过深", "nests drawings too deep")
    ring = _rings(pdf)
    return None if ring is None else _told(ring, "的颜色或函数循环引用自身", "is a colour or function made of itself")


def _told(key: _Key, zh: str, en: str) -> Disagreement:
    return Disagreement(f"对象 {key[0]} {zh}，各阅读程序显示可能不同。", f"Object {key[0]} {en}: readers may differ.")


def _rings(pdf: pikepdf.Pdf) -> _Key | None:
    """Return a colour space, shading or function that is made of itself, or None."""
    made_of = {item.objgen: list(_made_of(item)) for item in pdf.objects if _is_made_of_others(item)}
    while made_of:
        # What is made of none that is left cannot lie on a ring; what stays in the end does, or leads to one.
        settled = [key for key, others in made_of.items() if not any(other in made_of for other in others)]
        if not settled:
            return next(iter(made_of))
        for key in settled:
            del made_of[key]
    return None


def _is_made_of_others(item: pikepdf.Object) -> bool:
    if isinstance(item, pikepdf.Array):
        return len(item) > 1 and str(item[0]) in _COLOURS
    return isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)) and (
        "/FunctionType" in item or "/ShadingType" in item
    )


def _made_of(item: object) -> Iterator[_Key]:
    """Yield what an object refers to, itself or within its own arrays."""
    held = list(item) if isinstance(item, pikepdf.Array) else []
    if isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)):
        held = [item[key] for key in ("/Functions", "/Function", "/ColorSpace") if key in item]
    for each in held:
        if isinstance(each, pikepdf.Object) and each.is_indirect:
            yield each.objgen
        if isinstance(each, pikepdf.Array) and not each.is_indirect:
            yield from _made_of(each)


class _Circles:
    """The graph of streams that draw others by their names; an edge is an operator, not a mere mention."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self._names: _Names = {}
        self._own: dict[_Key, _Names] = {}
        self._nodes: dict[_Key, pikepdf.Stream] = {}
        self.odd: Disagreement | None = None
        self.deep: _Key | None = None
        for item in pdf.objects:
            if isinstance(item, pikepdf.Stream):
                self._read(_entry(item, "/Resources"))
                if item.get("/Subtype") == "/Form" or item.get("/PatternType") == 1:
                    self._nodes[item.objgen] = item
            elif isinstance(item, pikepdf.Dictionary):
                self._read(_entry(item, "/Resources"))
                self._read(item)
        drawn = {category for (category, _), streams in self._names.items() if streams}
        self._operators = [word for word, category in _CATEGORIES.items() if category in drawn]

    def find(self) -> _Key | None:
        """Return a stream that lies on a circle, or None, and note one that nests too deep; without recursion."""
        heights: dict[_Key, int] = {}
        for start in self._nodes:
            path: dict[_Key, tuple[Iterator[_Key], list[_Key]]] = {}
            step: _Key | None = start
            while step is not None or path:
                if step is not None and step not in heights:
                    drawn = self._drawn_by(step)
                    path[step] = iter(drawn), drawn
                key = next(reversed(path), None)
                if key is None:
                    break
                waiting, drawn = path[key]
                step = next(waiting, None)
                if step is None:
                    heights[key] = 1 + max((heights[each] for each in drawn), default=0)
                    self.deep = key if heights[key] > _DEEP else self.deep
                    del path[key]
                elif step in path:
                    return step
        return None

    def _read(self, resources: object) -> None:
        if not isinstance(resources, pikepdf.Dictionary) or _NAMES_HELD.isdisjoint(resources.keys()):
            return
        for name, streams in _named(resources).items():
            self._names.setdefault(name, []).extend(streams)
            if len(name[1].encode(errors="surrogateescape")) > _LONGEST:
                self.odd = Disagreement("资源名称过长，各阅读程序显示可能不同。", "A resource's name is too long.")
        for font_or_mask in _dictionaries(resources):
            for stream in _streams(font_or_mask):
                if "/SMask" in font_or_mask and "/Group" not in stream:
                    self.odd = _told(stream.objgen, "是没有编组的蒙版", "is a mask without a group")
                self._nodes.setdefault(stream.objgen, stream)
                self._own.setdefault(stream.objgen, _named(font_or_mask.get("/Resources")))

    def _drawn_by(self, key: _Key) -> list[_Key]:
        stream = self._nodes.get(key)
        data = b"" if stream is None else stream.read_bytes()
        if stream is None or not any(word in data for word in self._operators):
            return []
        own = _named(stream.get("/Resources")) or self._own.get(key, {})
        drawn: list[_Key] = []
        words = " ".join(word.decode() for word in self._operators)
        for each in pikepdf.parse_content_stream(stream, words):
            for name in each.operands:
                if isinstance(name, pikepdf.Name):
                    use = _CATEGORIES[str(each.operator).encode()], str(name)
                    drawn += [target.objgen for target in own.get(use, self._names.get(use, []))]
        return drawn


def _entry(holder: object, key: str) -> object:
    """Return an entry or None; asking first is ten times quicker than getting what is mostly not there."""
    held = isinstance(holder, (pikepdf.Dictionary, pikepdf.Stream)) and key in holder
    return holder[key] if held else None  # type: ignore[index] # known by now


def _dictionaries(resources: object) -> Iterator[pikepdf.Dictionary]:
    """Yield the fonts and graphics states among resources."""
    for category in ("/Font", "/ExtGState"):
        entries = _entry(resources, category)
        for entry in entries.values() if isinstance(entries, pikepdf.Dictionary) else ():
            if isinstance(entry, pikepdf.Dictionary):
                yield entry


def _named(resources: object) -> _Names:
    """Return which streams each name of a category among resources draws, if any."""
    found: _Names = {}
    for category in _NAMES_HELD:
        entries = _entry(resources, category)
        for name, entry in entries.items() if isinstance(entries, pikepdf.Dictionary) else ():
            found[category, name] = [entry] if isinstance(entry, pikepdf.Stream) else _streams(entry)
    return found


def _streams(resource: object) -> list[pikepdf.Stream]:
    """Return a font's glyphs and a soft mask's group."""
    if not isinstance(resource, pikepdf.Dictionary):
        return []
    glyphs, mask = resource.get("/CharProcs"), resource.get("/SMask")
    found = (*glyphs.values(),) if isinstance(glyphs, pikepdf.Dictionary) else ()
    group = mask.get("/G") if isinstance(mask, pikepdf.Dictionary) else None
    return [each for each in (*found, group) if isinstance(each, pikepdf.Stream)]
