"""Proving the real name, and signing in, with an own certificate: its key signs a challenge of ours."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.clock import civil_date
from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.identity_numbers import parse_citizen_id_number
from foundation.principal import SYSTEM, PrincipalKind
from idp.people.account_repository import Accounts, Persons
from idp.people.certificate_anchors import CertificateRefused, RevocationUnknown
from idp.people.errors import RealNameConflict, SignInRefused
from idp.people.gateway import GatewayAnswer
from idp.people.methods.base import person_name
from idp.people.proof import Method, Outcome, ProofResult
from idp.people.proof_ledger import Asked, conclude
from idp.people.proof_repository import Proofs
from idp.people.tables import real_name_proofs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from foundation.cache import Cache
    from foundation.principal import Principal
    from idp.people.certificate_anchors import CertificateAnchors, PersonCertificate
    from idp.people.session import Arrival, Session
    from idp.people.sessions import SessionService
    from idp.people.tools import Tools
    from idp.people.upkeep import Upkeep

LIFE_SECONDS = 300
CHALLENGE_BYTES = 32
REFUSED = "The certificate or the signature is not accepted."


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What to sign: `to_sign` are the bytes, as text; the signature is ECDSA or RSA PKCS #1 v1.5 with SHA-256."""

    ceremony_id: str
    to_sign: str = field(repr=False)


