"""What cannot be examined at all; what can, however bad, gets a report instead."""

from __future__ import annotations

from foundation.errors import InvalidInput, LimitExceeded, ServiceUnavailable


class NotAPdf(InvalidInput):
    """The bytes do not hold a PDF header where a reader looks for one."""


class DocumentEncrypted(InvalidInput):
    """The PDF asks for a password, so nothing in it can be shown or judged."""


class NoSealFound(InvalidInput):
    """Neither a parser nor a search of the bytes finds a seal in the PDF."""


class DocumentOverLimit(LimitExceeded):
    """The document is larger, longer, deeper or slower to read than a stated limit."""


class SandboxUnavailable(ServiceUnavailable):
    """No worker for strangers' files can be started now."""


class NoCodeFound(InvalidInput):
    """A picture holds no HF1 code that can be read."""
