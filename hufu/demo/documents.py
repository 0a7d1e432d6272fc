"""The approval that the demo has sealed."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import typst

from licence_vault.fonts import default_fonts

if TYPE_CHECKING:
    from datetime import datetime

TEMPLATE = Path(__file__).with_name("approval.typ")


def approval_pdf(applicant: str, at: datetime) -> bytes:
    """Return a one-page approval as PDF/A-3b."""
    fonts: list[Path] = [file.parent for file in default_fonts().files]
    inputs = {
        "applicant": applicant,
        "date": f"{at.year} 年 {at.month} 月 {at.day} 日",
        "number": f"{secrets.randbelow(9000) + 1000}",
    }
    return typst.compile(TEMPLATE, font_paths=fonts, ignore_system_fonts=True, sys_inputs=inputs, pdf_standards="a-3b")
