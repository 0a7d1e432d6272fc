"""Sealing in two steps, as JSON."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer
from signing.model import IntentionState, PreparedSealing, PreparedState

Digest = Annotated[str, Field(description="SHA-256, lower-case hex.")]


class AttachmentAnswer(Answer):
    """A file within the document."""

    name: Annotated[str, Field(description="Every name a reader may show, joined by ` / `; empty when it has none.")]
    media_type: Annotated[str, Field(description="What the document says it is; empty when it does not.")]
    size: Annotated[int, Field(description="Bytes, once taken out.")]


class PreparedAnswer(Answer):
    """A document made ready; look at it under `preview`, then confirm it or give it up."""

    intention_id: str
    document_sha256: Digest
    signed_bytes_sha256: Annotated[str, Field(description="SHA-256 of exactly what the seal will cover.")]
    pages: Annotated[list[int], Field(description="Pages that carry a picture of the seal.")]
    attachments: Annotated[
        list[AttachmentAnswer],
        Field(description="Files within the document: the seal covers them, no page shows them."),
    ]
    expires_at: AwareDatetime
    location: str
    preview: str

    @classmethod
    def of(cls, prepared: PreparedSealing) -> "PreparedAnswer":
        """Return the answer, without the bytes."""
        location = f"/api/v1/prepared-sealings/{prepared.intention_id}"
        return cls(
            intention_id=prepared.intention_id,
            document_sha256=prepared.document_digest.hex(),
            signed_bytes_sha256=prepared.signed_bytes_digest.hex(),
            pages=list(prepared.pages),
            attachments=[
                AttachmentAnswer(name=each.name, media_type=each.media_type, size=each.size)
                for each in prepared.attachments
            ],
            expires_at=prepared.expires_at,
            location=location,
            preview=f"{location}/pdf",
        )


class PreparedStateAnswer(Answer):
    """Where a prepared sealing stands; `intended` is confirmed and still being sealed."""

    intention_id: str
    state: IntentionState
    document_sha256: Digest
    expires_at: AwareDatetime
    document_id: str | None
    location: Annotated[str | None, Field(description="The sealed document, once there is one.")]

    @classmethod
    def of(cls, found: PreparedState) -> "PreparedStateAnswer":
        """Return the answer."""
        return cls(
            intention_id=found.intention_id,
            state=found.state,
            document_sha256=found.document_digest.hex(),
            expires_at=found.expires_at,
            document_id=found.document_id,
            location=f"/api/v1/sealed-documents/{found.document_id}" if found.document_id else None,
        )
