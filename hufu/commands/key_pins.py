"""`hufu keys pin` and what goes with it: whom the signer believes when a seal is to be used."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from typing import TYPE_CHECKING, Protocol

from foundation.errors import InvalidInput, NotFound
from idp.people.officer_repository import Officers
from idp.people.passkey_repository import Passkeys
from keys.repository import KeyRepository
from keys.seal_proofs import Confirmer, ConfirmerKind, RequiredProofs, SealProofRepository

if TYPE_CHECKING:
    import argparse

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings


class Acts(Protocol):
    """Adds one act to the command line."""

    def __call__(self, name: str, summary: str, *, acting: bool = True) -> argparse.ArgumentParser:
        """Return its parser; acts that change something name their operator."""


def add_pin_arguments(act: Acts) -> None:
    """Take what these acts read."""
    one = act("pin", "have the signer believe a passkey, a client's key, or the stored intention for one seal's key")
    one.add_argument("kind", choices=[str(kind) for kind in ConfirmerKind])
    one.add_argument("identifier", help="credential id, thumbprint of the client's DPoP key, or key id")
    one.add_argument("--subject", default="", metavar="ID", help="officer id or client id")
    one.add_argument("--organisation", required=True, metavar="CREDIT_CODE", dest="credit_code")
    act("unpin", "take a pin back").add_argument("confirmer_id", metavar="KIND:IDENTIFIER")
    act("pins", "list whom the signer believes", acting=False)
    act("passkeys", "list an officer's passkeys", acting=False).add_argument("officer_id")


async def officer_passkeys(database: Database, cipher: FieldCipher, officer_id: str) -> tuple[str, ...]:
    """Return a line for each passkey of an officer: name, day, label and digest of its public key."""
    async with database.read() as connection:
        officer = await Officers(connection, cipher).by_id(officer_id)
        if officer is None:
            raise NotFound("There is no such officer.")
        repository = Passkeys(connection)
        lines = []
        for passkey in await repository.of_account(officer.account_id):
            row = await repository.by_id(passkey.credential_id)
            name = base64.urlsafe_b64encode(passkey.credential_id).rstrip(b"=").decode()
            digest = hashlib.sha256(row.public_key if row is not None else b"").hexdigest()
            lines.append(f"{name}  {passkey.created_at.date().isoformat()}  {passkey.label}  SHA-256 {digest}")
    return tuple(lines)


async def confirmer_of(
    database: Database, kind: ConfirmerKind, identifier: str, *, subject: str, organisation_code: str
) -> Confirmer:
    """Return what is to be pinned, with the public key as it stands in the database now.

    Raises: InvalidInput, NotFound, KeyNotFound.
    """
    if kind is ConfirmerKind.CLIENT:
        return Confirmer(kind, identifier, f"client:{subject}", organisation_code)
    async with database.read() as connection:
        if kind is ConfirmerKind.RECORDED:
            info = (await KeyRepository(connection).get(identifier)).info
            return Confirmer(kind, identifier, identifier, organisation_code, info.public_key_der)
        row = await Passkeys(connection).by_id(_credential(identifier))
    if row is None:
        raise NotFound("There is no such passkey.")
    return Confirmer(kind, identifier, f"officer:{subject}", organisation_code, row.public_key)


def _credential(identifier: str) -> bytes:
    try:
        return base64.b64decode(identifier + "=" * (-len(identifier) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise InvalidInput("A passkey is named by its id in base64url.", field="identifier") from error


NOTHING_PINNED = """\
HUFU_SEAL_PROOF is `required` (the default in production) and nothing is pinned in the signer: it will refuse
every seal, licences and batches too. At the signer's machine two operators pin officers' passkeys and clients' keys,
or declare a seal to need no proof:
  hufu keys request pin recorded:KEY_ID --operator FIRST
  hufu keys pin recorded KEY_ID --organisation CREDIT_CODE --operator SECOND
All commands: docs/keys.md, "Who may use a seal". HUFU_SEAL_PROOF=recorded asks for no proof of any seal."""


async def warn_unpinned(settings: Settings, database: Database) -> None:
    """Say at start that no seal can be used yet, on standard error."""
    if await RequiredProofs(database, required=settings.seal_proof_required).none_pinned():
        print(NOTHING_PINNED, file=sys.stderr, flush=True)


async def pins(database: Database) -> tuple[str, ...]:
    """Return a line for each pin."""
    async with database.read() as connection:
        found = await SealProofRepository(connection).all()
    return tuple(f"{name}  {subject}  {code}  {at.date().isoformat()}" for name, subject, code, at in found)
