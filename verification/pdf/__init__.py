"""PDFs: what is sealed, by whom, and whether it still shows what was sealed.

The gate loads pyHanko, which takes a second; whoever needs other modules of this package does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verification.pdf.gate import PdfLimits, validate_pdf

__all__ = ["PdfLimits", "validate_pdf"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the gate has under the name
    """Return a part of the gate when it is asked for."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module("verification.pdf.gate"), name)
