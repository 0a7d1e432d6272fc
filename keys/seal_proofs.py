"""What shows the signer that a seal's use was wanted by somebody outside the web process.

A web process that was taken over can write any row. It cannot sign with an officer's
passkey or with a department's key, so the signer checks such a signature itself, under a
public key that two operators had it pin: the pin is sealed under the signer's own secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from foundation.errors import InvalidInput
from foundation.statements import Statement
from keys.tables import seal_confirmers, seal_proofs, used_seal_proofs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from foundation.principal import Principal
    from keys.wrapping import KeyEncryptionKey


class ConfirmerKind(StrEnum):
    """Who or what lets a seal be used."""

    PASSKEY = "passkey"
    """An officer's passkey: an assertion over the intention's hash."""
    CLIENT = "client"
    """A department system's key: the DPoP proof of the request that asked for the seal."""
    RECORDED = "recorded"
    """A seal key of which the stored intention is enough: licences issued by the thousand, codes typed at the desk."""


@dataclass(frozen=True, slots=True)
class Confirmer:
    """One pin.

    `identifier` is the credential id (base64url), the JWK thumbprint or the key id; `subject`
    the officer or client as audit rows name it (`officer:…`, `client:…`), or the key id again;
    `public_key` the COSE key of a passkey, the DER of a seal's key, empty for a client.
    """

    kind: ConfirmerKind
    identifier: str
    subject: str
    organisation_code: str
    public_key: bytes = b""

    @property
    def confirmer_id(self) -> str:
        """Return the row's name."""
        return f"{self.kind}:{self.identifier}"

    def __post_init__(self) -> None:
        """Refuse what could never confirm anything."""
        if not self.identifier or not self.subject or len(self.confirmer_id) > 1500:  # noqa: PLR2004 - credential ids have at most 1023 bytes
            raise InvalidInput("A confirmer has an identifier and a subject.", field="identifier")
        if self.kind is not ConfirmerKind.CLIENT and not self.public_key:
            raise InvalidInput("A passkey or a seal's key is pinned with its public key.", field="public_key")


def seal_confirmer(confirmer: Confirmer, kek: KeyEncryptionKey) -> bytes:
    """Return a pin as only the signer can write it."""
    facts = [confirmer.subject, confirmer.organisation_code, base64.b64encode(confirmer.public_key).decode()]
    return kek.wrap(json.dumps(facts).encode(), f"confirmer:{confirmer.confirmer_id}")


def open_confirmer(kind: ConfirmerKind, identifier: str, sealed: bytes, kek: KeyEncryptionKey) -> Confirmer:
    """Return a pin; raises KeystoreLocked for one the signer did not write."""
    subject, organisation_code, public_key = json.loads(kek.unwrap(sealed, f"confirmer:{kind}:{identifier}"))
    return Confirmer(kind, identifier, subject, organisation_code, base64.b64decode(public_key))


def credential_id_of(assertion: str) -> str:
    """Return the credential an assertion names; raises InvalidInput."""
    try:
        name = json.loads(assertion)["id"]
        decoded = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise InvalidInput("This is no assertion.", field="proof") from error
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()


_KEEP = Statement(
    insert(seal_proofs)
    .values(**{column.name: bindparam(column.name, type_=column.type) for column in seal_proofs.c})
    .on_conflict_do_nothing()
)


_PROOF = Statement(select(seal_proofs).where(seal_proofs.c.intention_id == bindparam("intention_id")))
_PIN = Statement(select(seal_confirmers.c.sealed).where(seal_confirmers.c.confirmer_id == bindparam("confirmer_id")))


async def proof_of(database: Database, intention_id: str) -> tuple[ConfirmerKind, str] | None:
    """Return what was kept for an intention."""
    row = await database.fetch_one(_PROOF, intention_id=intention_id)
    return None if row is None else (ConfirmerKind(row.kind), row.proof)


