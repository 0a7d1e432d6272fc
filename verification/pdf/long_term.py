"""What a long-term update may consist of, object by object; whatever is not named here is a change (decision 0049).

A long-term update adds a security store, document timestamps with their invisible fields,
and the developer extensions these call for. Beyond that only the marks are let through
which a writer leaves by habit: the modification date and its own name.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.metadata import model, xmp_xml

if TYPE_CHECKING:
    from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader

_STORE = {"/Type", "/VRI", "/Certs", "/CRLs", "/OCSPs"}
_STORE_OF_ONE = {"/Type", "/Cert", "/CRL", "/OCSP", "/TU", "/TS"}
_STREAM = {"/Length", "/Filter", "/DecodeParms", "/Type"}
_FIELD = {"/FT", "/T", "/V", "/Type", "/Subtype", "/F", "/Ff", "/P", "/Rect", "/AP", "/TU"}
_TIMESTAMP = {"/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange", "/V", "/M", "/Reference"}
_CATALOGUE = {"/DSS", "/Extensions", "/AcroForm"}
_TRAILER = {"/Size", "/Prev", "/XRefStm", "/Type", "/W", "/Index", "/Length", "/Filter", "/DecodeParms", "/Info", "/ID"}
_EXTENSIONS = {"/ESIC", "/ADBE", "/ISO_"}
_EXTENSION = {"/Type", "/BaseVersion", "/ExtensionLevel", "/ExtensionRevision", "/URL"}
_DATE = re.compile(r"D:[0-9'Z+-]{4,20}")
_PRODUCER = re.compile(r"(?:; )?pyHanko [0-9A-Za-z.+-]{1,30}")
_MARKS_OF_WRITERS = {"/ModDate", "/Producer"}


class _Foreign(Exception):
    """Something that is no part of a long-term update."""


def is_long_term_update(reader: PdfFileReader, revision: int) -> bool:
    """Tell whether a revision changes and adds nothing but validation data and document timestamps."""
    try:
        update = _Update(reader, revision)
        update.examine()
    except _Foreign:
        return False
    touched = reader.xrefs.explicit_refs_in_revision(revision)
    return not reader.xrefs.refs_freed_in_revision(revision) and all(
        reference.idnum in update.allowed or update.is_plumbing(reference) for reference in touched
    )


class _Update:
    """One revision beside the one before it; `allowed` collects the objects it may hold."""

    def __init__(self, reader: PdfFileReader, revision: int) -> None:
        self.reader, self.revision = reader, revision
        self.old: HistoricalResolver = reader.get_historical_resolver(revision - 1)
        self.new: HistoricalResolver = reader.get_historical_resolver(revision)
        self.numbers = {reference.idnum for reference in reader.xrefs.explicit_refs_in_revision(revision)}
        self.known = {
            reference.idnum
            for earlier in range(revision)
            for reference in reader.xrefs.explicit_refs_in_revision(earlier)
        }
        self.allowed: set[int] = set()

    def examine(self) -> None:
        """Go through all a long-term update may touch; raises _Foreign at anything else there."""
        before, after = self.old.trailer_view, self.new.trailer_view
        _require(_differing(before, after) <= _TRAILER)
        self.allowed.add(after.raw_get("/Root").idnum)
        _require(_differing(self.old.root, self.new.root) <= _CATALOGUE)
        _extensions(self.old.root, self.new.root)
        self._info(before, after)
        self._description()
        self._store()
        self._form()

    def is_plumbing(self, reference: generic.Reference) -> bool:
        """Tell whether an object is a cross-reference stream, or an object stream of named objects alone."""
        found = self.new.get_object(reference)
        if reference.idnum in self.known or not isinstance(found, generic.StreamObject):
            return False
        if found.get("/Type") != "/ObjStm":
            return bool(found.get("/Type") == "/XRef")
        header = found.data[: int(found["/First"])].split()
        return {int(number) for number in header[::2]} <= self.numbers

    def _fresh(self, raw: Any) -> int:  # noqa: ANN401 - any PDF object
        """Return the number of an object that this update added."""
        _require(isinstance(raw, generic.IndirectObject) and raw.idnum not in self.known)
        return int(raw.idnum)

    def _same_place(self, before: Any, after: Any) -> None:  # noqa: ANN401 - any PDF object
        """Let a container be rewritten where it was."""
        indirect = isinstance(after, generic.IndirectObject)
        _require(isinstance(before, generic.IndirectObject) == indirect)
        if indirect:
            _require(_plain(before) == _plain(after))
            self.allowed.add(after.idnum)

    def _info(self, before: generic.DictionaryObject, after: generic.DictionaryObject) -> None:
        if "/Info" not in after:
            _require("/Info" not in before)
            return
        here = after.raw_get("/Info")
        if "/Info" in before:
            self._same_place(before.raw_get("/Info"), here)
        else:
            self.allowed.add(self._fresh(here))
        # A trailer's own references lead to the newest revision, whichever revision's trailer it is.
        was = _as_of(self.old, before.raw_get("/Info")) if "/Info" in before else _nothing()
        info = _as_of(self.new, here)
        changed = _differing(was, info)
        _require(changed <= _MARKS_OF_WRITERS)
        if "/ModDate" in changed:
            _require(_DATE.fullmatch(str(info.get("/ModDate"))) is not None)
        if "/Producer" in changed:
            _require(_is_writers_name(str(was.get("/Producer", "")), str(info.get("/Producer"))))

    def _description(self) -> None:
        """Let XMP be written anew when it says the same but for the marks of a writer."""
        if "/Metadata" not in self.new.root:
            return
        reference = self.new.root.raw_get("/Metadata").reference
        number = reference.idnum
        if number not in self.numbers:
            return
        # Not through the resolvers of one revision each: they cannot copy a stream of XMP.
        before = self._packet(reference, self.revision - 1)
        after = self._packet(reference, self.revision)
        _require(_differing(before, after) <= _STREAM)
        was, now = _described(before.data), _described(after.data)
        _require(was == now)
        self.allowed.add(number)

    def _packet(self, reference: generic.Reference, revision: int) -> Any:  # noqa: ANN401 - any PDF object
        return self.reader.get_object(reference, revision=revision)  # type: ignore[no-untyped-call] # as below

    def _store(self) -> None:
        old_containers, _ = _stored(self.old.root)
        containers, streams = _stored(self.new.root)
        self.allowed |= {number for number in containers if number not in self.known or number in old_containers}
        self.allowed |= streams - self.known

    def _form(self) -> None:
        if "/AcroForm" not in self.new.root:
            return
        before = self.old.root["/AcroForm"] if "/AcroForm" in self.old.root else _nothing()
        after = self.new.root["/AcroForm"]
        _require(_differing(before, after) <= {"/Fields", "/SigFlags"})
        _require(after.get("/SigFlags", 0) in (before.get("/SigFlags", 0), 1, 3))
        if "/AcroForm" in self.old.root:
            self._same_place(self.old.root.raw_get("/AcroForm"), self.new.root.raw_get("/AcroForm"))
        elif isinstance(self.new.root.raw_get("/AcroForm"), generic.IndirectObject):
            self.allowed.add(self._fresh(self.new.root.raw_get("/AcroForm")))
        added = self._appended(before, after, "/Fields")
        fields = {self._fresh(field) for field in added}
        for field in added:
            self._field(field, fields)

    def _appended(
        self, before: generic.DictionaryObject, after: generic.DictionaryObject, name: str
    ) -> list[generic.IndirectObject]:
        """Return what was appended to an array; raises _Foreign when anything else became of it."""
        was, now = _raw(before, name), _raw(after, name)
        _require([_plain(item) for item in now[: len(was)]] == [_plain(item) for item in was])
        if name in after:
            here = after.raw_get(name)
            if name in before and isinstance(before.raw_get(name), generic.IndirectObject):
                self._same_place(before.raw_get(name), here)
            elif isinstance(here, generic.IndirectObject):
                self.allowed.add(self._fresh(here))
        return now[len(was) :]

    def _field(self, raw: generic.IndirectObject, fields: set[int]) -> None:
        """Let one invisible field with a document timestamp through, and its place on a page."""
        field = raw.get_object()  # type: ignore[no-untyped-call] # pyHanko is partly typed
        _require(set(field) <= _FIELD and field.get("/FT") == "/Sig")
        self.allowed.add(raw.idnum)
        left, bottom, right, top = (float(number) for number in field.get("/Rect", (0, 0, 0, 0)))
        _require(left == right and bottom == top)
        stamp = field["/V"]
        _require(set(stamp) <= _TIMESTAMP and stamp.get("/Type") == "/DocTimeStamp")
        self.allowed.add(self._fresh(field.raw_get("/V")))
        if "/AP" in field:
            _require(set(field["/AP"]) == {"/N"} and not field["/AP"]["/N"].data.strip())
            self.allowed.add(self._fresh(field["/AP"].raw_get("/N")))
        if "/P" in field:
            number = field.raw_get("/P").idnum
            _require(number in self.known and field["/P"].get("/Type") == "/Page")
            was, page = self.old.get_object(generic.Reference(number, 0, pdf=self.old)), field["/P"]
            _require(_differing(was, page) <= {"/Annots"})
            _require({item.idnum for item in self._appended(was, page, "/Annots")} <= fields)
            self.allowed.add(number)


def _as_of(resolver: HistoricalResolver, raw: Any) -> Any:  # noqa: ANN401 - any PDF object
    """Return what a value of a trailer was in one revision."""
    return resolver.get_object(raw.reference) if isinstance(raw, generic.IndirectObject) else raw


def _require(holds: bool) -> None:  # noqa: FBT001 - an assertion that stays in optimised code
    if not holds:
        raise _Foreign


def _nothing() -> generic.DictionaryObject:
    return generic.DictionaryObject()  # type: ignore[no-untyped-call] # pyHanko is partly typed


def _raw(container: generic.DictionaryObject, name: str) -> list[Any]:
    return list(list.__iter__(container[name])) if name in container else []


def _differing(before: generic.DictionaryObject, after: generic.DictionaryObject) -> set[str]:
    """Return the keys that came, went or changed."""
    _require(isinstance(before, generic.DictionaryObject) and isinstance(after, generic.DictionaryObject))
    return {
        str(key)
        for key in {*before, *after}
        if key not in before or key not in after or _plain(before.raw_get(key)) != _plain(after.raw_get(key))
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any PDF object
    """Return a value that compares by what is written, references by their number."""
    if isinstance(value, generic.IndirectObject):
        return ("reference", value.idnum, value.generation)
    if isinstance(value, generic.DictionaryObject):
        items = sorted((str(key), _plain(item)) for key, item in dict.items(value))
        return ("dictionary", tuple(items), value.encoded_data if isinstance(value, generic.StreamObject) else b"")
    if isinstance(value, generic.ArrayObject):
        return ("array", *(_plain(item) for item in list.__iter__(value)))
    return (type(value).__name__, repr(value))


def _extensions(before: generic.DictionaryObject, after: generic.DictionaryObject) -> None:
    if "/Extensions" not in after:
        return
    _require("/Extensions" not in before or isinstance(after.raw_get("/Extensions"), generic.DictionaryObject))
    was = before["/Extensions"] if "/Extensions" in before else _nothing()
    changed = _differing(was, after["/Extensions"])
    _require(changed <= _EXTENSIONS)
    for name in changed:
        entry = after["/Extensions"].raw_get(name)
        _require(isinstance(entry, generic.DictionaryObject) and set(entry) <= _EXTENSION)


def _is_writers_name(before: str, after: str) -> bool:
    return after.startswith(before) and _PRODUCER.fullmatch(after[len(before) :]) is not None


def _described(packet: bytes) -> dict[Any, Any]:
    """Return what an XMP packet says, without the marks of a writer."""
    fields = {key: value for root in xmp_xml.parse_xmp(io.BytesIO(packet)) for key, value in root}
    for mark in (model.XMP_MODDATE, model.PDF_PRODUCER):
        fields.pop(mark, None)
    return fields


def _stored(root: generic.DictionaryObject) -> tuple[set[int], set[int]]:
    """Return the numbers of a security store's containers and of the data in it."""
    store = _Store()
    if "/DSS" in root:
        store.read(root)
    return store.containers, store.streams


