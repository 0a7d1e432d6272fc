"""What the provider's endpoints share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from idp.oauth.grant_statements import HotGrants
from idp.oauth.mint import Mint
from idp.oauth.repository import Grants

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from idp.oauth.clients import ClientService
    from idp.oauth.ports import Signer, Subjects
    from idp.oauth.token_verifier import TokenVerifier

SALT_NAME = "pairwise"
SALT_CONTEXT = "oauth_secrets.value"
SALT_BYTES = 32


class Parts:
    """Collaborators of the endpoints, grants on hot paths, and the mint, whose salt is read once.

    The salt is drawn by whichever process asks first and kept, encrypted, for good: every `sub`
    depends on it.
    """

    def __init__(
        self,
        issuer: str,
        *,
        database: Database,
        cache: Cache,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        signer: Signer,
        verifier: TokenVerifier,
        clients: ClientService,
        subjects: Subjects,
    ) -> None:
        """Keep the collaborators."""
        self.issuer = issuer
        self.database = database
        self.cache = cache
        self.clock = clock
        self.audit = audit
        self.signer = signer
        self.verifier = verifier
        self.clients = clients
        self.subjects = subjects
        self.cipher = cipher
        self.hot = HotGrants(database)
        self._mint: Mint | None = None

    async def mint(self) -> Mint:
        """Return the mint, reading or drawing the salt the first time."""
        if self._mint is None:
            async with self.database.transaction() as connection:
                fresh = self.cipher.encrypt_bytes(secrets.token_bytes(SALT_BYTES), SALT_CONTEXT)
                stored = await Grants(connection).keep_secret(SALT_NAME, fresh)
            self._mint = Mint(self.issuer, self.signer, self.cipher.decrypt_bytes(stored, SALT_CONTEXT))
        return self._mint

    def loaded_mint(self) -> Mint:
        """Return the mint that `mint` loaded before; raises RuntimeError otherwise."""
        if self._mint is None:
            message = "the mint is not loaded"
            raise RuntimeError(message)
        return self._mint
