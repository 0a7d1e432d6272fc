"""Keys and seals over a test's own database and directory: opened for the test, or to make a beginning for many."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.directory import Directory
from foundation.principal import Channel, Principal, PrincipalKind
from keys.assembly import assemble
from keys.ceremony import initialise
from signing.assembly import Signing, assemble_signing
from signing.intentions import SealIntentions
from signing.workshop import Workshop
from tests.support.gate import full_gate
from tests.support.prepared import prepared
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.ports import SealOfficers, SecondFactors


OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_first", channel=Channel.SYSTEM)


async def hold_ceremony(
    name: str,
    settings: Settings,
    database: Database,
    clock: Clock,
    cipher: FieldCipher,
    *,
    token_algorithms: tuple[str, ...] = ("ES256",),
) -> dict[str, Any]:
    """Give an empty database the keys of the ceremony first held in this process under the name; return its record."""

    async def begin() -> dict[str, Any]:
        made = await initialise(settings, database, clock, cipher, (OPERATOR,), token_algorithms=token_algorithms)
        return made.record

    return await prepared(f"{name} {settings.key_provider} {settings.pki_base}", settings, begin)


@dataclass(frozen=True)
class Ground:
    """What keys and seals stand on."""

    settings: Settings
    database: Database
    clock: Clock
    audit: Audit
    cipher: FieldCipher
    blobs: BlobStore

    @asynccontextmanager
    async def keys(self) -> AsyncIterator[Keys]:
        """Open the key store; its ceremony has been held."""
        keys = assemble(self.settings, self.database, self.clock, self.cipher, intentions=SealIntentions())
        await keys.service.load()
        yield keys
        await keys.close()

    @asynccontextmanager
    async def signing(
        self, keys: Keys, second_factors: SecondFactors, officers: SealOfficers
    ) -> AsyncIterator[Signing]:
        """Open the seals, with the full gate of verification behind them."""
        signing = assemble_signing(
            self.settings,
            self.database,
            clock=self.clock,
            audit=self.audit,
            cipher=self.cipher,
            blobs=self.blobs,
            directory=Directory(self.database),
            keys=keys,
            self_check=FastSelfCheck(),
            full_gate=full_gate(keys, self.clock),
            second_factors=second_factors,
            officers=officers,
            workshop=Workshop(workers=1),
        )
        yield signing
        await signing.close()