async def pin_of(database: Database, kind: ConfirmerKind, identifier: str) -> bytes | None:
    """Return a sealed pin."""
    row = await database.fetch_one(_PIN, confirmer_id=f"{kind}:{identifier}")
    return None if row is None else bytes(row.sealed)


async def record_proof(connection: AsyncConnection, intention_id: str, kind: ConfirmerKind, proof: str) -> None:
    """Keep the proof of an intention for the signer, in the transaction that confirms it."""
    statement = insert(seal_proofs).values(intention_id=intention_id, kind=kind, proof=proof)
    await connection.execute(statement.on_conflict_do_nothing())


async def keep_client_proof(database: Database, intention_id: str, principal: Principal) -> None:
    """Keep the DPoP proof a client's request came with, if any; committed when this returns."""
    if principal.proof is not None:
        kind = str(ConfirmerKind.CLIENT)
        await database.fetch(_KEEP, intention_id=intention_id, kind=kind, proof=principal.proof)


class RequiredProofs:
    """What a web or worker process can tell of the signer's demand before it asks: whether a pin is there at all."""

    def __init__(self, database: Database, *, required: bool) -> None:
        """Take the setting; the signer has its own and judges by that."""
        self._database = database
        self._required = required

    async def stop(self, seal_key_id: str) -> bool:
        """Tell whether the signer will refuse what nobody confirms by a signature: the seal's key is not pinned."""
        if not self._required:
            return False
        return await pin_of(self._database, ConfirmerKind.RECORDED, seal_key_id) is None

    async def none_pinned(self) -> bool:
        """Tell whether the signer will refuse every seal."""
        if not self._required:
            return False
        async with self._database.read() as connection:
            return not await SealProofRepository(connection).any()


class SealProofRepository:
    """Rows of pins and of spent proofs."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work on the caller's connection."""
        self._connection = connection

    async def add(self, confirmer: Confirmer, sealed: bytes, at: datetime) -> None:
        """Store a pin, or put it in the place of an earlier one of the same name."""
        facts = {
            "kind": confirmer.kind,
            "subject": confirmer.subject,
            "organisation_code": confirmer.organisation_code,
            "sealed": sealed,
            "pinned_at": at,
        }
        statement = insert(seal_confirmers).values(confirmer_id=confirmer.confirmer_id, **facts)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=[seal_confirmers.c.confirmer_id], set_=facts)
        )

    async def remove(self, confirmer_id: str) -> bool:
        """Delete a pin; tell whether there was one."""
        statement = delete(seal_confirmers).where(seal_confirmers.c.confirmer_id == confirmer_id)
        return (await self._connection.execute(statement)).rowcount == 1

    async def any(self) -> bool:
        """Tell whether there is a pin."""
        statement = select(seal_confirmers.c.confirmer_id).limit(1)
        return (await self._connection.execute(statement)).first() is not None

    async def all(self) -> tuple[tuple[str, str, str, datetime], ...]:
        """Return name, subject, organisation and date of every pin."""
        table = seal_confirmers.c
        query = select(table.confirmer_id, table.subject, table.organisation_code, table.pinned_at)
        rows = await self._connection.execute(query.order_by(table.confirmer_id))
        return tuple((row.confirmer_id, row.subject, row.organisation_code, row.pinned_at) for row in rows)

    async def use(self, proof_hash: bytes, digest: bytes, at: datetime) -> bool:
        """Spend a proof on one digest; a repeat for the same digest may have it again."""
        statement = insert(used_seal_proofs).values(proof_hash=proof_hash, digest=digest, used_at=at)
        again = statement.on_conflict_do_update(
            index_elements=[used_seal_proofs.c.proof_hash],
            set_={"used_at": used_seal_proofs.c.used_at},
            where=used_seal_proofs.c.digest == statement.excluded.digest,
        )
        return (await self._connection.execute(again.returning(text("1")))).first() is not None

    async def forget_used(self, before: datetime) -> None:
        """Delete what was spent so long ago that its date alone refuses it."""
        await self._connection.execute(delete(used_seal_proofs).where(used_seal_proofs.c.used_at < before))
