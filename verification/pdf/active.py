"""Can a sealed document come to look different without a byte of it changing?

Scripts and actions that run, hide, fetch or play, media, portfolios and layers are within
the sealed bytes, and yet what a person sees depends on a program, a click or a switch. The
signature holds; what it was put under cannot be told (decision 0105).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pikepdf

from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.attachment import embedded_files

if TYPE_CHECKING:
    from verification.pdf.document import Finding

_STANDARD = "ISO 32000-2, 12.6, 8.11 and 13; ISO 19005-3, 6.5 and 6.6"
_ACTIONS = frozenset(
    f"/{name}"
    for name in (
        "JavaScript", "Launch", "ImportData", "SubmitForm", "ResetForm", "Hide", "Rendition", "Movie", "Sound",
        "SetOCGState", "GoTo3DView", "RichMediaExecute", "GoToDp",
    )
)  # fmt: skip
"""Actions other than going somewhere: these run, hide, fetch, play or switch."""
_ANNOTATIONS = frozenset({"/Movie", "/Sound", "/Screen", "/RichMedia", "/3D"})
_NAMED = frozenset({"/JavaScript", "/Renditions", "/AlternatePresentations"})
_FILLED_IN = frozenset({"/Tx", "/Btn", "/Ch"})
_TELLTALE = re.compile(
    rb"/(?:JS|3D|"
    + b"|".join(sorted(word[1:].encode() for word in (_ACTIONS | _NAMED | _ANNOTATIONS) - {"/3D"}))
    + rb")\b"
)
"""What an object is searched for before it is looked at; the library has undone escaped names by then."""
_LAYER = re.compile(rb"/(?:OC|OCG|OCMD)(?![^\0\s/\[\]<>()])")
"""What belongs to a layer, or is one; readers part over one that the catalogue does not list."""
_DEPTH = 60


def content_checks(pdf: pikepdf.Pdf) -> tuple[Finding, ...]:
    """Check that what the file shows depends on nothing but the file; raises as pikepdf does on damage."""
    active, attaching = "/Collection" in pdf.Root, []
    layered = _has_layers(pdf)
    for item in pdf.objects:
        words = _words(item)
        active = active or (_TELLTALE.search(words) is not None and _acts(item, _DEPTH))
        layered = layered or (b"/OC" in words and _LAYER.search(words) is not None)
        if b"/EF" in words or b"/EmbeddedFile" in words:
            attaching.append(item)
    return (
        _finding("pdf.active_content", Outcome.FAILED, _ACTIVE, _NO_ACTIVE, wrong=active),
        _finding("pdf.layers", Outcome.UNKNOWN, _CHANGEABLE, _NO_LAYERS, wrong=layered or _drawn_late(pdf)),
        *_attachments(embedded_files(attaching)),
    )


_ACTIVE = Sentence(
    "文件含脚本、会执行的动作或多媒体，所见内容不由盖章的字节决定。",
    "Scripts, actions that run or media: what the file shows is not settled by the sealed bytes.",
)
_NO_ACTIVE = Sentence(
    "文件没有脚本、会执行的动作或多媒体。", "There are no scripts, actions that run or media in the file."
)
_CHANGEABLE = Sentence(
    "文件含可开关的图层或由阅读程序绘制的表单，显示内容可能不同。",
    "Layers that can be switched, or fields a reader draws: the file can look different.",
)
_NO_LAYERS = Sentence("文件没有可开关的图层。", "There are no layers that can be switched.")


def _attachments(files: tuple[str, ...]) -> tuple[Finding, ...]:
    """Name the files within the file: the seal covers them, and no page shows them."""
    if not files:
        return ()
    named = "; ".join(files)
    detail = Sentence(
        f"文件内夹带 {len(files)} 个附件（名称、类型、存储大小），页面不显示其内容：{named}。",
        f"{len(files)} attachment(s) (name, type, stored size) that no page shows: {named}.",
    )
    return ((Check("pdf.attachments", "ISO 32000-2, 7.11.4", Outcome.PASSED, detail), Reason.CONTENT_CAN_CHANGE),)


def _finding(name: str, outcome: Outcome, wrong_sentence: Sentence, right: Sentence, *, wrong: bool) -> Finding:
    check = Check(name, _STANDARD, outcome if wrong else Outcome.PASSED, wrong_sentence if wrong else right)
    return check, Reason.CONTENT_CAN_CHANGE


def _words(item: pikepdf.Object) -> bytes:
    """Return an object's own words, to search for what matters: most mention nothing, and this costs a microsecond."""
    if isinstance(item, pikepdf.Stream):
        return item.stream_dict.unparse(resolved=True)
    composite = isinstance(item, (pikepdf.Dictionary, pikepdf.Array, pikepdf.Name))
    return item.unparse(resolved=True) if composite else b""


def _acts(value: object, depth: int) -> bool:
    """Tell whether an object, or a direct one within it, is active; deeper than any honest file counts as such."""
    if isinstance(value, pikepdf.Name):
        # An object of its own that is but the name of an action: somebody hides one.
        return str(value) in _ACTIONS | _ANNOTATIONS
    if isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
        inner = [value[key] for key in value.keys()]  # noqa: SIM118 - a pikepdf object is no mapping
        if _is_active(value):
            return True
    elif isinstance(value, pikepdf.Array):
        inner = list(value)
    else:
        return False
    composite = (pikepdf.Dictionary, pikepdf.Array)
    direct = [entry for entry in inner if isinstance(entry, composite) and not entry.is_indirect]
    return depth == 0 or any(_acts(entry, depth - 1) for entry in direct)


def _is_active(value: pikepdf.Dictionary | pikepdf.Stream) -> bool:
    named = any(key in value for key in ("/JS", *_NAMED))
    return named or str(value.get("/S")) in _ACTIONS or str(value.get("/Subtype")) in _ANNOTATIONS


def _has_layers(pdf: pikepdf.Pdf) -> bool:
    properties = pdf.Root.get("/OCProperties")
    if properties is None:
        return False
    groups = properties.get("/OCGs") if isinstance(properties, pikepdf.Dictionary) else None
    return not isinstance(groups, pikepdf.Array) or len(groups) > 0


def _drawn_late(pdf: pikepdf.Pdf) -> bool:
    """Tell whether readers are asked to draw the fields of a form themselves, each by its own lights."""
    form = pdf.Root.get("/AcroForm")
    if not isinstance(form, pikepdf.Dictionary) or not form.get("/NeedAppearances"):
        return False
    return any(isinstance(item, pikepdf.Dictionary) and str(item.get("/FT")) in _FILLED_IN for item in pdf.objects)
