"""Raising a sealed document to its level, and renewing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from signing.long_term import add_validation_data, prepare_document_timestamp
from signing.model import BaselineLevel
from signing.off_loop import off_loop
from signing.pdf_file import PdfFile
from signing.signature_field import finish
from signing.validation_data import timestamp_chain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keys.tsa import TimestampAuthority
    from signing.long_term import ValidationData
    from signing.signature_field import Prepared
    from signing.validation_data import ValidationDataSource

RENEWAL_MARGIN = timedelta(days=90)
"""How long before its newest timestamp's certificate ends a document is renewed."""
TOKEN_SLACK = 512
LONG_TERM = frozenset({BaselineLevel.B_LT, BaselineLevel.B_LTA})


@dataclass(frozen=True, slots=True)
class Levelled:
    """A document at its level, and when it must be renewed."""

    document: bytes = field(repr=False)
    level: BaselineLevel
    renew_after: datetime | None = None


class Levels:
    """Adds validation data and document timestamps."""

    def __init__(self, source: ValidationDataSource, timestamps: TimestampAuthority) -> None:
        """Take where validation data and timestamps come from."""
        self._source = source
        self._timestamps = timestamps

    async def extend(
        self, document: bytes, level: BaselineLevel, seal_chain: Sequence[bytes], token: bytes
    ) -> Levelled:
        """Make a B-T document a B-LT or B-LTA.

        Args:
            document: a document whose newest seal carries `token`.
            level: B-LT or B-LTA.
            seal_chain: the seal's certificates, leaf first.
            token: the seal's signature timestamp.

        Raises: ServiceUnavailable, CertificateNotFound, BrokenPdf.
        """
        chain = timestamp_chain(token).certificates
        data = await self._source.collect((tuple(seal_chain), chain))
        if level is BaselineLevel.B_LT:
            return Levelled(await off_loop(len(document), _with_data, document, data), level)
        return await self._timestamped(document, data, len(token))

    async def renew(self, document: bytes, last_token: bytes) -> Levelled:
        """Add the validation data of the newest timestamp, and another timestamp over it. Raises as `extend`."""
        data = await self._source.collect((timestamp_chain(last_token).certificates,))
        return await self._timestamped(document, data, len(last_token))

    async def _timestamped(self, document: bytes, data: ValidationData, token_size: int) -> Levelled:
        prepared = await off_loop(len(document), _with_room, document, data, token_size + TOKEN_SLACK)
        token = await self._timestamps.timestamp(prepared.signed_bytes_digest)
        finished = await off_loop(len(document), finish, document, prepared, token)
        return Levelled(finished, BaselineLevel.B_LTA, timestamp_chain(token).expires_at - RENEWAL_MARGIN)


def _with_data(document: bytes, data: ValidationData) -> bytes:
    with PdfFile(document) as file:
        return add_validation_data(file, data)


def _with_room(document: bytes, data: ValidationData, contents_size: int) -> Prepared:
    with PdfFile(document) as file:
        return prepare_document_timestamp(file, data, contents_size=contents_size)
