"""The signer's own look at who wanted a seal: passkey assertions and DPoP proofs under pinned keys."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from joserfc import jwk, jws
from joserfc.errors import JoseError
from webauthn import verify_authentication_response
from webauthn.helpers.exceptions import WebAuthnException

from foundation.audit import AuditEvent
from foundation.errors import NotFound
from keys.certificates import Issuer
from keys.dual_control import Act, DualControl, require_operator
from keys.errors import IntentionMissing, KeystoreLocked
from keys.model import LISTING_STATES
from keys.seal_proofs import (
    Confirmer,
    ConfirmerKind,
    SealProofRepository,
    credential_id_of,
    open_confirmer,
    pin_of,
    proof_of,
    seal_confirmer,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.keyring import KeyRing
    from keys.model import KeyInfo
    from keys.ports import SealEvidence
    from keys.register import Register

PROOF_AGE = timedelta(minutes=5)
PROOF_AHEAD = timedelta(minutes=1)
PROOF_ALGORITHMS = ["ES256", "ES384", "Ed25519", "EdDSA", "PS256"]
MAX_PROOF = 16_384
SEALING_PATHS = ("/api/v1/sealed-documents", "/api/v1/sealed-digests", "/api/v1/licences")
"""A proof made for anything else is no wish for a seal."""
CONFIRMING_PATH = "/api/v1/prepared-sealings/{}/confirmation"
"""Preparing is no wish yet; confirming is one, for what was prepared under this name alone."""
KEPT_ORGANISATIONS = 10_000


class Confirmations:
    """Pins who may confirm, and checks that they did."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        ring: KeyRing,
        register: Register,
        *,
        issuer: str,
        required: bool,
    ) -> None:
        """Take the signer's parts; unless `required`, the stored intention is enough for every seal."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._ring = ring
        self._register = register
        self._control = DualControl(clock, audit)
        self._origin = issuer
        self._rp_id = urlsplit(issuer).hostname or ""
        self.required = required
        self._organisations: dict[bytes, str] = {}
        self._used: dict[bytes, tuple[bytes, datetime]] = {}

    async def pin(self, principal: Principal, confirmer: Confirmer) -> None:
        """Pin who or what confirms, for which another operator has asked; raises SecondOperatorRequired."""
        sealed = seal_confirmer(confirmer, self._ring.kek)
        async with self._database.transaction() as connection:
            await self._control.spend(connection, principal, Act.PIN, confirmer.confirmer_id)
            await SealProofRepository(connection).add(confirmer, sealed, self._clock.now())
            await self._record(connection, principal, "keys.pin", confirmer.confirmer_id, _facts(confirmer))

    async def unpin(self, principal: Principal, confirmer_id: str) -> None:
        """Take a pin back; one operator is enough. Raises NotFound."""
        require_operator(principal)
        async with self._database.transaction() as connection:
            if not await SealProofRepository(connection).remove(confirmer_id):
                raise NotFound("Nothing of this name is pinned.")
            await self._record(connection, principal, "keys.unpin", confirmer_id, {})

    async def _record(
        self, connection: AsyncConnection, principal: Principal, action: str, confirmer_id: str, detail: dict[str, str]
    ) -> None:
        await self._audit.record(connection, principal, AuditEvent(action, "confirmer", confirmer_id, detail))

    async def require(self, key: KeyInfo, digest: bytes, evidence: SealEvidence) -> None:
        """Raise IntentionMissing unless somebody pinned wanted this digest sealed by this key."""
        if await self._pinned(ConfirmerKind.RECORDED, key.key_id, key.public_key_der):
            return
        kept = await proof_of(self._database, evidence.intention_id)
        if kept is None or len(kept[1]) > MAX_PROOF:
            raise IntentionMissing("Nobody outside the web process confirmed this seal.")
        kind, proof = kept
        if kind is ConfirmerKind.PASSKEY:
            confirmer = await self._passkey(proof, evidence)
        elif kind is ConfirmerKind.CLIENT:
            confirmer = await self._client(proof, digest, evidence.intention_id)
        else:
            raise IntentionMissing("This is no confirmation.")
        if confirmer.subject != evidence.requested_by:
            raise IntentionMissing("Somebody else confirmed this seal.")
        if confirmer.organisation_code != self._organisation_of(key):
            raise IntentionMissing("Whoever confirmed this seal is not of its organisation.")

    async def _pinned(self, kind: ConfirmerKind, identifier: str, public_key: bytes | None = None) -> Confirmer | None:
        sealed = await pin_of(self._database, kind, identifier)
        if sealed is None:
            return None
        try:
            confirmer = open_confirmer(kind, identifier, sealed, self._ring.kek)
        except KeystoreLocked:
            return None  # a row the signer did not write
        return confirmer if public_key in (None, confirmer.public_key) else None

    async def _passkey(self, proof: str, evidence: SealEvidence) -> Confirmer:
        """Check an assertion over the intention's hash, which names document, place, seal and matter."""
        confirmer = await self._pinned(ConfirmerKind.PASSKEY, credential_id_of(proof))
        if confirmer is None:
            raise IntentionMissing("This passkey is not pinned in the signer.")
        try:
            verify_authentication_response(
                credential=proof,
                expected_challenge=evidence.challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=confirmer.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise IntentionMissing("The officer's passkey did not sign this intention.") from error
        return confirmer

    async def _client(self, proof: str, digest: bytes, intention_id: str) -> Confirmer:
        """Check the DPoP proof of the request that asked, and spend it on this digest."""
        claims, thumbprint = _verified(proof)
        confirmer = await self._pinned(ConfirmerKind.CLIENT, thumbprint)
        if confirmer is None:
            raise IntentionMissing("This client's key is not pinned in the signer.")
        now = self._clock.now()
        asks = self._asks_for_a_seal(claims, intention_id)
        if not asks or not now - PROOF_AGE <= _moment(claims.get("iat")) <= now + PROOF_AHEAD:
            raise IntentionMissing("The client's proof is for another request, or stale.")
        await self._spend(hashlib.sha256(f"{thumbprint} {claims.get('jti')}".encode()).digest(), digest, now)
        return confirmer

    def _asks_for_a_seal(self, claims: dict[str, Any], intention_id: str) -> bool:
        address = claims.get("htu")
        jti = claims.get("jti")
        paths = tuple(self._origin + path for path in SEALING_PATHS)
        confirming = self._origin + CONFIRMING_PATH.format(intention_id)
        return (
            claims.get("htm") == "POST"
            and isinstance(address, str)
            and (address == confirming or any(address == path or address.startswith(path + "/") for path in paths))
            and isinstance(jti, str)
            and bool(jti)
        )

    async def _spend(self, proof_hash: bytes, digest: bytes, now: datetime) -> None:
        """Let a proof stand for one digest: in the database across restarts, in memory against whoever deletes rows."""
        self._used = {name: one for name, one in self._used.items() if one[1] > now - 2 * PROOF_AGE}
        async with self._database.transaction() as connection:
            fresh = await SealProofRepository(connection).use(proof_hash, digest, now)
        if not fresh or self._used.setdefault(proof_hash, (digest, now))[0] != digest:
            raise IntentionMissing("The client's proof was used for another seal.")

    def _organisation_of(self, key: KeyInfo) -> str:
        """Return the credit code in the certificate that one of our own CAs made for this key."""
        leaf_der = key.certificate_chain_der[0]
        if leaf_der not in self._organisations:
            if len(self._organisations) >= KEPT_ORGANISATIONS:
                self._organisations.clear()
            self._organisations[leaf_der] = self._read_organisation(leaf_der, key.public_key_der)
        return self._organisations[leaf_der]

    def _read_organisation(self, leaf_der: bytes, public_key_der: bytes) -> str:
        leaf = x509.load_der_x509_certificate(leaf_der)
        if leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_key_der:
            raise IntentionMissing("The seal's certificate is for another key.")
        if not any(self._issued(issuer, leaf) for issuer in self._register.authorities(LISTING_STATES)):
            raise IntentionMissing("The seal's certificate is not of a CA held here.")
        found = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
        return str(found[0].value).removeprefix("NTRCN-") if found else ""

    def _issued(self, issuer: Issuer, leaf: x509.Certificate) -> bool:
        """Tell whether the CA key opened here, not one that a row names, signed a certificate."""
        authority = self._register.authority(issuer)
        certificate = x509.load_der_x509_certificate(authority.info.certificate_chain_der[0])
        if certificate.public_key() != self._ring.open(authority).certificate_signer().public_key():
            return False
        try:
            leaf.verify_directly_issued_by(certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return issuer.role == Issuer.SEALS

    async def forget(self) -> None:
        """Delete spent proofs that their date refuses anyway."""
        async with self._database.transaction() as connection:
            await SealProofRepository(connection).forget_used(self._clock.now() - 2 * PROOF_AGE)


def _verified(proof: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a DPoP proof and the thumbprint of the key that signed it (RFC 9449, 4.2)."""
    try:
        unverified = jws.extract_compact(proof.encode())
        header = unverified.headers()
        if header.get("typ") != "dpop+jwt" or not isinstance(header.get("jwk"), dict):
            raise IntentionMissing("This is no DPoP proof.")
        key = jwk.import_key(header["jwk"])
        checked = jws.deserialize_compact(proof.encode(), key, algorithms=PROOF_ALGORITHMS)
        claims = json.loads(checked.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise IntentionMissing("The client's proof is not sound.") from error
    if not isinstance(claims, dict):
        raise IntentionMissing("The client's proof is not sound.")
    return claims, key.thumbprint()


def _moment(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:  # noqa: PLR2004 - the year 5138
        raise IntentionMissing("The client's proof has no date.")
    return datetime.fromtimestamp(seconds, UTC)


def _facts(confirmer: Confirmer) -> dict[str, str]:
    return {
        "subject": confirmer.subject,
        "organisation_code": confirmer.organisation_code,
        "public_key_sha256": hashlib.sha256(confirmer.public_key).hexdigest(),
    }
