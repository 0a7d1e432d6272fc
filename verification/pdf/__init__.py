"""PDFs: what is sealed, by whom, and whether it still shows what was sealed."""

from verification.pdf.gate import PdfLimits, validate_pdf

__all__ = ["PdfLimits", "validate_pdf"]