class _Store:
    """Walks a security store by its form; raises _Foreign at anything that does not belong in one."""

    def __init__(self) -> None:
        self.containers: set[int] = set()
        self.streams: set[int] = set()

    def read(self, root: generic.DictionaryObject) -> None:
        """Walk the store of a catalogue."""
        store = self._opened(root, "/DSS", generic.DictionaryObject)
        _require(set(store) <= _STORE)
        self._data(store, "/Certs", "/CRLs", "/OCSPs")
        of_each = self._opened(store, "/VRI", generic.DictionaryObject) if "/VRI" in store else _nothing()
        for name in set(of_each) - {"/Type"}:
            entry = self._opened(of_each, name, generic.DictionaryObject)
            _require(set(entry) <= _STORE_OF_ONE)
            self._data(entry, "/Cert", "/CRL", "/OCSP")
            if "/TS" in entry:
                self._stream(entry.raw_get("/TS"))

    def _opened(self, holder: generic.DictionaryObject, name: str, kind: type) -> Any:  # noqa: ANN401 - any PDF object
        raw = holder.raw_get(name)
        if isinstance(raw, generic.IndirectObject):
            self.containers.add(raw.idnum)
        _require(isinstance(holder[name], kind))
        return holder[name]

    def _data(self, holder: generic.DictionaryObject, *names: str) -> None:
        for name in names:
            if name in holder:
                for raw in list.__iter__(self._opened(holder, name, generic.ArrayObject)):
                    self._stream(raw)

    def _stream(self, raw: Any) -> None:  # noqa: ANN401 - any PDF object
        _require(isinstance(raw, generic.IndirectObject))
        found = raw.get_object()
        _require(isinstance(found, generic.StreamObject) and set(found) <= _STREAM)
        self.streams.add(raw.idnum)
