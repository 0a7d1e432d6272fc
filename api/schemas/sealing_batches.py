"""Batches of documents to seal, as JSON."""

from typing import Annotated

from pydantic import Field

from api.schemas.common import Answer
from foundation.batches import Progress
from signing.batches import BatchDocument


class SealingBatchAnswer(Answer):
    """How far a batch is."""

    batch_id: str
    total: int
    done: Annotated[int, Field(description="Documents sealed.")]
    failed: Annotated[int, Field(description="Documents that cannot be sealed; the results say why.")]
    finished: bool

    @classmethod
    def of(cls, batch_id: str, found: Progress) -> "SealingBatchAnswer":
        """Return the answer."""
        return cls(batch_id=batch_id, total=found.total, done=found.done, failed=found.failed, finished=found.finished)


class BatchDocumentAnswer(Answer):
    """What became of one document."""

    number: Annotated[int, Field(description="Its place in the upload, from 0.")]
    state: Annotated[str, Field(description="`waiting`, `done` or `failed`.")]
    document_id: str | None
    location: str | None
    refusal: str | None

    @classmethod
    def of(cls, found: BatchDocument) -> "BatchDocumentAnswer":
        """Return the answer."""
        location = f"/api/v1/sealed-documents/{found.document_id}" if found.document_id else None
        return cls(
            number=found.number,
            state=found.state,
            document_id=found.document_id,
            location=location,
            refusal=found.refusal,
        )


class BatchDocumentList(Answer):
    """The documents of a batch, in the order of the upload."""

    documents: list[BatchDocumentAnswer]
