"""Which fonts draw a face, in which order, and what characters they cover.

The font from PyPI is always there, so a bare machine renders Chinese. The serif
and the fonts of rare characters are used where the system has them, at fixed
paths and in a fixed order: what happens to be installed beside them changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.ttLib.ttCollection import TTCollection

from licence_vault.errors import MissingGlyph, RenderingFailed
from licence_vault.texts import describe

_SYSTEM_FONTS = (
    ("Noto Serif CJK SC", "opentype/noto/NotoSerifCJK-Regular.ttc"),
    ("Noto Serif CJK SC", "opentype/noto/NotoSerifCJK-Bold.ttc"),
    ("BabelStone Han", "truetype/babelstone/BabelStoneHan.ttf"),
    ("BabelStone Han", "truetype/babelstone-han/BabelStoneHan.ttf"),
    ("HanaMinA", "truetype/hanazono/HanaMinA.ttf"),
    ("HanaMinB", "truetype/hanazono/HanaMinB.ttf"),
)
_SYSTEM_ROOTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_ALWAYS = "Noto Sans CJK SC"


@dataclass(frozen=True, slots=True)
class FontSet:
    """Font files and family names in order of preference; `digest` identifies the set."""

    files: tuple[Path, ...]
    families: tuple[str, ...]
    digest: str
    characters: frozenset[int]

    def require(self, text: str, field: str) -> None:
        """Raise MissingGlyph for the first character that no font of the set draws."""
        for character in text:
            if ord(character) not in self.characters and character != "\n":
                raise MissingGlyph(
                    f"没有字体包含字符 {describe(character)} / no font draws this character.", field=field
                )


@cache
def default_fonts(*, system: bool = True) -> FontSet:
    """Return the set of this machine; reads the files once."""
    found = [(family, path) for family, path in _system_fonts() if system]
    found.append((_ALWAYS, _packaged_font()))
    digest = hashlib.sha256()
    characters: set[int] = set()
    for _, path in found:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for family in dict.fromkeys(family for family, _ in found):
        # Coverage is counted once per family: a bold file covers what its regular one does.
        path = next(path for name, path in found if name == family)
        characters |= _coverage(path)
    families = tuple(dict.fromkeys(family for family, _ in found))
    return FontSet(tuple(path for _, path in found), families, digest.hexdigest(), frozenset(characters))


def _system_fonts() -> list[tuple[str, Path]]:
    return [
        (family, root / name) for family, name in _SYSTEM_FONTS for root in _SYSTEM_ROOTS if (root / name).is_file()
    ]


def _packaged_font() -> Path:
    spec = find_spec("noto_cjk_sans_otc")
    if spec is None or not spec.submodule_search_locations:
        raise RenderingFailed("The packaged Chinese font is not installed.")
    return Path(spec.submodule_search_locations[0]) / "NotoSansCJK-Regular.ttc"


def _coverage(path: Path) -> set[int]:
    """Return the code points of a font file; of a collection, those of its Simplified Chinese face."""
    with path.open("rb") as file:
        if path.suffix != ".ttc":
            return set(TTFont(file, lazy=True).getBestCmap())
        faces = [font for font in TTCollection(file, lazy=True) if font["name"].getDebugName(1).endswith("CJK SC")]
        return set(faces[0].getBestCmap())
