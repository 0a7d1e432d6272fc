"""Who confirms seals to the signer, and what a web process that was taken over writes and asks.

It writes what it likes into the database and asks the signer; it has neither the officers' passkeys, nor the
departments' keys, nor the signer's secret.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import cbor2
import pytest
from joserfc import jwk, jws
from sqlalchemy import delete, insert, update

from keys.dual_control import Act
from keys.model import KeyPurpose
from keys.seal_proofs import Confirmer, ConfirmerKind
from keys.tables import seal_proofs
from signing.intention_repository import IntentionRepository
from signing.model import IntentionState
from signing.tables import seal_intentions
from tests.signing.conftest import BUREAU
from tests.support.authenticator import Authenticator, b64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.intention import Intention
    from signing.model import SecondFactor

ISSUER = "http://localhost:8000"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"seal_proof": "required", "issuer": ISSUER})


class Passkeys:
    """Accepts any assertion, as a web process that was taken over does; the signer has to judge by itself."""

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        del connection, principal, challenge
        return f"{factor.method}:anything"


@pytest.fixture
def second_factors() -> Passkeys:
    return Passkeys()


class Officer:
    """An officer's passkey, registered and pinned."""

    def __init__(self) -> None:
        self.device = Authenticator(ISSUER)
        made = json.loads(self.device.create({"rp": {"id": "localhost"}, "user": {"id": "AA"}, "challenge": "AA"}))
        self.identifier = made["id"]
        ((key, _, _),) = self.device._keys.values()
        self.public_key = cose(key)

    def confirms(self, asked: bytes, **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        return self.device.get({"challenge": b64url(asked)}, **changes)

    def confirmer(self, subject: str, organisation_code: str = BUREAU) -> Confirmer:
        return Confirmer(ConfirmerKind.PASSKEY, self.identifier, subject, organisation_code, self.public_key)


def cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})


class Client:
    """A department system's DPoP key."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self.key = jwk.ECKey.generate_key("P-256")

    def proof(self, **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)}
        claims = {
            "jti": str(uuid4()),
            "htm": "POST",
            "htu": f"{ISSUER}/api/v1/sealed-documents",
            "iat": int(self._clock.now().timestamp()),
        }
        return jws.serialize_compact(header, json.dumps(claims | changes), self.key)

    def confirmer(self, subject: str) -> Confirmer:
        return Confirmer(ConfirmerKind.CLIENT, self.key.thumbprint(), subject, BUREAU)


async def pin(keys: Keys, operator: Principal, second_operator: Principal, confirmer: Confirmer) -> None:
    await keys.service.request(second_operator, Act.PIN, confirmer.confirmer_id)
    await keys.service.pin(operator, confirmer)


async def sign(keys: Keys, intention: Intention, digest: bytes | None = None) -> bytes:
    """Ask the signer as whoever holds its socket can."""
    return await keys.service.sign_digest(
        intention.key_id,
        KeyPurpose.SEAL,
        intention.to_be_signed_digest if digest is None else digest,
        intention_id=intention.intention_id,
    )


async def forged(database: Database, intention_id: str, **columns: object) -> Intention:
    """Write an intention's row as a process with the database in its hands can; return what stands there then."""
    async with database.transaction() as connection:
        table = seal_intentions
        await connection.execute(
            update(table)
            .where(table.c.intention_id == intention_id)
            .values(state=IntentionState.INTENDED, second_factor_method="passkey", **columns)
        )
        found = await IntentionRepository(connection).find(intention_id)
    assert found is not None
    return found[0]


async def keep(database: Database, intention_id: str, kind: str, proof: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(seal_proofs))
        await connection.execute(insert(seal_proofs).values(intention_id=intention_id, kind=kind, proof=proof))
