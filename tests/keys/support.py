"""Helpers of the tests of `keys`."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

from keys.model import KeyPurpose
from keys.ports import SealEvidence

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from foundation.principal import Principal
    from keys.assembly import Keys
    from keys.model import KeyInfo

CREDIT_CODE = "11500100009001018B"


class StoredIntentions:
    """Stands where `signing` stands: knows which intentions were stored."""

    def __init__(self) -> None:
        self.stored: set[tuple[str, str, bytes]] = set()
        self.unapproved: set[str] = set()

    async def covers(self, database: Database, *, intention_id: str, key_id: str, digest: bytes) -> bool:
        del database
        return (intention_id, key_id, digest) in self.stored

    async def evidence(
        self, connection: AsyncConnection, *, intention_id: str, key: KeyInfo, digest: bytes
    ) -> SealEvidence | None:
        del connection, key, digest
        return SealEvidence(intention_id, "officer:off_1", bytes(32))

    async def approves_certificate(
        self, connection: AsyncConnection, *, seal_id: str, credit_code: str, organisation_name: str, seal_name: str
    ) -> bool:
        del connection, credit_code, organisation_name, seal_name
        return seal_id not in self.unapproved


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def openssl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run OpenSSL; the caller looks at what it says."""
    return subprocess.run(["openssl", *arguments], cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603, S607 - fixed program, test data


async def make_seal(keys: Keys, operator: Principal, owner: str = "sel_one", algorithm: str = "ES256") -> KeyInfo:
    key = await keys.service.create(operator, KeyPurpose.SEAL, owner, algorithm)
    return await keys.ca.issue_organisation_seal(
        operator,
        key.key_id,
        organisation_name="演示市食品药品监督管理局",
        credit_code=CREDIT_CODE,
        seal_name="演示市食品药品监督管理局",
    )