class CertificateService:
    """Use cases of certificates of natural persons."""

    def __init__(
        self, tools: Tools, sessions: SessionService, cache: Cache, anchors: CertificateAnchors, *, issuer: str
    ) -> None:
        """Take the shared collaborators, the sessions, and whom we believe; `issuer` binds what is signed to us."""
        self._tools = tools
        self._sessions = sessions
        self._cache = cache
        self._anchors = anchors
        self._issuer = issuer

    @property
    def offered(self) -> bool:
        """Tell whether anchors are configured."""
        return self._anchors.configured

    async def begin(self, principal: Principal) -> Ceremony:
        """Make a challenge for a signed-in person; raises NotPermitted."""
        if principal.kind is not PrincipalKind.PERSON or not self.offered:
            raise NotPermitted("No certificates are accepted here.")
        return await self._make(f"prove:{principal.subject_id}")

    async def begin_sign_in(self, *, source: str) -> Ceremony:
        """Make a challenge for somebody who wants to sign in; raises NotPermitted, SignInThrottled."""
        if not self.offered:
            raise NotPermitted("No certificates are accepted here.")
        await self._tools.throttle.registration("certificate:" + source)
        return await self._make("sign_in")

    async def prove(
        self, principal: Principal, ceremony_id: str, unverified_chain_pem: str, unverified_signature_base64: str
    ) -> ProofResult:
        """Keep the certificate as evidence: its name and number are the person's.

        Outcomes: `match`; `mismatch` (not believed, revoked, or of somebody unnamed); `unavailable` (no
        current revocation list). Raises: NotFound, InvalidInput, RealNameConflict.
        """
        signed = await self._take(ceremony_id, f"prove:{principal.subject_id}")
        return await self._keep(principal, *self._judge(unverified_chain_pem, unverified_signature_base64, signed))

    async def prove_presented(self, principal: Principal, certificate_der: bytes) -> ProofResult:
        """Keep the certificate of a TLS handshake as evidence, which a proxy of ours completed.

        Outcomes as `prove`. Raises: NotPermitted, NotFound, RealNameConflict.
        """
        if principal.kind is not PrincipalKind.PERSON or not self.offered:
            raise NotPermitted("No certificates are accepted here.")
        return await self._keep(principal, *self._judge_presented(certificate_der))

    async def _keep(self, principal: Principal, outcome: Outcome, found: PersonCertificate | None) -> ProofResult:
        async with self._tools.database.transaction() as connection:
            account = await Accounts(connection, self._tools.cipher).by_id(principal.subject_id)
            if account is None:
                raise NotFound("There is no such account.")
            elements = {} if found is None else {"name": found.name, "citizen_id_number": found.citizen_id_number}
            if account.person_id is not None and found is not None:
                person = await Persons(connection, self._tools.cipher).by_id(account.person_id)
                if person is not None and person.document_number != found.citizen_id_number:
                    raise RealNameConflict("This account already belongs to a person with another ID number.")
            now = self._tools.clock.now()
            evidence_id = await Proofs(connection, self._tools.cipher).begin(
                account.account_id, Method.CERTIFICATE, elements, principal.channel, now
            )
            asked = Asked(
                account, Method.CERTIFICATE, elements, evidence_id, valid_until=found.not_after if found else None
            )
            answer = GatewayAnswer(outcome, found.authority if found else "", found.reference if found else "")
            conclusion = await conclude(connection, self._tools, principal, asked, answer)
        if conclusion.conflict:
            raise RealNameConflict("This proof contradicts what is on record; an officer will look into it.")
        return ProofResult(outcome, conclusion.level, evidence_id, conclusion.person_id)

    async def sign_in(
        self, ceremony_id: str, unverified_chain_pem: str, unverified_signature_base64: str, arrival: Arrival
    ) -> Session:
        """Open a session for the account that was proven with this very certificate; raises SignInRefused."""
        signed = await self._take(ceremony_id, "sign_in")
        return await self._open(*self._judge(unverified_chain_pem, unverified_signature_base64, signed), arrival)

    async def sign_in_presented(self, certificate_der: bytes, arrival: Arrival) -> Session:
        """Open a session as `sign_in` does, by the certificate of a TLS handshake; raises SignInRefused."""
        return await self._open(*self._judge_presented(certificate_der), arrival)

    async def _open(self, outcome: Outcome, found: PersonCertificate | None, arrival: Arrival) -> Session:
        account_id = None if outcome is not Outcome.MATCH or found is None else await self._account_of(found)
        if account_id is None:
            raise SignInRefused(REFUSED)
        return await self._sessions.open_by(account_id, ("swk",), arrival)

    async def recheck(self, upkeep: Upkeep) -> int:
        """Withdraw the evidence of certificates that were revoked since; return how many."""
        if not self.offered:
            return 0
        statement = select(real_name_proofs.c.evidence_id, real_name_proofs.c.transaction_id).where(
            real_name_proofs.c.method == Method.CERTIFICATE,
            real_name_proofs.c.outcome == Outcome.MATCH,
            real_name_proofs.c.withdrawn_at.is_(None),
            real_name_proofs.c.expires_at > self._tools.clock.now(),
        )
        async with self._tools.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        withdrawn = 0
        for row in rows:
            if self._revoked(row.transaction_id):
                await upkeep.withdraw(SYSTEM, row.evidence_id, "the certificate was revoked")
                withdrawn += 1
        return withdrawn

    def _revoked(self, reference: str) -> bool:
        try:
            return self._anchors.revoked(reference, self._tools.clock.now())
        except RevocationUnknown:
            return False

    def _judge(self, chain_pem: str, signature_base64: str, signed: bytes) -> tuple[Outcome, PersonCertificate | None]:
        try:
            signature = base64.b64decode(signature_base64, validate=False)
        except binascii.Error:
            return Outcome.MISMATCH, None
        return self._named(lambda now: self._anchors.judge(chain_pem, signature, signed, now))

    def _judge_presented(self, certificate_der: bytes) -> tuple[Outcome, PersonCertificate | None]:
        return self._named(lambda now: self._anchors.judge_presented(certificate_der, now))

    def _named(self, judge: Callable[[datetime], PersonCertificate]) -> tuple[Outcome, PersonCertificate | None]:
        """Return the outcome of a judgement, and whom the certificate names if it is believed."""
        now = self._tools.clock.now()
        try:
            found = judge(now)
            parse_citizen_id_number(found.citizen_id_number, today=civil_date(now))
            found = replace(found, name=person_name(found.name))
        except RevocationUnknown:
            return Outcome.UNAVAILABLE, None
        except (CertificateRefused, InvalidInput):
            return Outcome.MISMATCH, None
        return Outcome.MATCH, found

    async def _account_of(self, found: PersonCertificate) -> str | None:
        statement = (
            select(real_name_proofs.c.account_id)
            .where(
                real_name_proofs.c.method == Method.CERTIFICATE,
                real_name_proofs.c.transaction_id == found.reference,
                real_name_proofs.c.outcome == Outcome.MATCH,
                real_name_proofs.c.person_id.is_not(None),
                real_name_proofs.c.withdrawn_at.is_(None),
            )
            .order_by(real_name_proofs.c.verified_at.desc())
            .limit(1)
        )
        async with self._tools.database.read() as connection:
            account_id: str | None = (await connection.execute(statement)).scalar_one_or_none()
        return account_id

    async def _make(self, purpose: str) -> Ceremony:
        ceremony_id, challenge = secrets.token_urlsafe(24), secrets.token_urlsafe(CHALLENGE_BYTES)
        to_sign = f"hufu certificate {purpose.partition(':')[0]}\n{self._issuer}\n{challenge}"
        stored = json.dumps({"purpose": purpose, "to_sign": to_sign}).encode()
        await self._cache.put(f"certificate:{ceremony_id}", stored, ttl_seconds=LIFE_SECONDS)
        return Ceremony(ceremony_id, to_sign)

    async def _take(self, ceremony_id: str, purpose: str) -> bytes:
        """Return what was to be signed, once."""
        stored = await self._cache.take(f"certificate:{ceremony_id}")
        state = {} if stored is None else json.loads(stored)
        if state.get("purpose") != purpose:
            raise NotFound("The challenge is too old; begin again.")
        return str(state["to_sign"]).encode()
