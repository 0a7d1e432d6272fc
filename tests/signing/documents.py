"""Documents to seal."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import noto_cjk_sans_otc
import typst

FONTS = [str(Path(str(noto_cjk_sans_otc.FONT_PATH)).parent)]
HEAD = """
#set document(title: "食品经营许可证", date: datetime(year: 2026, month: 3, day: 2))
#set text(font: "Noto Sans CJK SC", size: 12pt, lang: "zh")
#set page(paper: "a4")
= 食品经营许可证
经营者名称 演示市美味食品有限公司。主体业态 食品销售经营者。经营项目 预包装食品销售。

#v(2cm)
盖章处 Seal here
"""


Standard: TypeAlias = Literal[
    "a-1a", "a-1b", "a-2a", "a-2b", "a-2u", "a-3a", "a-3b", "a-3u", "a-4", "a-4e", "a-4f", "ua-1", "1.7"
]


@cache
def typeset(pages: int, standard: Standard = "a-3b") -> bytes:
    """Return a document of so many pages, PDF/A-3b unless another standard is named."""
    source = HEAD + "".join(f"\n#pagebreak()\n附页 {number}\n" for number in range(2, pages + 1))
    # Its overloads want all paths of the source's own type, bytes here; they work as text.
    compiler: Any = typst
    document: bytes = compiler.compile(
        source.encode(), format="pdf", font_paths=FONTS, ignore_system_fonts=True, pdf_standards=standard
    )
    return document
