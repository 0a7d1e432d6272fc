"""Sealing a digest for a system that keeps its document, as JSON."""

import base64
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer, Id, MatterCode, Schema
from signing.model import BaselineLevel, DigestRequest, DigestSeal


class SealDigest(Schema):
    """Which seal, and the digest its signature shall cover."""

    seal_id: Id
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256, lower-case hex: over the byte range of a prepared PDF, or over any other file.",
        ),
    ]
    matter_code: MatterCode | None = None
    level: Annotated[
        Literal[BaselineLevel.B_B, BaselineLevel.B_T],
        Field(description="B-LT and B-LTA are the document holder's to add."),
    ] = BaselineLevel.B_T

    def to_domain(self) -> DigestRequest:
        """Return the request."""
        return DigestRequest(self.seal_id, bytes.fromhex(self.digest), self.matter_code, self.level)


class SealedDigest(Answer):
    """A detached CMS for the caller to put into its document."""

    intention_id: str
    use_number: int
    cms: Annotated[str, Field(description="SignedData (RFC 5652) without content, DER, base64.")]
    level: Annotated[BaselineLevel, Field(description="B-B while no timestamp is to be had.")]
    sealed_at: AwareDatetime

    @classmethod
    def of(cls, sealed: DigestSeal) -> "SealedDigest":
        """Return the answer."""
        return cls(
            intention_id=sealed.intention_id,
            use_number=sealed.use_number,
            cms=base64.b64encode(sealed.cms_der).decode(),
            level=sealed.level,
            sealed_at=sealed.sealed_at,
        )
