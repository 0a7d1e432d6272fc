"""An intention: what is about to be sealed, written down before the key is used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from signing.placement_json import to_json
from signing.signature_field import Prepared

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from signing.model import BaselineLevel
    from signing.placement import Placement

LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a prepared document; with its bytes it makes a `Prepared` again."""

    source_length: int
    source_sha256: bytes
    contents_at: int
    contents_size: int
    signed_bytes_digest: bytes
    field_name: str
    pages: tuple[int, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Layout:
        """Take a prepared document's layout."""
        return cls(
            prepared.source_length,
            prepared.source_sha256,
            prepared.contents_at,
            prepared.contents_size,
            prepared.signed_bytes_digest,
            prepared.field_name,
            prepared.pages,
        )

    def prepared(self, update: bytes) -> Prepared:
        """Join the layout with the update it describes."""
        return Prepared(
            self.source_length,
            self.source_sha256,
            update,
            self.contents_at,
            self.contents_size,
            self.signed_bytes_digest,
            self.field_name,
            self.pages,
        )

    def to_json(self) -> dict[str, object]:
        """Return plain values for the row."""
        return {
            "source_length": self.source_length,
            "source_sha256": self.source_sha256.hex(),
            "contents_at": self.contents_at,
            "contents_size": self.contents_size,
            "signed_bytes_digest": self.signed_bytes_digest.hex(),
            "field_name": self.field_name,
            "pages": list(self.pages),
        }

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Layout:
        """Read what `to_json` wrote."""
        numbers = {name: int(str(value[name])) for name in ("source_length", "contents_at", "contents_size")}
        pages = value["pages"]
        return cls(
            source_sha256=bytes.fromhex(str(value["source_sha256"])),
            signed_bytes_digest=bytes.fromhex(str(value["signed_bytes_digest"])),
            field_name=str(value["field_name"]),
            pages=tuple(pages) if isinstance(pages, list) else (),
            **numbers,
        )


@dataclass(frozen=True, slots=True)
class Intention:
    """One row of `seal_intentions`, without its state."""

    intention_id: str
    seal_id: str
    key_id: str
    organisation_code: str
    requested_by: str
    channel: str
    matter_code: str | None
    level: BaselineLevel
    placement: Placement
    document_digest: bytes
    to_be_signed_digest: bytes
    layout: Layout
    created_at: datetime
    prepared_blob: str | None = None
    second_factor_method: str | None = None

    @property
    def expires_at(self) -> datetime:
        """Return until when it may be confirmed."""
        return self.created_at + LIFETIME

    @property
    def challenge(self) -> bytes:
        """Return SHA-256 over the intention: what a passkey signs when its officer confirms.

        The covered JSON is sorted and compact, so that anyone who holds the row can compute it.
        """
        facts = {
            "document_digest": self.document_digest.hex(),
            "intention_id": self.intention_id,
            "level": self.level,
            "matter_code": self.matter_code,
            "placement": to_json(self.placement),
            "seal_id": self.seal_id,
            "signed_bytes_digest": self.layout.signed_bytes_digest.hex(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).digest()


def requester(principal: Principal) -> str:
    """Return how the rows name who asked."""
    return principal.audit_name
